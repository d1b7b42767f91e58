/**
 * The invariants of a run's log, checked event by event, at append and on every read (spec 00, one log per run).
 *
 * In: events in order. Out: nothing, or the first broken invariant. Keeps one small entry per step, never the events.
 * Not here: what the events mean for the run (projection.ts), that a start was durable in time (gate/).
 */
import { StepgateError } from "../core/errors.ts";
import { type EventType, INFORMATION_EVENTS, type RunEvent, TERMINAL_RUN_EVENTS } from "../core/event.ts";
import type { LeaseEpoch, RunUid, StepId } from "../core/ids.ts";

/** An attempt that was started and not ended. */
export interface OpenAttempt {
  readonly attempt: number;
  readonly leaseEpoch: LeaseEpoch;
}

/** Why a log is not one (`detail.reason` of INVALID_LOG). */
export type LogFault =
  | "gap"
  | "second_run_submitted"
  | "after_end"
  | "no_step"
  | "malformed_attempt"
  | "attempt_open"
  | "attempt_number"
  | "started_after_success"
  | "no_matching_start";

interface StepTrail {
  readonly attemptsMade: number;
  readonly open: OpenAttempt | undefined;
  readonly hasSucceeded: boolean;
}

const NO_TRAIL: StepTrail = { attemptsMade: 0, open: undefined, hasSucceeded: false };
const INFORMATION: ReadonlySet<EventType> = new Set(INFORMATION_EVENTS);
const TERMINAL: ReadonlySet<EventType> = new Set(TERMINAL_RUN_EVENTS);
/** Ends of an attempt that was started; they name it. */
const CLOSING: ReadonlySet<EventType> = new Set(["step_succeeded", "step_retry_scheduled", "step_attempt_lost"]);
/** Ends of a step that may come with an open attempt or without one. */
const ENDING: ReadonlySet<EventType> = new Set(["step_failed", "step_cancelled"]);
/** What happens to a step that nobody is executing. */
const IDLE: ReadonlySet<EventType> = new Set(["step_refused", "step_skipped", "step_held"]);

/**
 * Makes the check of one run's log; call it with every event, from the first, in order.
 *
 * @throws {StepgateError} (the check) RUN_ID_MISMATCH, MISSING_RUN_SUBMITTED, INVALID_LOG {seq, reason: LogFault}.
 */
export function makeLogCheck(runUid: RunUid): (event: RunEvent) => void {
  const trails = new Map<StepId, StepTrail>();
  let lastSeq = 0;
  let isEnded = false;
  return (event) => {
    if (event.runUid !== runUid) throw new StepgateError("RUN_ID_MISMATCH", { run_uid: runUid, seq: event.seq });
    if (event.seq !== lastSeq + 1) throw invalid(event, "gap");
    if (lastSeq === 0 && event.type !== "run_submitted")
      throw new StepgateError("MISSING_RUN_SUBMITTED", { run_uid: runUid });
    if (lastSeq > 0 && event.type === "run_submitted") throw invalid(event, "second_run_submitted");
    lastSeq = event.seq;
    if (INFORMATION.has(event.type)) return;
    if (isEnded) throw invalid(event, "after_end");
    isEnded = TERMINAL.has(event.type);
    if (!event.type.startsWith("step_")) return;
    if (event.stepId === undefined) throw invalid(event, "no_step");
    trails.set(event.stepId, nextTrail(trails.get(event.stepId) ?? NO_TRAIL, event));
  };
}

/**
 * Checks a whole log.
 *
 * @throws {StepgateError} as `makeLogCheck`; a log without events has no `run_submitted` either.
 */
export function checkLog(runUid: RunUid, events: Iterable<RunEvent>): void {
  const check = makeLogCheck(runUid);
  let isEmpty = true;
  for (const event of events) {
    check(event);
    isEmpty = false;
  }
  if (isEmpty) throw new StepgateError("MISSING_RUN_SUBMITTED", { run_uid: runUid });
}

/**
 * The attempt that an event names.
 *
 * @throws {StepgateError} INVALID_LOG malformed_attempt.
 */
export function readAttempt(event: RunEvent): OpenAttempt {
  const { attempt, lease_epoch: leaseEpoch } = event.data;
  if (!isCount(attempt) || !isCount(leaseEpoch)) throw invalid(event, "malformed_attempt");
  return { attempt, leaseEpoch };
}

function nextTrail(trail: StepTrail, event: RunEvent): StepTrail {
  if (event.type === "step_started") return startedTrail(trail, event);
  if (CLOSING.has(event.type)) {
    const { attempt, leaseEpoch } = readAttempt(event);
    if (trail.open?.attempt !== attempt || trail.open.leaseEpoch !== leaseEpoch)
      throw invalid(event, "no_matching_start");
    return { ...trail, open: undefined, hasSucceeded: event.type === "step_succeeded" };
  }
  if (ENDING.has(event.type)) {
    const { attempt } = event.data;
    if (trail.open !== undefined && attempt !== undefined && attempt !== trail.open.attempt)
      throw invalid(event, "no_matching_start");
    return { ...trail, open: undefined };
  }
  if (IDLE.has(event.type) && trail.open !== undefined) throw invalid(event, "attempt_open");
  return trail;
}

/** A committed success never runs again, one attempt at a time, and every attempt has the next number (spec 00). */
function startedTrail(trail: StepTrail, event: RunEvent): StepTrail {
  if (trail.open !== undefined) throw invalid(event, "attempt_open");
  if (trail.hasSucceeded) throw invalid(event, "started_after_success");
  const open = readAttempt(event);
  if (open.attempt !== trail.attemptsMade + 1) throw invalid(event, "attempt_number");
  return { attemptsMade: open.attempt, open, hasSucceeded: false };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}

function invalid(event: RunEvent, reason: LogFault): StepgateError {
  const step = event.stepId === undefined ? {} : { step: event.stepId };
  return new StepgateError("INVALID_LOG", { seq: event.seq, event: event.type, reason, ...step });
}
