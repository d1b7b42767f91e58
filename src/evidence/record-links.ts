/**
 * What records say about each other: the fields of each kind that the verifier follows.
 *
 * In: a record's predicate. Out: its links, typed by kind. Not here: whether the links hold (verify-links.ts).
 */
import { EFFECTS } from "../core/decision.ts";
import type { JsonObject } from "../core/json.ts";
import { VERDICTS as APPROVAL_VERDICTS } from "./approval.ts";
import { ATTEMPT_STATUSES } from "./outcome.ts";
import { count, instant, listOf, oneOf, optional, picks, type ShapeOf, text } from "./shape.ts";
import { type RecordKind, sha256Text } from "./statement.ts";

const step = picks({ attempt: count, run_uid: text, step: text, tenant: text });
const tool = picks({ digest: sha256Text, name: text, version: count });
const chained = { prev: optional(sha256Text), step, tool: optional(tool) };

const SHAPES = {
  admission: picks({
    ...chained,
    approval_record: optional(sha256Text),
    evaluations: listOf(picks({ effect: oneOf(EFFECTS) })),
    token: picks({ jti: text }),
  }),
  refusal: picks({ ...chained, decision_artifact: optional(sha256Text) }),
  hold: picks({ ...chained, expires: instant, role: text, shown_commitment: sha256Text }),
  outcome: picks({
    ...chained,
    admission_record: sha256Text,
    decision_artifact: optional(sha256Text),
    jtis: listOf(text),
    status: oneOf(ATTEMPT_STATUSES),
  }),
  approval: picks({
    approver: picks({ key: text, owner: text, role: text }),
    expires: instant,
    hold_record: sha256Text,
    shown_commitment: sha256Text,
    step,
    time: instant,
    verdict: oneOf(APPROVAL_VERDICTS),
  }),
  decision: picks({ tenant: text }),
  seal: picks({
    bill_of_materials: optional(sha256Text),
    counts: picks({ admission: count, approval: count, hold: count, outcome: count, refusal: count }),
    events: count,
    head_digest: sha256Text,
    manifest_id: sha256Text,
    open_effects: listOf(sha256Text),
    run: picks({ id: optional(text), run_uid: text, tenant: text }),
    status: oneOf(["succeeded", "failed", "cancelled"]),
  }),
};

export type Links<K extends RecordKind> = ShapeOf<(typeof SHAPES)[K]>;

/** A record with its links; `kind` tells which. */
export type LinkedRecord = {
  [K in RecordKind]: { readonly kind: K; readonly id: string; readonly links: Links<K> };
}[RecordKind];

/** A record of a step: every kind but decision and seal. */
export type StepRecord = Exclude<LinkedRecord, { readonly kind: "decision" | "seal" }>;

/** Reads a record's links. @throws {StepgateError} EVIDENCE_MALFORMED when the predicate lacks one. */
export function readLinks(kind: RecordKind, id: string, predicate: JsonObject): LinkedRecord {
  const links = SHAPES[kind](predicate, "/predicate");
  // the table pairs kind and links; TypeScript cannot follow an index by a union
  return { kind, id, links } as LinkedRecord;
}

export function isStepRecord(record: LinkedRecord): record is StepRecord {
  return record.kind !== "decision" && record.kind !== "seal";
}
