/**
 * Which step's values a step's inputs take, as one text of its row: `step` of the same run, or, in a fork,
 * `run/step` of the run it was forked from; `run/step/origin` takes that step's inputs too, as a compensation does.
 *
 * Step ids hold no slash. Not here: the references inside the inputs (references.ts).
 */
import type { RunUid, StepId } from "../core/ids.ts";
import type { ForkOrigin } from "./prepare-submission.ts";

export interface StepRef {
  readonly stepId: StepId;
  /** Undefined: the step's own run. */
  readonly runUid: RunUid | undefined;
  /** Its pointers start at `{inputs, output}`. */
  readonly hasInputs: boolean;
}

export function writeStepRef(stepId: StepId, fork: ForkOrigin | undefined): string {
  if (fork?.takenOver.has(stepId) !== true) return stepId;
  return stepId === fork.compensated ? `${fork.runUid}/${stepId}/origin` : `${fork.runUid}/${stepId}`;
}

export function readStepRef(ref: string): StepRef {
  const [first = "", second, third] = ref.split("/");
  if (second === undefined) return { stepId: first as StepId, runUid: undefined, hasInputs: false };
  return { stepId: second as StepId, runUid: first as RunUid, hasInputs: third === "origin" };
}
