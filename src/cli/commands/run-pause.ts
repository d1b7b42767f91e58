/**
 * `stepgate run pause`: starts nothing more of one run until it is resumed.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { RunView } from "../wire.ts";

export const addRunPause: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("pause <run>"))
    .description("start nothing more of a run; what runs goes on to its end")
    .addHelpText("after", "\nExample:\n  npx stepgate run pause <run id>\n")
    .action(async (id: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const run = await api.send("POST", `/v1/runs/${encodeURIComponent(id)}/pause`, { schema: RunView });
      around.terminal.line(json === true ? JSON.stringify(run) : `run ${run.run_uid} · ${run.status}`);
    });
};
