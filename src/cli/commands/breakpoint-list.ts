/**
 * `stepgate breakpoint list`: where a run will pause, and where it stands now.
 */
import { findTarget, makeApi } from "../api.ts";
import { breakpointsPath, showBreakpoints } from "../breakpoints.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { BreakpointList } from "../wire.ts";

export const addBreakpointList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list <run>"))
    .description("list a run's breakpoints, and say where it stands")
    .addHelpText("after", "\nExample:\n  npx stepgate breakpoint list <run id>\n")
    .action(async (run: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const list = await api.get(breakpointsPath(run), BreakpointList);
      await showBreakpoints(around.terminal, api, { run, list, isJson: json === true });
    });
};
