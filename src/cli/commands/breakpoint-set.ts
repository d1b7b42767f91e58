/**
 * `stepgate breakpoint set`: pauses a run once before a step, any step of a slug, or any of a type.
 */
import { findTarget, makeApi } from "../api.ts";
import { breakpointsPath, showBreakpoints, targetArgument } from "../breakpoints.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { BreakpointList } from "../wire.ts";

export const addBreakpointSet: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("set <run>").addArgument(targetArgument()).argument("<value>"))
    .description("pause a run once, before a step, a slug or a type is decided on")
    .addHelpText("after", "\nExample:\n  npx stepgate breakpoint set <run id> step forward_reply\n")
    .action(async (run: string, target: string, value: string, { json, ...options }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), options));
      const input = { body: { target, value }, schema: BreakpointList };
      const list = await api.send("POST", breakpointsPath(run), input);
      await showBreakpoints(around.terminal, api, { run, list, isJson: json === true });
    });
};
