/**
 * Stage 3, deadline: a step past its deadline or its run's time limit does not start (spec 01).
 *
 * Goes on or finishes `deadline_exceeded`. The run's limit does not bind compensations, their own deadline does.
 */
import type { Clock } from "../core/clock.ts";
import type { StepExecution } from "../core/step.ts";
import { goOn, refuse, type Stage } from "./context.ts";
import type { LeasedStep } from "./leased-step.ts";

export function makeDeadline({ databaseClock }: { readonly databaseClock: Pick<Clock, "nowMs"> }): Stage {
  return async (context) => {
    const deadlineMs = deadlineOf(context.step);
    if (deadlineMs === undefined || databaseClock.nowMs() < deadlineMs) return goOn(context);
    return refuse(context, "deadline", "deadline_exceeded", ["deadline_exceeded"], { deadline_ms: deadlineMs });
  };
}

/**
 * The moment after which a step may not run, in database time; undefined = none.
 *
 * Without `execution`: as submitted. With the execution block that packs have patched: theirs where it is earlier; what
 * a pack would put off stays as submitted.
 */
export function deadlineOf(step: LeasedStep, execution?: Pick<StepExecution, "deadline_ms">): number | undefined {
  const limits = [
    step.deadlineAtMs,
    patchedDeadline(step, execution),
    step.isTarget ? undefined : step.run.timeLimitAtMs,
  ];
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function patchedDeadline(
  step: LeasedStep,
  execution: Pick<StepExecution, "deadline_ms"> | undefined,
): number | undefined {
  const [submittedMs, patchedMs] = [step.spec.execution.deadline_ms, execution?.deadline_ms ?? 0];
  if (patchedMs === 0) return undefined;
  // the stored moment knows the time held or paused, so the difference is taken from it
  return step.deadlineAtMs === undefined ? step.readyAtMs + patchedMs : step.deadlineAtMs - (submittedMs - patchedMs);
}
