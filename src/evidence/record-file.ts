/**
 * One record as `GET /v1/records/{id}` answers it: the statement, its inclusion path, the signed batch.
 *
 * In: rows. Out: the answer's body, which verifies offline alone; or a parsed body. Here: writer and reader side by side.
 * Not here: the verification (verify-bundle.ts), the route (gateway/).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { type Batch, batchEnvelope, inclusionOf } from "./batch.ts";
import type { BundledBatch, BundledRecord, StoredRecord } from "./bundle.ts";
import { envelopeJson, envelopeShape } from "./dsse.ts";
import { isStepRecord, type LinkedRecord } from "./record-links.ts";
import { count, fields, instant, jsonObject, listOf, oneOf, optional, text } from "./shape.ts";
import { members, RECORD_KINDS, sha256Text, timeText } from "./statement.ts";

const recordFileShape = fields({
  attempt: optional(count),
  created_at: instant,
  inclusion: fields({
    batch_id: text,
    leaf_index: count,
    path: listOf(sha256Text),
    statement: envelopeShape,
    tree_size: count,
  }),
  kind: oneOf(RECORD_KINDS),
  record: jsonObject,
  record_id: sha256Text,
  run_uid: optional(text),
  step_id: optional(text),
});

/** A record's row, with what a reader is shown beside it. */
export interface ShownRecord extends StoredRecord {
  readonly runUid: string | undefined;
  readonly stepId: string | undefined;
  readonly attempt: number | undefined;
  readonly createdAtMs: number;
}

/** What the file says about its record beside the signed statement. */
export interface RecordName {
  readonly recordId: string;
  readonly runUid: string | undefined;
  readonly stepId: string | undefined;
  readonly attempt: number | undefined;
  readonly treeSize: number;
}

export interface RecordFile {
  readonly named: RecordName;
  readonly record: BundledRecord;
  readonly batch: BundledBatch;
}

/** The body for one record. @throws {StepgateError} EVIDENCE_MALFORMED when the stored statement is no object. */
export function viewRecord(record: ShownRecord, batch: Batch): JsonObject {
  return members({
    attempt: record.attempt,
    created_at: timeText(record.createdAtMs),
    inclusion: {
      batch_id: batch.batchId,
      leaf_index: record.leafIndex,
      path: inclusionOf(batch, record.leafIndex).path,
      statement: envelopeJson(batchEnvelope(batch)),
      tree_size: batch.size,
    },
    kind: record.kind,
    record: jsonObject(parseJson(record.statement), "/record"),
    record_id: record.id,
    run_uid: record.runUid,
    step_id: record.stepId,
  });
}

/** Reads such a body. @throws {StepgateError} EVIDENCE_MALFORMED, JSON_INVALID, NUMBER_NOT_EXACT. */
export function readRecordFile(file: string | Uint8Array): RecordFile {
  const { attempt, inclusion, kind, record, record_id, run_uid, step_id } = recordFileShape(parseJson(file), "");
  const { batch_id: batch, leaf_index: index, path, statement: envelope, tree_size: treeSize } = inclusion;
  return {
    named: { recordId: record_id, runUid: run_uid, stepId: step_id, attempt, treeSize },
    record: { batch, index, kind, path, statement: canonicalJson(record) },
    batch: { batch, envelope },
  };
}

/** Tells whether what stands beside a record agrees with what the record itself says. */
export function isNamedAs(record: LinkedRecord, { recordId, runUid, stepId, attempt }: RecordName): boolean {
  const own = isStepRecord(record)
    ? { run: record.links.step.run_uid, step: record.links.step.step, attempt: record.links.step.attempt }
    : { run: record.kind === "seal" ? record.links.run.run_uid : undefined, step: undefined, attempt: undefined };
  return (
    recordId === record.id &&
    (runUid === undefined || runUid === own.run) &&
    (stepId === undefined || stepId === own.step) &&
    (attempt === undefined || attempt === own.attempt)
  );
}
