/**
 * Work of one check of a value against a tool's schema, counted while it is done.
 *
 * Schemas come from operators and values from anybody, and a small schema can make a small value cost minutes. In: steps of
 * about 10 ns. Out: nothing, or the end of the check. Not here: what costs how much (schema-steps.ts, linear-pattern.ts).
 */
import { StepgateError } from "../../core/errors.ts";

/** About half a second of the one thread (Node 24, EPYC). */
export const MAX_STEPS = 50_000_000;

export interface Work {
  /** Begins a check: all steps are there again. */
  readonly begin: () => void;
  /** @throws {StepgateError} TOOL_WORK_EXCEEDED when the check has none left. */
  readonly spend: (steps: number) => void;
}

/** The work of checks that are made one after the other. */
export function makeWork(maxSteps: number): Work {
  let left = 0;
  return {
    begin: () => {
      left = maxSteps;
    },
    spend: (steps) => {
      left -= steps;
      if (left < 0) throw new StepgateError("TOOL_WORK_EXCEEDED", { max_steps: maxSteps });
    },
  };
}
