/**
 * Steps with a contract, and how they come to have waited.
 */
import type { Rig } from "./rig.ts";

export const gold = { tier: "gold", queue_target_ms: 1000, priority_boost: 3, error_budget_ppm: 250_000 };

/** Steps wait as if they had become ready `agoMs` ago; order keys are written when a step is placed. */
export async function age(rig: Rig, runUid: string, agoMs: number): Promise<void> {
  for (const table of [
    "ready_steps set ready_at = ready_at - $2::bigint * interval '1 ms', breach_at = breach_at - $2::bigint * interval '1 ms'",
    "steps set first_ready_at = first_ready_at - $2::bigint * interval '1 ms'",
  ])
    await rig.rows(`update stepgate.${table} where run_uid = $1`, [runUid, agoMs]);
}
