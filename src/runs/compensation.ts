/**
 * Which compensation targets run, which do not, and in which order (spec 00 step states, spec 02 compensation).
 *
 * In: how origins ended and how the run would end. Out: a verdict per target. Not here: what makes a target valid
 * (compensation-targets.ts), the transactions (storage/).
 */
import type { StepId } from "../core/ids.ts";
import { isStepEnded, type StepState } from "../core/state.ts";
import type { StepExecution } from "../core/step.ts";

export type CompensationTrigger = NonNullable<StepExecution["compensation"]>["on"];

export interface Origin {
  readonly state: StepState;
  /** An attempt was made, so an effect may exist, whatever ended the step. */
  readonly attemptsMade: number;
}

/** `skip`: the target is skipped as `compensation_not_needed`. `wait`: not known before the run would end. */
export type TargetVerdict = "run" | "skip" | "wait";

/**
 * What becomes of a target. `runEnd` is how the run ends once no ordinary step is open; undefined while some are.
 *
 * An origin that made no attempt left nothing to undo. `failure_of_step` is decided with the origin;
 * `failure_of_run` when the run is about to end, and only then.
 */
export function targetVerdict(
  on: CompensationTrigger,
  origin: Origin,
  runEnd: "succeeded" | "failed" | "cancelled" | undefined,
): TargetVerdict {
  if (!isStepEnded(origin.state)) return "wait";
  if (origin.attemptsMade === 0) return "skip";
  if (on === "failure_of_step") return origin.state === "succeeded" ? "skip" : "run";
  if (runEnd === undefined) return "wait";
  return runEnd === "succeeded" ? "skip" : "run";
}

/** Targets in the order in which they run, one after another: the origin that ended last is undone first. */
export function compensationOrder(
  targets: readonly { readonly target: StepId; readonly originEndedSeq: number }[],
): readonly StepId[] {
  return targets.toSorted((a, b) => b.originEndedSeq - a.originEndedSeq).map(({ target }) => target);
}
