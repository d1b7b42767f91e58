/**
 * `stepgate key revoke`: a key stops working, for ever.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { AnyJson } from "../wire.ts";

export const addKeyRevoke: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("revoke <key>"))
    .description("revoke an API key by its id")
    .addHelpText("after", "\nExample:\n  npx stepgate key revoke <key id from `stepgate key list`>\n")
    .action(async (keyId: string, { json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      await api.send("DELETE", `/v1/keys/${encodeURIComponent(keyId)}`, { schema: AnyJson });
      terminal.line(json === true ? JSON.stringify({ key_id: keyId, revoked: true }) : `key ${keyId} is revoked`);
    });
};
