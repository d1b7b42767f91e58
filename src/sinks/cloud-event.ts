/**
 * An event of a run's log as it leaves: CloudEvents 1.0, structured JSON (spec 10, outbound).
 *
 * In: a stored event. Out: a text whose bytes are the same at each try. Ids, codes, counts and times only: what a step took
 * in or gave out never leaves this way. Not here: signing, sending (send-webhook.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import { isJsonArray, type JsonObject, type JsonValue } from "../core/json.ts";
import type { OutboxEvent } from "./ports.ts";

/** Members of an event's data that may leave; each is an id, a code, a count or a time. */
const SENT_MEMBERS = [
  "admission_record",
  "approval_id",
  "artifact",
  "attempt",
  "error_kind",
  "expires_at_ms",
  "final_snapshot_id",
  "hold_record",
  "limit",
  "not_before_ms",
  "notify",
  "of",
  "origin",
  "outcome_record",
  "quota",
  "reason",
  "reasons",
  "refusal_record",
  "reserved",
  "resets_at_ms",
  "role",
  "stage",
  "target",
  "unit",
  "used",
  "window",
] as const;
/** What an id or a code looks like; an executor names its own, and a sentence there would be payload. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9._:#-]{0,127}$/;

/** Stable over tries, redrives and workers; `webhook-id`, and with its source the event's identity. */
export function deliveryId(runUid: RunUid, seq: number): string {
  return `evt_${runUid.replaceAll("-", "")}_${seq}`;
}

/** The body of a delivery. `sequence` and `partitionkey` are the extensions of these names: order holds within a run. */
export function cloudEvent(tenantUid: TenantUid, runUid: RunUid, event: OutboxEvent): string {
  const { seq, type, stepId, atMs } = event;
  return canonicalJson({
    specversion: "1.0",
    id: deliveryId(runUid, seq),
    source: `urn:stepgate:${tenantUid}`,
    type: `stepgate.${type}`,
    subject: stepId === undefined ? runUid : `${runUid}/${stepId}`,
    time: new Date(atMs).toISOString(),
    datacontenttype: "application/json",
    partitionkey: runUid,
    sequence: String(seq).padStart(12, "0"),
    data: { run_uid: runUid, seq, ...(stepId === undefined ? {} : { step_id: stepId }), ...sentData(event.data) },
  });
}

function sentData(data: JsonObject): JsonObject {
  return Object.fromEntries(
    SENT_MEMBERS.flatMap((name) => {
      const value = data[name];
      return value !== undefined && isPlain(value) ? [[name, value]] : [];
    }),
  );
}

function isPlain(value: JsonValue): boolean {
  if (typeof value === "string") return WORD.test(value);
  return (
    typeof value === "number" ||
    (isJsonArray(value) && value.every((item) => typeof item === "string" && isPlain(item)))
  );
}
