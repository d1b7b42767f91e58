/**
 * Stage 2, breakpoint: a step named by id, slug or type stops the run before anything is decided (spec 01, spec 02).
 *
 * Goes on or pauses. Not here: the transaction that pauses (storage/), resuming (runs/).
 */
import { StepgateError } from "../core/errors.ts";
import { goOn, type Stage } from "./context.ts";
import type { BreakpointList } from "./ports.ts";

export function makeBreakpoint({ breakpoints }: { readonly breakpoints: BreakpointList }): Stage {
  return async (context) => {
    // the claim says whether the run has any; most have none, and asking costs a round trip
    if (!context.step.run.hasBreakpoints) return goOn(context);
    const breakpoint = await breakpoints.find(context.step);
    if (breakpoint === undefined) return goOn(context);
    if (typeof breakpoint?.target !== "string" || typeof breakpoint.value !== "string")
      throw new StepgateError("ANSWER_MALFORMED", { part: "breakpoints" });
    return { kind: "pause", context, breakpoint };
  };
}
