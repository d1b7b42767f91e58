/**
 * Event types of a run's log (spec 00, one log per run).
 *
 * Kernel events are what resume reads; information events are for people and sinks only.
 * Here: the types and the shape of a stored event. Not here: appending (storage/), invariants (runs/check-log.ts).
 */
import type { RunUid, StepId } from "./ids.ts";
import type { JsonObject } from "./json.ts";

export const KERNEL_EVENTS = [
  "run_submitted",
  "run_started",
  "run_paused",
  "run_resumed",
  "run_attempt_failed",
  "run_cancel_requested",
  "run_compensating",
  "run_succeeded",
  "run_failed",
  "run_cancelled",
  "breakpoint_set",
  "breakpoint_removed",
  "step_input_redacted",
  "step_started",
  "step_waiting",
  "step_succeeded",
  "step_retry_scheduled",
  "step_attempt_lost",
  "step_failed",
  "step_refused",
  "step_skipped",
  "step_cancelled",
  "step_held",
  "approval_granted",
  "approval_rejected",
  "compensation_scheduled",
  "fact_recorded",
  "child_run_spawned",
  "child_run_ended",
  "signal_received",
  "pack_changed",
] as const;
export const INFORMATION_EVENTS = [
  "step_queued",
  "tool_event",
  "token_renewed",
  "artifact_written",
  "budget_warning",
  "workflow_phase",
  "workflow_log",
] as const;

export type KernelEventType = (typeof KERNEL_EVENTS)[number];
export type EventType = KernelEventType | (typeof INFORMATION_EVENTS)[number];

/** One event as stored: `seq` counts from 1 without a gap; `data` holds ids, sizes, paths and counts, never payload. */
export interface RunEvent {
  readonly runUid: RunUid;
  readonly seq: number;
  readonly type: EventType;
  readonly stepId: StepId | undefined;
  /** Database time, milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly data: JsonObject;
}

export const TERMINAL_RUN_EVENTS: readonly EventType[] = ["run_succeeded", "run_failed", "run_cancelled"];
