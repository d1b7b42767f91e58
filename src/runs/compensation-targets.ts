/**
 * Which steps of a plan undo which others, and whether they can (spec 02, compensation).
 *
 * In: a plan whose named steps all exist. Out: target → origin. Not here: when a target runs (compensation.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { StepSpec } from "../core/step.ts";
import type { Plan } from "./normalize-submission.ts";

/**
 * The compensation targets of a plan with their origins.
 *
 * @throws {StepgateError} PLAN_BAD_COMPENSATION {step, reason} for a target with a second origin, with a compensation of
 *   its own (which also covers a step that names itself), or with edges.
 */
export function compensationTargets(
  { steps, edges }: Plan,
  byId: ReadonlyMap<StepId, StepSpec>,
): ReadonlyMap<StepId, StepId> {
  const refuse = (step: StepId, reason: string): never => {
    throw new StepgateError("PLAN_BAD_COMPENSATION", { step, reason });
  };
  const origins = new Map<StepId, StepId>();
  for (const { id, execution } of steps) {
    const target = execution.compensation?.step;
    if (target === undefined) continue;
    if (origins.has(target)) refuse(target, "second_origin");
    if (byId.get(target)?.execution.compensation !== undefined) refuse(target, "own_compensation");
    origins.set(target, id);
  }
  for (const step of edges.flat()) {
    if (origins.has(step)) refuse(step, "edges");
  }
  return origins;
}
