/**
 * `stepgate run resume` and `stepgate breakpoint continue`: goes on with a run that a breakpoint or an operator paused.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { RunView } from "../wire.ts";

/** The same act under the name that each group has for it. */
const addResume =
  (name: string): AddCommand =>
  (parent, around) => {
    addTargetOptions(parent.command(`${name} <run>`))
      .description("go on with a paused run")
      .addHelpText("after", `\nExample:\n  npx stepgate ${parent.name()} ${name} <run id>\n`)
      .action(async (id: string, { json, ...target }: TargetOptions) => {
        const api = makeApi(await findTarget(readConfig(around), target));
        const run = await api.send("POST", `/v1/runs/${encodeURIComponent(id)}/resume`, { schema: RunView });
        around.terminal.line(json === true ? JSON.stringify(run) : `run ${run.run_uid} · ${run.status}`);
      });
  };

export const addRunResume = addResume("resume");
export const addBreakpointContinue = addResume("continue");
