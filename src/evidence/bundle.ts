/**
 * Evidence files: a whole run (`.stepgate`) as one JSON text (spec 10, `stepgate verify`).
 *
 * In: rows as they are stored. Out: canonical JSON; or a parsed file of exactly this form. No key and no payload is in it.
 * Not here: whether what it says is true (verify-bundle.ts), one record alone (record-file.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import { INFORMATION_EVENTS, KERNEL_EVENTS, type RunEvent } from "../core/event.ts";
import type { ArtifactId, BatchId, RecordId, RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { RUN_STATES, type RunState } from "../core/state.ts";
import { type Batch, batchEnvelope, inclusionsOf } from "./batch.ts";
import { envelopeJson, envelopeShape } from "./dsse.ts";
import { eventMembers } from "./seal.ts";
import { count, fields, jsonObject, listOf, oneOf, optional, type ShapeOf, text } from "./shape.ts";
import { members, RECORD_KINDS, type RecordKind, sha256Text } from "./statement.ts";

const BUNDLE_FORMAT = "stepgate-evidence/1";

const batchShape = fields({ batch: text, envelope: envelopeShape });
const recordShape = fields({
  batch: text,
  index: count,
  kind: oneOf(RECORD_KINDS),
  path: listOf(sha256Text),
  statement: text,
});
const eventShape = fields({
  at_ms: count,
  data: jsonObject,
  run_uid: text,
  seq: count,
  step: optional(text),
  type: oneOf([...KERNEL_EVENTS, ...INFORMATION_EVENTS]),
});
const artifactShape = fields({ id: sha256Text, media_type: text, metadata: jsonObject, payload: text });
const bundleShape = fields({
  artifacts: listOf(artifactShape),
  batches: listOf(batchShape),
  events: listOf(eventShape),
  format: oneOf([BUNDLE_FORMAT]),
  manifest: text,
  records: listOf(recordShape),
  run: fields({ id: optional(text), run_uid: text, status: oneOf(RUN_STATES), tenant: text }),
});

export type Bundle = ShapeOf<typeof bundleShape>;
export type BundledRecord = ShapeOf<typeof recordShape>;
export type BundledBatch = ShapeOf<typeof batchShape>;
export type BundledEvent = ShapeOf<typeof eventShape>;
export type BundledArtifact = ShapeOf<typeof artifactShape>;

/** A record and its leaf, as its row has them. */
export interface StoredRecord {
  readonly id: RecordId;
  readonly kind: RecordKind;
  readonly statement: string;
  readonly batchId: BatchId;
  readonly leafIndex: number;
}

export interface StoredArtifact {
  readonly id: ArtifactId;
  readonly mediaType: string;
  /** Canonical JSON: evidence artifacts only, never payload. */
  readonly payload: string;
  /** With its signature (artifact-signature.ts). */
  readonly metadata: JsonObject;
}

export interface RunEvidence {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  /** The caller's label. */
  readonly runId: string | undefined;
  readonly status: RunState;
  /** The manifest's stored text. */
  readonly manifest: string;
  /** All events, in order of seq. */
  readonly events: readonly RunEvent[];
  readonly records: readonly StoredRecord[];
  /** Every batch that a record names. */
  readonly batches: readonly Omit<Batch, "size">[];
  readonly artifacts: readonly StoredArtifact[];
}

/** Writes the evidence file of a run. @throws {StepgateError} INTERNAL when a record's batch or leaf is not there. */
export function writeBundle(run: RunEvidence): string {
  const inclusions = new Map(run.batches.map((batch) => [batch.batchId, inclusionsOf(batch)]));
  return canonicalJson({
    artifacts: run.artifacts.map(({ id, mediaType, payload, metadata }) => ({
      id,
      media_type: mediaType,
      metadata,
      payload,
    })),
    batches: run.batches.map(batchMembers),
    events: run.events.map(eventMembers),
    format: BUNDLE_FORMAT,
    manifest: run.manifest,
    records: run.records.map((record) => {
      const inclusion = inclusions.get(record.batchId);
      if (inclusion === undefined) throw new StepgateError("INTERNAL", { reason: "no such batch", record: record.id });
      return recordMembers(record, inclusion(record.leafIndex).path);
    }),
    run: members({ id: run.runId, run_uid: run.runUid, status: run.status, tenant: run.tenantUid }),
  });
}

/** Reads an evidence file. @throws {StepgateError} EVIDENCE_MALFORMED, JSON_INVALID, NUMBER_NOT_EXACT. */
export function readBundle(file: string | Uint8Array): Bundle {
  return bundleShape(parseJson(file), "");
}

function batchMembers(batch: Omit<Batch, "size">): JsonObject {
  return { batch: batch.batchId, envelope: envelopeJson(batchEnvelope(batch)) };
}

function recordMembers(record: StoredRecord, path: readonly string[]): JsonObject {
  const { batchId, leafIndex, kind, statement } = record;
  return { batch: batchId, index: leafIndex, kind, path, statement };
}
