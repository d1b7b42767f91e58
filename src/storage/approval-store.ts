/**
 * Approvals as rows: read by their own tenant, ended by functions/approvals.sql in one transaction with the step.
 */
import type { ApprovalEnd, ApprovalOutcome, ApprovalRow, ApprovalStore, FindDueApprovals } from "../approvals/ports.ts";
import type { ApprovalState } from "../core/approval.ts";
import { StepgateError } from "../core/errors.ts";
import type { BlobId, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { blobItems } from "./blob-rows.ts";
import { jsonText } from "./json-rows.ts";
import { batchItem } from "./pipeline-store.ts";
import { type Connection, INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/approvals.ts";

const OUTCOMES: readonly ApprovalOutcome[] = ["decided", "same", "other", "own", "expired", "void", "missing"];

export function makeApprovalStore(pool: TenantPool): ApprovalStore {
  return {
    find: async (tenantUid, approvalId) => {
      const { rows } = await pool.within(tenantUid).query<ApprovalColumns>(sql.READ_APPROVAL, [tenantUid, approvalId]);
      return rows[0] && approvalRow(rows[0]);
    },
    list: async ({ tenantUid, state, run, after, limit }) => {
      const runUid = run !== undefined && "runUid" in run ? run.runUid : null;
      const runId = run !== undefined && "runId" in run ? run.runId : null;
      const values = [tenantUid, state ?? null, runUid, runId, after ?? null, limit];
      const { rows } = await pool.within(tenantUid).query<ApprovalColumns>(sql.LIST_APPROVALS, values);
      return rows.map(approvalRow);
    },
    granted: async (tenantUid, runUid, stepId) => {
      const values = [tenantUid, runUid, stepId];
      return (await pool.within(tenantUid).query<ApprovalColumns>(sql.READ_GRANTED, values)).rows.map(approvalRow);
    },
    end: async (end) => {
      const { tenantUid, approvalId } = end.row;
      const { rows } = await pool
        .within(tenantUid)
        .query<{ outcome: string }>(sql.END_APPROVAL, [
          tenantUid,
          approvalId,
          jsonText({ ...endItem(end), keys: await keysOf(pool, end) }),
          jsonText(end.batches.map(batchItem)),
        ]);
      const outcome = OUTCOMES.find((one) => one === rows[0]?.outcome);
      if (outcome === undefined) throw new StepgateError("STORE_REFUSED", { reason: "unknown approval outcome" });
      return outcome;
    },
    discard: async (tenantUid, approvalId) => {
      await pool.within(tenantUid).query(sql.DISCARD_APPROVAL, [tenantUid, approvalId]);
    },
  };
}

/** For the reaper, which looks at all tenants. */
export function makeFindDueApprovals(pool: Connection): FindDueApprovals {
  return async (limit) =>
    (await pool.query<DueColumns>(sql.FIND_DUE_APPROVALS, [limit])).rows.map((row) => ({
      tenantUid: row.tenant_uid,
      approvalId: row.approval_id,
    }));
}

async function keysOf(pool: TenantPool, { approver, row }: ApprovalEnd): Promise<readonly string[]> {
  if (approver === undefined) return [];
  const { rows } = await pool
    .within(INSTANCE_SCOPE)
    .query<{ key_id: string }>(sql.READ_KEYS_OF_OWNER, [approver.owner, row.tenantUid]);
  return rows.map(({ key_id }) => key_id);
}

const ACTIONS = { approved: "approval.grant", rejected: "approval.reject", expired: "approval.expire" } as const;

function endItem({ row, verdict, actor, approver, record, reason, stepEnd, batches }: ApprovalEnd): object {
  const { approvalId } = row;
  const [decisions, artifacts] = batches;
  return {
    verdict,
    actor,
    action: ACTIONS[verdict],
    resource: jsonText({
      approval_id: approvalId,
      run_id: row.runUid,
      step_id: row.stepId,
      ...(record === undefined ? {} : { approval_record: record.id }),
    }),
    key_id: approver?.keyId,
    owner: approver?.owner,
    record: record && {
      record_id: record.id,
      statement: record.statement,
      batch_id: decisions?.batchId,
      leaf_index: 0,
    },
    event: record && { approval_id: approvalId, approval_record: record.id, by: actor },
    blobs: blobItems(reason === undefined ? [] : [reason]),
    reason_blob: reason?.blobId,
    step_end: stepEnd && {
      error_kind: stepEnd.errorKind,
      event: stepEnd.event,
      record: {
        record_id: stepEnd.record.id,
        statement: stepEnd.record.statement,
        batch_id: decisions?.batchId,
        leaf_index: record === undefined ? 0 : 1,
      },
      artifact: {
        artifact_id: stepEnd.artifact.id,
        kind: stepEnd.artifact.metadata["kind"],
        media_type: stepEnd.artifact.mediaType,
        metadata: stepEnd.artifact.metadata,
        body: stepEnd.artifact.payload,
        batch_id: artifacts?.batchId,
      },
      audit: { actor, resource: jsonText({ run_id: row.runUid, step_id: row.stepId, status: "failed" }) },
    },
  };
}

interface DueColumns {
  readonly tenant_uid: TenantUid;
  readonly approval_id: string;
}

interface ApprovalColumns extends DueColumns {
  readonly run_uid: RunUid;
  readonly run_id: string | null;
  readonly step_id: StepId;
  readonly step_type: string;
  readonly state: ApprovalState;
  readonly role: string;
  readonly hold_record: RecordId;
  readonly shown_digest: string;
  readonly shown_blob: BlobId | null;
  readonly lease_epoch: number;
  readonly caller_key_id: string;
  readonly caller_owner: string;
  readonly approval_record: RecordId | null;
  readonly decided_by: string | null;
  readonly decided_owner: string | null;
  readonly reason_blob: BlobId | null;
  readonly created_at_ms: number;
  readonly expires_at_ms: number;
  readonly decided_at_ms: number | null;
  readonly is_spent: boolean | null;
  readonly now_ms: number;
}

function approvalRow(row: ApprovalColumns): ApprovalRow {
  const { decided_by: keyId, decided_owner: owner } = row;
  return {
    approvalId: row.approval_id,
    tenantUid: row.tenant_uid,
    runUid: row.run_uid,
    runId: row.run_id ?? undefined,
    stepId: row.step_id,
    stepType: row.step_type,
    state: row.state,
    role: row.role,
    holdRecord: row.hold_record,
    shownDigest: row.shown_digest,
    shownBlob: row.shown_blob ?? undefined,
    leaseEpoch: row.lease_epoch,
    requester: { keyId: row.caller_key_id, owner: row.caller_owner },
    approvalRecord: row.approval_record ?? undefined,
    decidedBy: keyId === null || owner === null ? undefined : { keyId, owner },
    reasonBlob: row.reason_blob ?? undefined,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    decidedAtMs: row.decided_at_ms ?? undefined,
    isSpent: row.is_spent === true,
    nowMs: row.now_ms,
  };
}
