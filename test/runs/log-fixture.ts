/**
 * Logs made by hand: one line an event, seq and time counted on.
 *
 * Not here: tests.
 */
import type { EventType, RunEvent } from "../../src/core/event.ts";
import type { RunUid, StepId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Manifest } from "../../src/runs/manifest-shape.ts";

export const RUN_UID = "0199aaaa-0000-7000-8000-000000000001" as RunUid;
export const FIRST_AT_MS = 1_000;
export const TICK_MS = 10;

/** An event without its place: type, step or undefined, data. */
export type Line = readonly [type: EventType, step?: string | undefined, data?: JsonObject];

/** Numbers the lines from seq 1, one every 10 ms from 1000. */
export function logOf(lines: readonly Line[]): readonly RunEvent[] {
  return lines.map(([type, step, data = {}], index) => ({
    runUid: RUN_UID,
    seq: index + 1,
    type,
    stepId: step as StepId | undefined,
    atMs: FIRST_AT_MS + index * TICK_MS,
    data,
  }));
}

export function submitted(manifest: Manifest, more: JsonObject = {}, manifestId = "0".repeat(64)): Line {
  const inputs = Object.fromEntries(manifest.plan.steps.map(({ id }) => [id, `in-${id}`]));
  return [
    "run_submitted",
    undefined,
    { op_id: manifest.op_id, manifest_id: manifestId, inputs, breakpoints: [], ...more },
  ];
}

/** Lease epochs are the attempt's number plus 100, so that the two cannot be mistaken for each other. */
const named = (attempt: number): JsonObject => ({ attempt, lease_epoch: 100 + attempt });

export const started = (step: string, attempt = 1, more: JsonObject = {}): Line => [
  "step_started",
  step,
  { ...named(attempt), ...more },
];
export const succeeded = (step: string, attempt = 1, more: JsonObject = {}): Line => [
  "step_succeeded",
  step,
  { ...named(attempt), output_digest: `digest-${step}`, blobs: { output: `out-${step}` }, ...more },
];
export const retried = (step: string, attempt: number, notBeforeMs: number, more: JsonObject = {}): Line => [
  "step_retry_scheduled",
  step,
  { ...named(attempt), error_kind: "execution_error", not_before_ms: notBeforeMs, ...more },
];
export const lost = (step: string, attempt: number): Line => ["step_attempt_lost", step, named(attempt)];
export const failed = (step: string, attempt = 1, more: JsonObject = {}): Line => [
  "step_failed",
  step,
  { ...named(attempt), error_kind: "execution_error", ...more },
];
export const refused = (step: string): Line => ["step_refused", step, { error_kind: "policy_denied", lease_epoch: 7 }];
export const skipped = (step: string, reason = "dependency_failed"): Line => ["step_skipped", step, { reason }];
export const scheduled = (origin: string, target: string): Line => [
  "compensation_scheduled",
  origin,
  { origin, target },
];
export const ended = (type: "run_succeeded" | "run_failed" | "run_cancelled"): Line => [
  type,
  undefined,
  { final_snapshot_id: "f".repeat(64) },
];
