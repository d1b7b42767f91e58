/**
 * Service levels of queued steps: clamping, the order of claims, and the view that packs and executors get (spec 02).
 *
 * In: `policy.slo`, the platform's tiers, times. Out: order keys and slack. Not here: fairness between tenants (scheduler/).
 */
import { StepgateError } from "../core/errors.ts";
import type { StepSlo } from "../core/step.ts";

/** Target of steps without a contract, for their slack only. */
export const DEFAULT_QUEUE_TARGET_MS = 30_000;

/** What the platform allows a step of one tier to wish for. */
export interface SloTier {
  readonly smallestQueueTargetMs: number;
  readonly largestPriorityBoost: number;
}

export type SloTiers = ReadonlyMap<string, SloTier>;

/** What the queue sorts by; a step has a contract when it has a target. */
export interface OrderKeys {
  readonly queueTargetMs: number | undefined;
  /** Run's priority plus boost. */
  readonly priority: number;
}

/** A queued step as the order sees it. */
export interface QueuedStep {
  readonly isContracted: boolean;
  /** ready_at + target; read only between steps with a contract. */
  readonly breachAtMs: number;
  readonly priority: number;
  readonly readyAtMs: number;
  readonly createdAtMs: number;
}

/** How a step stands against its contract, in the words of the pack input; a type, since packs get it as JSON. */
export type SloView = {
  readonly tier?: string;
  readonly queue_target_ms: number;
  readonly observed_queue_ms: number;
  /** Target − wait; negative once breached. */
  readonly slack_ms: number;
  readonly priority_boost: number;
  readonly error_budget_ppm: number;
};

/**
 * Limits a step's wish to what its tier may ask for.
 *
 * @throws {StepgateError} FIELD_INVALID naming `field` for a tier that the platform does not have.
 */
export function clampSlo(slo: StepSlo, tiers: SloTiers, field: string): StepSlo {
  const tier = tiers.get(slo.tier);
  if (tier === undefined) throw new StepgateError("FIELD_INVALID", { field: `${field}/tier`, reason: "unknown tier" });
  return {
    ...slo,
    queue_target_ms: Math.max(slo.queue_target_ms, tier.smallestQueueTargetMs),
    priority_boost: Math.min(slo.priority_boost, tier.largestPriorityBoost),
  };
}

/** Order keys of a step: its clamped contract, if it has one, over its run's priority. */
export function orderKeys(slo: StepSlo | undefined, runPriority: number): OrderKeys {
  return { queueTargetMs: slo?.queue_target_ms, priority: runPriority + (slo?.priority_boost ?? 0) };
}

/**
 * Negative when `a` is claimed before `b`: contracted first · earlier breach · higher priority · longer wait · older.
 *
 * The same order as the claim's index; it differs from the reference in the longer wait going first.
 */
export function compareQueued(a: QueuedStep, b: QueuedStep): number {
  if (a.isContracted !== b.isContracted) return a.isContracted ? -1 : 1;
  const byBreach = a.isContracted ? a.breachAtMs - b.breachAtMs : 0;
  return byBreach || b.priority - a.priority || a.readyAtMs - b.readyAtMs || a.createdAtMs - b.createdAtMs;
}

/** How a step stands against its target after waiting `waitMs` since it became ready. */
export function sloView(slo: StepSlo | undefined, waitMs: number): SloView {
  const targetMs = slo?.queue_target_ms ?? DEFAULT_QUEUE_TARGET_MS;
  return {
    error_budget_ppm: slo?.error_budget_ppm ?? 0,
    observed_queue_ms: waitMs,
    priority_boost: slo?.priority_boost ?? 0,
    queue_target_ms: targetMs,
    slack_ms: targetMs - waitMs,
    ...(slo !== undefined && { tier: slo.tier }),
  };
}
