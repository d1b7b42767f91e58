/**
 * Which part of an ended run a fork runs again: the step, what depends on it, and their compensations (spec 06, fork).
 *
 * In: the run's plan, how its steps ended, the step to go on from. Out: a plan, and the steps whose outputs it takes over.
 * Pure. Not here: opening and sealing payloads (fork-run.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { StepState } from "../core/state.ts";
import type { ManifestPlan } from "./manifest-shape.ts";

export interface ForkPlan {
  readonly plan: ManifestPlan;
  /** Succeeded steps that the plan's steps depended on. */
  readonly takenOver: readonly StepId[];
  /** The step that the forked one compensated, if it was a compensation: it runs as an ordinary step now. */
  readonly compensated: StepId | undefined;
}

/**
 * Cuts the plan.
 *
 * @throws {StepgateError} NOT_FOUND for a step that is not in the plan, STATE_CONFLICT when a step of the fork also needs
 *   one outside of it that did not succeed.
 */
export function forkPlan(
  { steps, edges }: ManifestPlan,
  from: StepId,
  stateOf: (step: StepId) => StepState | undefined,
): ForkPlan {
  if (!steps.some(({ id }) => id === from)) throw new StepgateError("NOT_FOUND", { step: from });
  const compensated = steps.find(({ execution }) => execution.compensation?.step === from)?.id;
  const kept = withDependents(edges, from);
  const takenOver = new Set<StepId>(compensated === undefined ? [] : [compensated]);
  for (const [dependency, step] of edges) {
    if (!kept.has(step) || kept.has(dependency)) continue;
    if (stateOf(dependency) !== "succeeded")
      throw new StepgateError("STATE_CONFLICT", { step, needs: dependency, reason: "it did not succeed" });
    takenOver.add(dependency);
  }
  const again = steps.filter(({ id }) => kept.has(id));
  const targets = new Set(again.flatMap(({ execution }) => execution.compensation?.step ?? []));
  return {
    plan: {
      steps: steps.filter(({ id }) => kept.has(id) || targets.has(id)),
      edges: edges.filter(([dependency, step]) => kept.has(dependency) && kept.has(step)),
    },
    takenOver: [...takenOver],
    compensated,
  };
}

function withDependents(edges: ManifestPlan["edges"], from: StepId): ReadonlySet<StepId> {
  const dependents = new Map<StepId, StepId[]>();
  for (const [dependency, step] of edges) dependents.set(dependency, [...(dependents.get(dependency) ?? []), step]);
  const kept = new Set<StepId>([from]);
  // a set that grows while it is walked visits what was added
  for (const step of kept) for (const dependent of dependents.get(step) ?? []) kept.add(dependent);
  return kept;
}
