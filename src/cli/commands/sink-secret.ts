/**
 * `stepgate sink secret`: a new signing secret, printed once; the one before stays good for a day.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { SinkSecretView } from "../wire.ts";

export const addSinkSecret: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("secret <sink>"))
    .description("make a new signing secret; for a day both sign")
    .addHelpText("after", "\nExample:\n  npx stepgate sink secret alerts\n")
    .action(async (name: string, { json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `/v1/sinks/${encodeURIComponent(name)}/secret`;
      const made = await api.send("POST", path, { schema: SinkSecretView });
      if (json === true) return terminal.write(`${JSON.stringify(made)}\n`);
      terminal.line(`the secret before signs too until ${made.previous_until}`);
      // never cut: it is shown this once
      terminal.write(`${made.secret ?? ""}\n`);
    });
};
