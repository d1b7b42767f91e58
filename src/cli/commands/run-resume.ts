/**
 * `stepgate run resume`: goes on with a run that a breakpoint or an operator paused.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { RunView } from "../wire.ts";

export const addRunResume: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("resume <run>"))
    .description("go on with a paused run")
    .addHelpText("after", "\nExample:\n  npx stepgate run resume <run id>\n")
    .action(async (id: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const run = await api.send("POST", `/v1/runs/${encodeURIComponent(id)}/resume`, { schema: RunView });
      around.terminal.line(json === true ? JSON.stringify(run) : `run ${run.run_uid} · ${run.status}`);
    });
};
