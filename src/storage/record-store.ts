/**
 * Signed records, batches, artifacts and seals as rows: only ever added.
 */
import type { BatchId, Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { RunState } from "../core/state.ts";
import type { Batch } from "../evidence/batch.ts";
import type { EvidenceRecord, RecordKind } from "../evidence/statement.ts";
import type { ArtifactRow, RecordRow, RecordStore, SealStore } from "../runs/ports.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import { batchItem } from "./pipeline-store.ts";
import { type Connection, INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/runs.ts";

export function makeRecordStore(pool: TenantPool): RecordStore {
  return {
    runRecords: async (tenantUid, runUid) =>
      (await pool.within(tenantUid).query<RecordColumns>(sql.READ_RUN_RECORDS, [tenantUid, runUid])).rows.map(
        recordRow,
      ),
    runArtifacts: async (tenantUid, runUid) =>
      (await pool.within(tenantUid).query<ArtifactColumns>(sql.READ_RUN_ARTIFACTS, [tenantUid, runUid])).rows.map(
        artifactRow,
      ),
    batches: async (batchIds) =>
      (await pool.within(INSTANCE_SCOPE).query<BatchColumns>(sql.READ_BATCHES, [[...new Set(batchIds)]])).rows.map(
        batchRow,
      ),
    record: async (tenantUid, recordId) => {
      const { rows } = await pool.within(tenantUid).query<RecordColumns>(sql.READ_RECORD, [tenantUid, recordId]);
      return rows[0] && recordRow(rows[0]);
    },
    artifact: async (tenantUid, artifactId) => {
      const { rows } = await pool.within(tenantUid).query<ArtifactColumns>(sql.READ_ARTIFACT, [tenantUid, artifactId]);
      return rows[0] && artifactRow(rows[0]);
    },
    insertDecisions: async (decisions, batch) => {
      const items = decisions.map(({ tenantUid, record }, leafIndex) => ({
        tenant_uid: tenantUid,
        ...recordItem(record, batch),
        leaf_index: leafIndex,
      }));
      // of several tenants: the function enters the scope of each
      await pool.within(INSTANCE_SCOPE).query(sql.INSERT_DECISIONS, [jsonText(items), jsonText(batchItem(batch))]);
    },
  };
}

/** Seals of ended runs, whichever tenant's: for the worker's role. */
export function makeSealStore(pool: Connection): SealStore {
  return {
    takeJobs: async (limit, holdMs) => {
      const { rows } = await pool.query<SealJobColumns>(sql.TAKE_SEAL_JOBS, [limit, holdMs]);
      return rows.map((row) => ({
        tenantUid: row.tenant_uid,
        runUid: row.run_uid,
        runId: row.run_id ?? undefined,
        status: row.status,
        manifestId: row.manifest_id,
        finalSnapshotId: row.final_snapshot_id ?? undefined,
        recordCounts: Object.fromEntries(row.kinds.map((kind, index) => [kind, row.counts[index] ?? 0])),
      }));
    },
    writeSeals: async (seals, batch) => {
      await pool.query(sql.WRITE_SEALS, [
        jsonText(batchItem(batch)),
        seals.map(({ tenantUid }) => tenantUid),
        seals.map(({ runUid }) => runUid),
        seals.map(({ record }) => record.id),
        seals.map(({ record }) => record.statement),
      ]);
    },
  };
}

interface SealJobColumns {
  readonly tenant_uid: TenantUid;
  readonly run_uid: RunUid;
  readonly run_id: string | null;
  readonly status: RunState;
  readonly manifest_id: Digest;
  readonly final_snapshot_id: Digest | null;
  readonly kinds: readonly string[];
  readonly counts: readonly number[];
}

/** A record as a row of its batch. */
function recordItem(record: EvidenceRecord, batch: Batch): object {
  return {
    record_id: record.id,
    kind: record.kind,
    statement: record.statement,
    batch_id: batch.batchId,
    leaf_index: 0,
  };
}

interface RecordColumns {
  readonly record_id: RecordId;
  readonly kind: RecordKind;
  readonly run_uid: RunUid | null;
  readonly step_id: StepId | null;
  readonly attempt: number | null;
  readonly statement: string;
  readonly batch_id: string;
  readonly leaf_index: number;
  readonly created_at_ms?: number;
}

function recordRow(row: RecordColumns): RecordRow {
  return {
    recordId: row.record_id,
    kind: row.kind,
    runUid: row.run_uid ?? undefined,
    stepId: row.step_id ?? undefined,
    attempt: row.attempt ?? undefined,
    statement: row.statement,
    batchId: row.batch_id,
    leafIndex: row.leaf_index,
    createdAtMs: row.created_at_ms ?? 0,
  };
}

interface ArtifactColumns {
  readonly artifact_id: string;
  readonly kind: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly metadata: string;
  readonly bytes: Uint8Array;
  readonly run_uid: RunUid | null;
  readonly step_id: StepId | null;
  readonly batch_id: string | null;
  readonly leaf_index: number | null;
  readonly created_at_ms?: number;
}

function artifactRow(row: ArtifactColumns): ArtifactRow {
  return {
    artifactId: row.artifact_id,
    kind: row.kind,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    metadata: jsonObject(row.metadata),
    bytes: row.bytes,
    runUid: row.run_uid ?? undefined,
    stepId: row.step_id ?? undefined,
    batchId: row.batch_id ?? undefined,
    leafIndex: row.leaf_index ?? undefined,
    createdAtMs: row.created_at_ms ?? 0,
  };
}

interface BatchColumns {
  readonly batch_id: BatchId;
  readonly kid: string;
  readonly size: number;
  readonly leaves: Uint8Array;
  readonly statement: string;
  readonly signature: Uint8Array;
}

function batchRow(row: BatchColumns): Batch {
  return {
    batchId: row.batch_id,
    kid: row.kid,
    size: row.size,
    leaves: row.leaves,
    statement: row.statement,
    signature: row.signature,
  };
}
