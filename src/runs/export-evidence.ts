/**
 * Evidence for readers: a run's bundle file, one record with its proof, one artifact with its signature.
 *
 * In: rows. Out: files that verify offline with trust from elsewhere (evidence/verify-bundle.ts). Not here: verification.
 */
import { sha256Hex } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { ArtifactId, BatchId, RecordId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { withSignature } from "../evidence/artifact-signature.ts";
import { type Batch, batchEnvelope, inclusionOf } from "../evidence/batch.ts";
import { writeBundle } from "../evidence/bundle.ts";
import type { envelopeJson } from "../evidence/dsse.ts";
import type { ArtifactRow, RecordStore, RunRef, RunStore } from "./ports.ts";
import { readLog } from "./seal-runs.ts";

export interface ExportDeps {
  readonly store: RunStore;
  readonly records: RecordStore;
}

/** Makes the export of one run. @throws {StepgateError} (the export) EVIDENCE_NOT_READY before the seal is written. */
export function makeExportEvidence({ store, records }: ExportDeps) {
  return async (tenantUid: TenantUid, ref: RunRef): Promise<string | undefined> => {
    const run = await store.find(tenantUid, ref);
    if (run === undefined) return undefined;
    if (run.sealRecord === undefined)
      throw new StepgateError("EVIDENCE_NOT_READY", { run_uid: run.runUid, run_status: run.status });
    const manifest = await store.readManifest(tenantUid, run.manifestId);
    if (manifest === undefined) throw new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: run.manifestId });
    const [recordRows, artifactRows] = await Promise.all([
      records.runRecords(tenantUid, run.runUid),
      records.runArtifacts(tenantUid, run.runUid),
    ]);
    const batchIds = [...recordRows.map((row) => row.batchId), ...artifactRows.flatMap((row) => row.batchId ?? [])];
    const batches = await records.batches(batchIds);
    const used = new Set(recordRows.map((row) => row.batchId));
    return writeBundle({
      tenantUid,
      runUid: run.runUid,
      runId: run.runId,
      status: run.status,
      manifest,
      events: await Array.fromAsync(readLog(store, tenantUid, run.runUid)),
      records: recordRows.map((row) => ({
        id: row.recordId,
        kind: row.kind,
        statement: row.statement,
        batchId: row.batchId as BatchId,
        leafIndex: row.leafIndex,
      })),
      batches: batches.filter((batch) => used.has(batch.batchId)),
      artifacts: artifactRows.map((row) => ({
        id: row.artifactId as ArtifactId,
        mediaType: row.mediaType,
        payload: Buffer.from(row.bytes).toString(),
        metadata: signedMetadata(row, batches),
      })),
    });
  };
}

/** Makes the view of one record: statement, inclusion path, signed batch. */
export function makeViewRecord({ records }: Pick<ExportDeps, "records">) {
  return async (tenantUid: TenantUid, recordId: RecordId) => {
    const row = await records.record(tenantUid, recordId);
    const [batch] = row === undefined ? [] : await records.batches([row.batchId]);
    if (row === undefined || batch === undefined) return undefined;
    const statement = parseJson(row.statement);
    if (!isJsonObject(statement)) throw new StepgateError("EVIDENCE_MALFORMED", { record: recordId });
    const envelope = batchEnvelope(batch);
    return {
      record_id: row.recordId,
      kind: row.kind,
      ...(row.runUid === undefined ? {} : { run_uid: row.runUid }),
      ...(row.stepId === undefined ? {} : { step_id: row.stepId }),
      ...(row.attempt === undefined ? {} : { attempt: row.attempt }),
      created_at: new Date(row.createdAtMs).toISOString(),
      record: statement,
      inclusion: {
        batch_id: row.batchId,
        statement: {
          payload: envelope.payload,
          payloadType: envelope.payloadType,
          signatures: envelopeSignatures(envelope),
        },
        leaf_index: row.leafIndex,
        tree_size: batch.size,
        path: inclusionOf(batch, row.leafIndex).path,
      },
    };
  };
}

function envelopeSignatures(envelope: Parameters<typeof envelopeJson>[0]) {
  return envelope.signatures.map(({ keyid, sig }) => ({ keyid: keyid ?? "", sig }));
}

/** Makes the reading of artifacts: metadata with its signature, and bytes that are hashed again at every read. */
export function makeReadArtifacts({ records }: Pick<ExportDeps, "records">) {
  return {
    view: async (tenantUid: TenantUid, artifactId: ArtifactId) => {
      const row = await records.artifact(tenantUid, artifactId);
      if (row === undefined) return undefined;
      const batches = row.batchId === undefined ? [] : await records.batches([row.batchId]);
      return {
        artifact_id: row.artifactId,
        kind: row.kind,
        media_type: row.mediaType,
        size_bytes: row.sizeBytes,
        ...(row.runUid === undefined ? {} : { run_uid: row.runUid }),
        ...(row.stepId === undefined ? {} : { step_id: row.stepId }),
        created_at: new Date(row.createdAtMs).toISOString(),
        metadata: signedMetadata(row, batches),
      };
    },
    bytes: async (tenantUid: TenantUid, artifactId: ArtifactId): Promise<ArtifactRow | undefined> => {
      const row = await records.artifact(tenantUid, artifactId);
      if (row !== undefined && sha256Hex(row.bytes) !== row.artifactId) {
        throw new StepgateError("EVIDENCE_MALFORMED", {
          artifact: artifactId,
          reason: "stored bytes have another digest",
        });
      }
      return row;
    },
  };
}

function signedMetadata(row: ArtifactRow, batches: readonly Batch[]): JsonObject {
  const batch = batches.find(({ batchId }) => batchId === row.batchId);
  return batch === undefined || row.leafIndex === undefined
    ? row.metadata
    : withSignature(row.metadata, batch, row.leafIndex);
}
