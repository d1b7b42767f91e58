/**
 * `stepgate sink remove`: a sink goes, with everything that waits for it.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { AnyJson } from "../wire.ts";

export const addSinkRemove: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("remove <sink>"))
    .description("remove a sink with everything that waits for it")
    .addHelpText("after", "\nExample:\n  npx stepgate sink remove alerts\n")
    .action(async (name: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      await api.send("DELETE", `/v1/sinks/${encodeURIComponent(name)}`, { schema: AnyJson });
      around.terminal.line(json === true ? JSON.stringify({ name }) : `sink ${name} is removed`);
    });
};
