/**
 * `stepgate key list`: API keys of the tenant without their secrets.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { KeyPage, type KeyView } from "../wire.ts";

export const addKeyList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list API keys without their secrets")
    .addHelpText("after", "\nExample:\n  npx stepgate key list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const keys: KeyView[] = [];
      for (let after: string | undefined = ""; after !== undefined; ) {
        const query: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
        const page: { readonly items: KeyView[]; readonly next?: string } = await api.get(
          `/v1/keys?limit=200${query}`,
          KeyPage,
        );
        keys.push(...page.items);
        after = page.next;
      }
      if (json === true) return terminal.line(JSON.stringify(keys));
      const rows = keys.map((key) => [key.key_id, stateOf(key), key.scope, key.owner, key.roles.join(",")]);
      for (const line of alignColumns([["KEY", "STATE", "SCOPE", "OWNER", "ROLES"], ...rows])) terminal.line(line);
    });
};

function stateOf({ revoked_at: revokedAt, expires_at: expiresAt, last_used_at: usedAt }: KeyView): string {
  if (revokedAt !== undefined) return `revoked ${revokedAt.slice(0, 10)}`;
  if (expiresAt !== undefined) return `until ${expiresAt.slice(0, 10)}`;
  return usedAt === undefined ? "never used" : `used ${usedAt.slice(0, 16)}Z`;
}
