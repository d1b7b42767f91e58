/**
 * What one event does to one step of a run under projection (spec 00, step states).
 *
 * In: the draft of the run and an event of its log, already checked. Out: the draft, changed. Not here: events of the run
 * as a whole (projection.ts), the log's invariants (check-log.ts).
 */
import { ERROR_KINDS, type ErrorKind } from "../core/error-kind.ts";
import type { EventType, RunEvent } from "../core/event.ts";
import type { BlobId, Digest, StepId } from "../core/ids.ts";
import { isStepEnded } from "../core/state.ts";
import { readAttempt } from "./check-log.ts";
import { malformed, objectOf, optionalCount, optionalText, requiredText } from "./event-data.ts";
import type { PlanGraph } from "./plan-graph.ts";
import type { ProjectedRun, ProjectedStep } from "./projected-run.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A step while its log is read. */
export type StepDraft = Mutable<ProjectedStep> & {
  /** Since when its deadline stands still, held or paused. */
  deadlineStoppedAtMs: number | undefined;
};

/** A run while its log is read. */
export type RunDraft = Mutable<Omit<ProjectedRun, "runUid" | "steps" | "openSteps" | "failedSteps">> & {
  readonly graph: PlanGraph;
  readonly steps: Map<StepId, StepDraft>;
};

type Apply = (draft: RunDraft, step: StepDraft, event: RunEvent) => void;

/** Events that are not listed change no step: they are about the run, or only for people. */
const STEP_EVENTS: Readonly<Partial<Record<EventType, Apply>>> = {
  step_input_redacted: (_draft, step, event) => {
    step.inputBlob = requiredText(event, "blob_id") as BlobId;
  },
  step_started: start,
  step_waiting: (_draft, step, event) => {
    step.state = "waiting";
    step.waitsOn = event.data;
  },
  step_succeeded: succeed,
  step_retry_scheduled: requeue,
  step_attempt_lost: requeue,
  step_failed: fail,
  step_refused: fail,
  step_skipped: (_draft, step, event) => {
    step.skipReason = requiredText(event, "reason");
    endStep(step, "skipped", event);
  },
  step_cancelled: cancel,
  step_held: (_draft, step, event) => {
    step.state = "held";
    step.approvalId = requiredText(event, "approval_id");
    step.notBeforeMs = undefined;
    stopDeadline(step, event.atMs);
  },
  approval_granted: (draft, step, event) => {
    const pausedAtMs = draft.activePause?.atMs;
    // the time held counts up to a pause that is under way; from there on the resume counts
    moveDeadline(step, Math.max(pausedAtMs ?? event.atMs, step.deadlineStoppedAtMs ?? 0));
    if (pausedAtMs !== undefined) stopDeadline(step, pausedAtMs);
    makeReady(draft, step, event.atMs);
  },
  compensation_scheduled: scheduleCompensation,
};

/** Applies what an event means for the step it is about. */
export function applyStepEvent(draft: RunDraft, event: RunEvent): void {
  const step = event.stepId === undefined ? undefined : draft.steps.get(event.stepId);
  if (step !== undefined) STEP_EVENTS[event.type]?.(draft, step, event);
}

/** Queues a step; the first time starts its deadline, which stands still at once if the run is paused. */
export function makeReady(draft: RunDraft, step: StepDraft, atMs: number): void {
  step.state = "queued";
  // whoever was held keeps the place in the order that the first wait gave
  step.readyAtMs = step.firstReadyAtMs ?? atMs;
  if (step.firstReadyAtMs !== undefined) return;
  step.firstReadyAtMs = atMs;
  const { deadline_ms: deadlineMs } = step.spec.execution;
  step.deadlineAtMs = deadlineMs > 0 ? atMs + deadlineMs : undefined;
  if (draft.state === "paused_at_step") stopDeadline(step, atMs);
}

/** Stops the deadline of a step that has one and has not ended; a second stop changes nothing. */
export function stopDeadline(step: StepDraft, atMs: number): void {
  if (step.deadlineAtMs !== undefined && !isStepEnded(step.state)) step.deadlineStoppedAtMs ??= atMs;
}

/** Lets a stopped deadline go on, later by the time it stood still. */
export function moveDeadline(step: StepDraft, atMs: number): void {
  if (step.deadlineStoppedAtMs === undefined || step.deadlineAtMs === undefined) return;
  step.deadlineAtMs += atMs - step.deadlineStoppedAtMs;
  step.deadlineStoppedAtMs = undefined;
}

function start(_draft: RunDraft, step: StepDraft, event: RunEvent): void {
  const open = readAttempt(event);
  step.state = "running";
  step.openAttempt = open;
  step.leaseEpoch = open.leaseEpoch;
  step.attemptsMade = open.attempt;
  step.notBeforeMs = undefined;
  step.endedAtMs = undefined;
  step.endedSeq = undefined;
}

function succeed(draft: RunDraft, step: StepDraft, event: RunEvent): void {
  takeBlobs(step, event);
  step.outputDigest = optionalText(event, "output_digest") as Digest | undefined;
  step.lastErrorKind = undefined;
  endStep(step, "succeeded", event);
  for (const id of draft.graph.successors.get(step.spec.id) ?? []) {
    const next = draft.steps.get(id);
    if (next === undefined) continue;
    next.pendingDependencies -= 1;
    if (next.pendingDependencies === 0 && next.state === "blocked" && !draft.isCancelled)
      makeReady(draft, next, event.atMs);
  }
}

/** A lost attempt does not count against `max_attempts`; its own limit is its own (spec 00, attempts). */
function requeue(_draft: RunDraft, step: StepDraft, event: RunEvent): void {
  takeBlobs(step, event);
  if (event.type === "step_attempt_lost") {
    step.lostAttempts += 1;
  } else {
    step.errorAttempts += 1;
    step.lastErrorKind = readErrorKind(event);
  }
  step.openAttempt = undefined;
  step.waitsOn = undefined;
  step.state = "queued";
  step.notBeforeMs = optionalCount(event, "not_before_ms");
  step.readyAtMs = step.notBeforeMs ?? event.atMs;
}

function fail(_draft: RunDraft, step: StepDraft, event: RunEvent): void {
  takeBlobs(step, event);
  step.lastErrorKind = readErrorKind(event);
  if (step.openAttempt !== undefined) {
    if (step.lastErrorKind === "lease_exhausted") step.lostAttempts += 1;
    else step.errorAttempts += 1;
  }
  endStep(step, "failed", event);
}

function cancel(_draft: RunDraft, step: StepDraft, event: RunEvent): void {
  if (step.openAttempt !== undefined) {
    takeBlobs(step, event);
    step.errorAttempts += 1;
  }
  step.lastErrorKind = "cancelled";
  endStep(step, "cancelled", event);
}

function endStep(step: StepDraft, state: "succeeded" | "failed" | "skipped" | "cancelled", event: RunEvent): void {
  step.state = state;
  step.openAttempt = undefined;
  step.waitsOn = undefined;
  step.notBeforeMs = undefined;
  step.endedAtMs = event.atMs;
  step.endedSeq = event.seq;
}

function scheduleCompensation(draft: RunDraft, origin: StepDraft, event: RunEvent): void {
  const target = draft.steps.get(requiredText(event, "target") as StepId);
  if (target === undefined || target.origin !== origin.spec.id) throw malformed(event, "target");
  origin.isCompensationScheduled = true;
  target.isCompensationScheduled = true;
}

function takeBlobs(step: StepDraft, event: RunEvent): void {
  const blobs = objectOf(event, "blobs");
  step.outputBlob = (optionalText(event, "output", blobs) as BlobId | undefined) ?? step.outputBlob;
  step.checkpointBlob = (optionalText(event, "checkpoint", blobs) as BlobId | undefined) ?? step.checkpointBlob;
  // the error of the attempt before is not this one's
  step.errorBlob = optionalText(event, "error", blobs) as BlobId | undefined;
}

function readErrorKind(event: RunEvent): ErrorKind {
  const kind = requiredText(event, "error_kind");
  if (!Object.hasOwn(ERROR_KINDS, kind)) throw malformed(event, "error_kind");
  return kind as ErrorKind;
}
