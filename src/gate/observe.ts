/**
 * Stage 1, observe: how long the step waited and how it stands against its contract (spec 02, order).
 *
 * Always goes on. Not here: ranking (scheduler/), metrics export (telemetry/).
 */
import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import { viewSlo } from "../runs/slo.ts";
import { goOn, type Stage } from "./context.ts";

export interface ObserveDeps {
  /** The database's time as this process knows it. */
  readonly databaseClock: Pick<Clock, "nowMs">;
  readonly onLag: (input: { readonly type: string; readonly lagMs: number; readonly attempt: number }) => void;
}

export function makeObserve({ databaseClock, onLag }: ObserveDeps): Stage {
  return async (context) => {
    const { step } = context;
    const { tier, ...view } = viewSlo(step.spec.policy.slo, step.readyAtMs, databaseClock.nowMs());
    onLag({ type: step.spec.type, lagMs: view.observed_queue_ms, attempt: step.attempt });
    const slo: JsonObject = tier === undefined ? view : { ...view, tier };
    return goOn({ ...context, slo });
  };
}
