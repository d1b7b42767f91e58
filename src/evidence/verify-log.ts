/**
 * The log of a bundle: its order, and that events and records name each other.
 *
 * In: events, records by id. Out: where in the log each record stands, the terminal event, findings.
 * Not here: the digest over the events (verify-seal.ts), links between records (verify-links.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { type EventType, INFORMATION_EVENTS, TERMINAL_RUN_EVENTS } from "../core/event.ts";
import { isJsonObject } from "../core/json.ts";
import type { Bundle, BundledEvent } from "./bundle.ts";
import type { Findings } from "./checks.ts";
import { isStepRecord, type LinkedRecord, type StepRecord } from "./record-links.ts";

type NamedKind = StepRecord["kind"];

/** The records an event must name, in its data's `<kind>_record`: at least one of these kinds. */
const NAMED_RECORDS: Partial<Record<EventType, readonly NamedKind[]>> = {
  step_started: ["admission"],
  step_succeeded: ["outcome"],
  step_retry_scheduled: ["outcome"],
  step_attempt_lost: ["outcome"],
  step_failed: ["outcome", "refusal"],
  step_refused: ["refusal"],
  step_held: ["hold"],
  approval_granted: ["approval"],
  approval_rejected: ["approval"],
};
const KINDS: readonly NamedKind[] = ["admission", "refusal", "hold", "outcome", "approval"];
const INFORMATION: ReadonlySet<EventType> = new Set<EventType>(INFORMATION_EVENTS);

export interface LogView {
  /** Seq of the first event that names a record. */
  readonly seqOf: ReadonlyMap<string, number>;
  readonly terminal: BundledEvent | undefined;
  /** By step: the tool that `run_submitted` bound it to, as records name one, in canonical form. */
  readonly toolOf: ReadonlyMap<string, string>;
}

/** Checks the log's order and its agreement with the records. */
export function verifyLog(
  { events, run }: Pick<Bundle, "events" | "run">,
  records: ReadonlyMap<string, LinkedRecord>,
  findings: Findings,
): LogView {
  const terminal = events.find(({ type }) => TERMINAL_RUN_EVENTS.includes(type));
  const seqOf = new Map<string, number>();
  events.forEach((event, position) => {
    const reason = orderFault(event, position, run.run_uid, terminal);
    findings.expect("event_order", reason === undefined, { seq: event.seq, reason: reason ?? "" });
    for (const id of verifyNamedRecords(event, records, findings)) if (!seqOf.has(id)) seqOf.set(id, event.seq);
  });
  if (events.length === 0) findings.fail("event_order", { reason: "no events" });
  for (const record of records.values()) {
    if (record.kind !== "seal") findings.expect("record_event", seqOf.has(record.id), { record: record.id });
  }
  return { seqOf, terminal, toolOf: boundTools(events[0]) };
}

function boundTools(submitted: BundledEvent | undefined): ReadonlyMap<string, string> {
  const tools = submitted?.data["tools"];
  return new Map(
    Object.entries(isJsonObject(tools) ? tools : {}).map(([step, tool]) => {
      const { defaults: _defaults, ...ref } = isJsonObject(tool) ? tool : {};
      return [step, canonicalJson(ref)];
    }),
  );
}

function orderFault(
  { seq, type, run_uid }: BundledEvent,
  position: number,
  runUid: string,
  terminal: BundledEvent | undefined,
): string | undefined {
  if (seq !== position + 1) return "gap";
  if (run_uid !== runUid) return "another run";
  if ((type === "run_submitted") !== (position === 0)) return "run_submitted is not the first, or not the only one";
  if (terminal !== undefined && seq > terminal.seq && !INFORMATION.has(type)) return "after the terminal event";
  return undefined;
}

/** The ids of this event's records that are here and fit it. */
function verifyNamedRecords(
  event: BundledEvent,
  records: ReadonlyMap<string, LinkedRecord>,
  findings: Findings,
): readonly string[] {
  const { seq, type, data } = event;
  const wanted = NAMED_RECORDS[type] ?? [];
  const named = KINDS.flatMap((kind) => (data[`${kind}_record`] === undefined ? [] : [kind]));
  if (wanted.length > 0 && !wanted.some((kind) => named.includes(kind))) {
    findings.fail("event_record", { seq, type, reason: "names no record" });
  }
  return named.flatMap((kind) => {
    const id = data[`${kind}_record`];
    const record = typeof id === "string" ? records.get(id) : undefined;
    const fault = recordFault(event, kind, record);
    findings.expect("event_record", fault === undefined, { seq, type, kind, reason: fault ?? "" });
    return fault === undefined && record !== undefined ? [record.id] : [];
  });
}

function recordFault(event: BundledEvent, kind: NamedKind, record: LinkedRecord | undefined): string | undefined {
  if (record === undefined) return "no such record";
  if (record.kind !== kind || !isStepRecord(record)) return "another kind";
  if (record.links.step.step !== event.step) return "another step";
  const { attempt } = event.data;
  // a start or an end of an attempt always says which; a hold or an approval need not
  const mustSay = kind === "admission" || kind === "outcome";
  return attempt === record.links.step.attempt || (attempt === undefined && !mustSay) ? undefined : "another attempt";
}
