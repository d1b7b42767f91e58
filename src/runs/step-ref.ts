/**
 * Which step's values a step's inputs take, as one text of its row: `step` of the same run, or, in a fork,
 * `run/step` of the run it was forked from; `run/step/origin` takes that step's inputs too, as a compensation does.
 *
 * Step ids hold no slash. Not here: the references inside the inputs (references.ts).
 */
import type { RecordId, RunUid, StepId } from "../core/ids.ts";

/** The ended run and the step that a fork goes on from, and what it takes over from it. */
export interface ForkOrigin {
  readonly runUid: RunUid;
  readonly stepId: StepId;
  /** The first run of the line of forks: whose budget is drawn on. */
  readonly rootRunUid: RunUid;
  /** Steps of that run whose outputs the fork's inputs may take, with the record that says how each ended. */
  readonly takenOver: ReadonlyMap<StepId, RecordId | undefined>;
  /** The step whose inputs and output a forked compensation takes. */
  readonly compensated: StepId | undefined;
}

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
