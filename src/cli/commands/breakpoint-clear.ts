/**
 * `stepgate breakpoint clear`: takes one breakpoint of a run away; where it has paused already it stands.
 */
import { findTarget, makeApi } from "../api.ts";
import { breakpointsPath, showBreakpoints, targetArgument } from "../breakpoints.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { BreakpointList } from "../wire.ts";

export const addBreakpointClear: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("clear <run>").addArgument(targetArgument()).argument("<value>"))
    .description("take a breakpoint away; a run that stands goes on with `continue`")
    .addHelpText("after", "\nExample:\n  npx stepgate breakpoint clear <run id> step forward_reply\n")
    .action(async (run: string, target: string, value: string, { json, ...options }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), options));
      const path = `${breakpointsPath(run)}/${target}/${encodeURIComponent(value)}`;
      const list = await api.send("DELETE", path, { schema: BreakpointList });
      await showBreakpoints(around.terminal, api, { run, list, isJson: json === true });
    });
};
