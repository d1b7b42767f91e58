/**
 * What one event does to a run under projection as a whole (spec 00, run states).
 *
 * In: the draft of the run and an event of its log, already checked. Out: the draft, changed. Not here: events of one step
 * (apply-step-event.ts).
 */
import type { EventType, RunEvent } from "../core/event.ts";
import type { Digest } from "../core/ids.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import { moveDeadline, type RunDraft, stopDeadline } from "./apply-step-event.ts";
import { malformed, optionalText, requiredText } from "./event-data.ts";
import type { Breakpoint } from "./submission.ts";

type Apply = (draft: RunDraft, event: RunEvent) => void;

/** Events that are not listed change nothing about the run as a whole. */
const RUN_EVENTS: Readonly<Partial<Record<EventType, Apply>>> = {
  run_started: (draft, event) => {
    draft.startedAtMs ??= event.atMs;
    // a step that was leased when the run paused may be its first one
    if (draft.activePause === undefined) draft.state = "running";
    else draft.activePause = { ...draft.activePause, from: "running" };
  },
  run_paused: pause,
  run_resumed: unpause,
  run_cancel_requested: (draft) => {
    draft.state = "cancelling";
    draft.isCancelled = true;
    draft.activePause = undefined;
  },
  run_compensating: (draft) => {
    draft.state = "compensating";
  },
  run_succeeded: (draft, event) => end(draft, event, "succeeded"),
  run_failed: (draft, event) => end(draft, event, "failed"),
  run_cancelled: (draft, event) => end(draft, event, "cancelled"),
  breakpoint_set: (draft, event) => {
    const set = readBreakpoint(event, event.data);
    draft.breakpoints = [...withoutBreakpoint(draft, set), set];
  },
  breakpoint_removed: (draft, event) => {
    draft.breakpoints = withoutBreakpoint(draft, readBreakpoint(event, event.data));
  },
};

/** Applies what an event means for the run as a whole. */
export function applyRunEvent(draft: RunDraft, event: RunEvent): void {
  RUN_EVENTS[event.type]?.(draft, event);
}

function pause(draft: RunDraft, event: RunEvent): void {
  const reason = requiredText(event, "reason");
  draft.activePause = { from: draft.state, stepId: event.stepId, reason, atMs: event.atMs };
  draft.state = "paused_at_step";
  for (const step of draft.steps.values()) stopDeadline(step, event.atMs);
  // a breakpoint pauses once (spec 01, stage breakpoint); the event names the one that was met
  if (reason === "breakpoint") draft.breakpoints = withoutBreakpoint(draft, readBreakpoint(event, event.data));
}

function unpause(draft: RunDraft, event: RunEvent): void {
  if (draft.activePause === undefined) throw malformed(event, "run_paused");
  draft.state = draft.activePause.from;
  draft.activePause = undefined;
  for (const step of draft.steps.values()) {
    if (step.state !== "held") moveDeadline(step, event.atMs);
  }
}

function end(draft: RunDraft, event: RunEvent, state: RunState): void {
  draft.state = state;
  draft.activePause = undefined;
  draft.endedAtMs = event.atMs;
  draft.finalSnapshotId = optionalText(event, "final_snapshot_id") as Digest | undefined;
}

/** @throws {StepgateError} INVALID_LOG malformed_data for anything but {target, value}. */
export function readBreakpoint(event: RunEvent, given: JsonValue): Breakpoint {
  const { target, value } = isJsonObject(given) ? given : {};
  if ((target !== "step" && target !== "slug" && target !== "type") || typeof value !== "string")
    throw malformed(event, "breakpoint");
  return { target, value };
}

function withoutBreakpoint(draft: RunDraft, gone: Breakpoint): readonly Breakpoint[] {
  return draft.breakpoints.filter(({ target, value }) => target !== gone.target || value !== gone.value);
}
