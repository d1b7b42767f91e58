/**
 * The two transactions of the gate as calls of one function each (functions/admit.sql, functions/settle.sql), for a whole batch.
 *
 * A commit in doubt is read back by the batch id that was made here: what is there was written whole. Not here: claiming
 * (claim-store.ts), what the values mean (gate/settlement.ts).
 */

import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import type { Batch } from "../evidence/batch.ts";
import type { EvidenceRecord } from "../evidence/statement.ts";
import type { AdmitOutcome, PipelineStore, SettleOutcome } from "../gate/ports.ts";
import type { Admission, AttemptEnd, EvaluationRow, Settlement, StepAddress } from "../gate/settlement.ts";
import { blobItems } from "./blob-rows.ts";
import { isInDoubt } from "./errors.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import type { Pool } from "./pool.ts";
import { ADMIT_STEPS, FIND_BATCH_RECORDS, SETTLE_STEPS } from "./statements/pipeline.ts";

export interface PipelineStoreDeps {
  readonly pool: Pool;
  readonly workerId: string;
}

export function makePipelineStore({ pool, workerId }: PipelineStoreDeps): PipelineStore {
  return {
    admit: async (admissions, batch) => {
      const items = admissions.map((admission, ordinal) => admissionItem(admission, ordinal));
      try {
        const { rows } = await pool.query<AdmitRow>(ADMIT_STEPS, [
          workerId,
          jsonText(items),
          jsonText(batchItem(batch)),
        ]);
        return rows.map(admitOutcome);
      } catch (caught) {
        if (!isInDoubt(caught)) throw caught;
        const committed = await committedRecords(pool, batch);
        // what was turned away and what never arrived look the same: neither started, both may be claimed again
        return admissions.map(({ record }) => (committed.has(record.id) ? { kind: "started" } : { kind: "stale" }));
      }
    },
    settle: async (settlements, batches, isReaping) => {
      const places = leafPlaces(settlements, batches);
      const items = settlements.map((settlement, ordinal) => settlementItem(settlement, ordinal, places));
      const owner = settlements[0]?.kind !== undefined && isReaping ? ownerOf(settlements) : workerId;
      try {
        const { rows } = await pool.query<SettleRow>(SETTLE_STEPS, [
          owner,
          isReaping,
          jsonText(items),
          jsonText(batches.map(batchItem)),
        ]);
        return rows.map(
          (row): SettleOutcome => ({ isSettled: row.outcome === "settled", runStatus: row.run_status ?? undefined }),
        );
      } catch (caught) {
        const [batch] = batches;
        if (!isInDoubt(caught) || batch === undefined) throw caught;
        const committed = await committedRecords(pool, batch);
        return settlements.map(({ records }) => ({
          isSettled: records.some(({ id }) => committed.has(id)),
          runStatus: undefined,
        }));
      }
    },
  };
}

interface AdmitRow {
  readonly ordinal: number;
  readonly outcome: AdmitOutcome["kind"];
  readonly detail: string | null;
}

interface SettleRow {
  readonly ordinal: number;
  readonly outcome: string;
  readonly run_status: RunState | null;
}

function admitOutcome({ outcome, detail }: AdmitRow): AdmitOutcome {
  switch (outcome) {
    case "started":
    case "stale":
    case "changed":
    case "run_stopped":
    case "caller_revoked":
      return { kind: outcome };
    case "quota_wait":
    case "quota_exceeded":
    case "budget_exceeded":
      return { kind: outcome, detail: detail === null ? {} : jsonObject(detail) };
    default:
      throw new StepgateError("STORE_REFUSED", { reason: "unknown admission outcome" });
  }
}

async function committedRecords(pool: Pool, batch: Batch): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ record_id: string | null }>(FIND_BATCH_RECORDS, [batch.batchId]);
  return new Set(rows.flatMap(({ record_id }) => (record_id === null ? [] : [record_id])));
}

function ownerOf(settlements: readonly Settlement[]): string {
  const [first] = settlements;
  const owner = first?.kind === "retry" || first?.kind === "failed" ? first.reapedFrom : undefined;
  if (owner === undefined) throw new StepgateError("INTERNAL", { reason: "reaping without the dead worker's id" });
  return owner;
}

function addressItem({ tenantUid, runUid, stepId, leaseEpoch }: StepAddress): JsonObject {
  return { tenant_uid: tenantUid, run_uid: runUid, step_id: stepId, lease_epoch: leaseEpoch };
}

/** A signed batch as `insert_batch` (functions/batches.sql) reads it. */
export function batchItem(batch: Batch): JsonObject {
  return {
    batch_id: batch.batchId,
    kid: batch.kid,
    size: batch.size,
    leaves: Buffer.from(batch.leaves).toString("base64"),
    statement: batch.statement,
    signature: Buffer.from(batch.signature).toString("base64"),
  };
}

function evaluationItem(row: EvaluationRow | undefined): object | undefined {
  return (
    row && {
      phase: row.phase,
      record_id: row.recordId,
      body: row.body,
      details_blob: row.detailsBlob,
      input_blob: row.inputBlob,
    }
  );
}

function redactionItem(redaction: Admission["redaction"]): object | undefined {
  return redaction && { old_blob: redaction.oldBlob, new_blob: redaction.newBlob, event: redaction.event };
}

function admissionItem(admission: Admission, ordinal: number): object {
  return {
    ordinal,
    ...addressItem(admission.address),
    authority_version: admission.authorityVersion,
    caller_key_id: admission.callerKeyId,
    tokens: admission.request.tokens,
    usd_micros: admission.request.usdMicros,
    is_metered: admission.isMetered,
    attempt: admission.attempt,
    admission_record: admission.record.id,
    statement: admission.record.statement,
    leaf_index: ordinal,
    jti: admission.jti,
    started: admission.started,
    evaluations: evaluationItem(admission.evaluations),
    blobs: blobItems(admission.blobs),
    redaction: redactionItem(admission.redaction),
    approval_id: admission.approvalId,
  };
}

/** Where each record and each artifact's manifest stands: batch id and leaf index, in the order they were signed. */
interface LeafPlaces {
  readonly records: ReadonlyMap<string, LeafPlace>;
  readonly manifests: ReadonlyMap<string, LeafPlace>;
}

interface LeafPlace {
  readonly batch_id: string;
  readonly leaf_index: number;
}

function leafPlaces(settlements: readonly Settlement[], batches: readonly Batch[]): LeafPlaces {
  const recordIds = settlements.flatMap(({ records }) => records.map(({ id }) => id as string));
  const manifests = settlements.flatMap(({ artifact }) =>
    artifact === undefined ? [] : [artifact.metadataDigest as string],
  );
  const [decisions, artifacts] = recordIds.length > 0 ? batches : [undefined, batches[0]];
  return { records: placesIn(recordIds, decisions), manifests: placesIn(manifests, artifacts) };
}

function placesIn(ids: readonly string[], batch: Batch | undefined): ReadonlyMap<string, LeafPlace> {
  if (ids.length > 0 && batch?.size !== ids.length)
    throw new StepgateError("INTERNAL", { reason: "a batch does not fit its records" });
  return new Map(ids.map((id, leafIndex) => [id, { batch_id: batch?.batchId ?? "", leaf_index: leafIndex }]));
}

function settlementItem(settlement: Settlement, ordinal: number, places: LeafPlaces): object {
  const { artifact, audit } = settlement;
  return {
    ordinal,
    kind: settlement.kind,
    ...addressItem(settlement.address),
    events: settlement.events,
    records: settlement.records.map((record) => recordItem(record, settlement, places)),
    artifact: artifact && {
      artifact_id: artifact.id,
      kind: artifact.metadata["kind"],
      media_type: artifact.mediaType,
      metadata: artifact.metadata,
      body: artifact.payload,
      ...places.manifests.get(artifact.metadataDigest),
    },
    evaluations: evaluationItem(settlement.evaluations),
    blobs: blobItems(settlement.blobs),
    redaction: redactionItem(settlement.redaction),
    audit: audit && { actor: audit.actor, action: audit.action, resource: jsonText(audit.resource) },
    ...("end" in settlement ? endItem(settlement.end) : {}),
    ...kindItem(settlement),
  };
}

function recordItem(record: EvidenceRecord, settlement: Settlement, places: LeafPlaces): object {
  const attempt = "end" in settlement ? settlement.end.attempt : undefined;
  return {
    record_id: record.id,
    kind: record.kind,
    statement: record.statement,
    attempt,
    ...places.records.get(record.id),
  };
}

function endItem(end: AttemptEnd): object {
  return {
    attempt: end.attempt,
    outcome_record: end.outcomeRecord,
    output_blob: end.outputBlob,
    output_digest: end.outputDigest,
    error_blob: end.errorBlob,
    checkpoint_blob: end.checkpointBlob,
    actual_tokens: end.actual.tokens,
    actual_usd_micros: end.actual.usdMicros,
    usage_source: end.usageSource,
    provider: end.provider,
    provider_version: end.providerVersion,
    isolation: end.isolation,
    tool_events: end.toolEvents,
    is_lost: end.isLost,
  };
}

function kindItem(settlement: Settlement): object {
  switch (settlement.kind) {
    case "succeeded":
      return {};
    case "failed":
    case "cancelled":
      return { error_kind: settlement.errorKind, reasons: settlement.reasons };
    case "retry":
      return { error_kind: settlement.errorKind, not_before_ms: settlement.notBeforeMs };
    case "refused":
      return {
        error_kind: settlement.errorKind,
        reasons: settlement.reasons,
        outcome_record: settlement.records[0]?.id,
      };
    case "held": {
      const { approvalId, holdRecord, shownDigest, role, ttlSeconds } = settlement.approval;
      return {
        approval: {
          approval_id: approvalId,
          hold_record: holdRecord,
          shown_digest: shownDigest,
          role,
          ttl_seconds: ttlSeconds,
        },
      };
    }
    case "paused":
      return { breakpoint: { ...settlement.breakpoint, event: settlement.event } };
    case "deferred":
      return { delay_ms: settlement.delayMs, defer_reason: settlement.reason };
  }
}
