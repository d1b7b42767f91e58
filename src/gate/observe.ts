/**
 * Stage 1, observe: how long the step waited and how it stands against its contract (spec 02, order).
 *
 * Always goes on. Not here: ranking (scheduler/), metrics export (telemetry/).
 */
import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import { sloView } from "../runs/slo.ts";
import { goOn, type Stage } from "./context.ts";

export interface ObserveDeps {
  /** The database's time as this process knows it. */
  readonly databaseClock: Pick<Clock, "nowMs">;
  /** `tier` is undefined without a contract; `slackMs` is negative once it is breached. */
  readonly onLag: (input: {
    readonly type: string;
    readonly lagMs: number;
    readonly tier: string | undefined;
    readonly slackMs: number;
  }) => void;
}

export function makeObserve({ databaseClock, onLag }: ObserveDeps): Stage {
  return async (context) => {
    const { step } = context;
    const { tier, ...view } = sloView(step.spec.policy.slo, Math.max(0, databaseClock.nowMs() - step.readyAtMs));
    onLag({ type: step.spec.type, lagMs: view.observed_queue_ms, tier, slackMs: view.slack_ms });
    const slo: JsonObject = tier === undefined ? view : { ...view, tier };
    return goOn({ ...context, slo });
  };
}
