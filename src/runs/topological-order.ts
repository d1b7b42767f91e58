/**
 * The order in which a plan's steps can run, and the circle that prevents it (spec 02, plan validation).
 *
 * In: step ids in order of declaration, distinct edges between them. Out: an order, or one circle. Linear in both.
 * Not here: whether the ids exist (plan.ts).
 */
import type { StepId } from "../core/ids.ts";
import type { Edge } from "./normalize-submission.ts";

export type Ordering =
  | { readonly ok: true; readonly order: readonly StepId[] }
  /** The steps on one circle, each followed by one that depends on it; starts with the first declared of them. */
  | { readonly ok: false; readonly cycle: readonly StepId[] };

/** Kahn's order: ready roots in order of declaration, then first in, first out; successors in order of their edges. */
export function topologicalOrder(stepIds: readonly StepId[], edges: readonly Edge[]): Ordering {
  const successors = new Map<StepId, StepId[]>(stepIds.map((id) => [id, []]));
  const pending = new Map<StepId, number>(stepIds.map((id) => [id, 0]));
  for (const [from, to] of edges) {
    successors.get(from)?.push(to);
    pending.set(to, (pending.get(to) ?? 0) + 1);
  }
  const order = stepIds.filter((id) => pending.get(id) === 0);
  // the list grows while it is walked: it is the queue
  for (const id of order) {
    for (const next of successors.get(id) ?? []) {
      const left = (pending.get(next) ?? 0) - 1;
      pending.set(next, left);
      if (left === 0) order.push(next);
    }
  }
  if (order.length === stepIds.length) return { ok: true, order };
  return { ok: false, cycle: findCycle(stepIds, edges, pending) };
}

/** Every step left over waits for another one left over; walking backwards from any of them must come around. */
function findCycle(
  stepIds: readonly StepId[],
  edges: readonly Edge[],
  pending: ReadonlyMap<StepId, number>,
): readonly StepId[] {
  const isLeft = (id: StepId) => (pending.get(id) ?? 0) > 0;
  const waitsFor = new Map<StepId, StepId>();
  for (const [from, to] of edges) {
    if (isLeft(from) && isLeft(to) && !waitsFor.has(to)) waitsFor.set(to, from);
  }
  const walked = new Map<StepId, number>();
  let current = stepIds.find(isLeft);
  while (current !== undefined && !walked.has(current)) {
    walked.set(current, walked.size);
    current = waitsFor.get(current);
  }
  const start = current === undefined ? 0 : (walked.get(current) ?? 0);
  const cycle = [...walked.keys()].slice(start).reverse();
  const onCycle = new Set(cycle);
  const first = cycle.indexOf(stepIds.find((id) => onCycle.has(id)) ?? (cycle[0] as StepId));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}
