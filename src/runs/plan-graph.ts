/**
 * A plan as a graph, for whoever walks it after it was validated: order, successors, targets.
 *
 * In: steps and distinct edges. Out: maps by step. Not here: whether the plan is a good one (plan.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { PlannedStep } from "./manifest-shape.ts";
import type { Edge } from "./normalize-submission.ts";
import { topologicalOrder } from "./topological-order.ts";

export interface PlanGraph {
  /** Topological order; targets come after all others, in order of declaration. */
  readonly order: readonly StepId[];
  readonly successors: ReadonlyMap<StepId, readonly StepId[]>;
  readonly totalDependencies: ReadonlyMap<StepId, number>;
  /** Target → the step that it compensates. */
  readonly origins: ReadonlyMap<StepId, StepId>;
}

/**
 * Builds the graph of a plan whose steps exist and are distinct.
 *
 * @throws {StepgateError} PLAN_CYCLE naming the steps on it.
 */
export function planGraph(plan: {
  readonly steps: readonly PlannedStep[];
  readonly edges: readonly Edge[];
}): PlanGraph {
  const stepIds = plan.steps.map(({ id }) => id);
  const ordering = topologicalOrder(stepIds, plan.edges);
  if (!ordering.ok) throw new StepgateError("PLAN_CYCLE", { steps: ordering.cycle.join(",") });
  const origins = new Map<StepId, StepId>();
  for (const { id, execution } of plan.steps) {
    if (execution.compensation !== undefined) origins.set(execution.compensation.step, id);
  }
  const successors = new Map<StepId, StepId[]>();
  const totalDependencies = new Map<StepId, number>();
  for (const [from, to] of plan.edges) {
    const after = successors.get(from);
    if (after === undefined) successors.set(from, [to]);
    else after.push(to);
    totalDependencies.set(to, (totalDependencies.get(to) ?? 0) + 1);
  }
  const isTarget = (id: StepId) => origins.has(id);
  const order = [...ordering.order.filter((id) => !isTarget(id)), ...stepIds.filter(isTarget)];
  return { order, successors, totalDependencies, origins };
}
