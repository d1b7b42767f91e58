/**
 * Stage 3, deadline: a step past its deadline or its run's time limit does not start (spec 01).
 *
 * Goes on or finishes `deadline_exceeded`. The run's limit does not bind compensations, their own deadline does.
 */
import type { Clock } from "../core/clock.ts";
import { goOn, refuse, type Stage } from "./context.ts";
import type { LeasedStep } from "./leased-step.ts";

export function makeDeadline({ databaseClock }: { readonly databaseClock: Pick<Clock, "nowMs"> }): Stage {
  return async (context) => {
    const deadlineMs = deadlineOf(context.step);
    if (deadlineMs === undefined || databaseClock.nowMs() < deadlineMs) return goOn(context);
    return refuse(context, "deadline", "deadline_exceeded", ["deadline_exceeded"], { deadline_ms: deadlineMs });
  };
}

/** The moment after which a step may not run, in database time; undefined = none. */
export function deadlineOf(step: LeasedStep): number | undefined {
  const limits = [step.deadlineAtMs, step.isTarget ? undefined : step.run.timeLimitAtMs];
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
