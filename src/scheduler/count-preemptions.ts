/**
 * SLO preemptions of one claim (spec 02, order): breached steps that went before one that had been ready earlier.
 *
 * In: what a claim answered. Out: a count; each breached step counts once. Not here: the order itself (functions/claim.sql).
 */
import type { ClaimedStep } from "./ports.ts";

/** Counts within each tenant, since the order between tenants is by share; epochs rise in the order of the claim. */
export function countPreemptions(
  claimed: readonly Pick<ClaimedStep, "tenantUid" | "leaseEpoch" | "readyAtMs" | "queueTargetMs" | "nowMs">[],
): number {
  if (claimed.every(({ queueTargetMs }) => queueTargetMs === undefined)) return 0;
  const earliest = new Map<string, number>();
  let count = 0;
  for (const { tenantUid, readyAtMs, queueTargetMs, nowMs } of claimed.toSorted(
    (a, b) => b.leaseEpoch - a.leaseEpoch,
  )) {
    const later = earliest.get(tenantUid) ?? Number.POSITIVE_INFINITY;
    const isBreached = queueTargetMs !== undefined && nowMs > readyAtMs + queueTargetMs;
    if (isBreached && later < readyAtMs) count += 1;
    earliest.set(tenantUid, Math.min(later, readyAtMs));
  }
  return count;
}
