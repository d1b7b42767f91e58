/**
 * What the approvals room needs from outside, in its own words. Every call names the tenant.
 *
 * Rows are claims: what is decided on them rests on the signed records they name (signed-hold.ts, find-approval.ts).
 * Not here: SQL (storage/), HTTP (gateway/).
 */
import type { ApprovalState } from "../core/approval.ts";
import type { BlobId, LeaseEpoch, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SealedBlob, StoredBlob } from "../core/vault.ts";
import type { Batch } from "../evidence/batch.ts";
import type { DecisionArtifact } from "../evidence/decision-artifact.ts";
import type { OwnTrust } from "../evidence/own-record.ts";
import type { EvidenceRecord } from "../evidence/statement.ts";
import type { RecordStore, RunRef } from "../runs/ports.ts";

export interface ApprovalRow {
  readonly approvalId: string;
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly runId: string | undefined;
  readonly stepId: StepId;
  readonly stepType: string;
  readonly state: ApprovalState;
  readonly role: string;
  readonly holdRecord: RecordId;
  /** Keyed digest of what was shown; for equality inside only. */
  readonly shownDigest: string;
  readonly shownBlob: BlobId | undefined;
  readonly leaseEpoch: LeaseEpoch;
  readonly requester: { readonly keyId: string; readonly owner: string };
  readonly approvalRecord: RecordId | undefined;
  readonly decidedBy: { readonly keyId: string; readonly owner: string } | undefined;
  readonly reasonBlob: BlobId | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly decidedAtMs: number | undefined;
  /** An admission names its approval record. */
  readonly isSpent: boolean;
  /** The database's clock when the row was read. */
  readonly nowMs: number;
}

/** What ends an approval, written whole with the step's move or not at all. */
export interface ApprovalEnd {
  readonly row: ApprovalRow;
  readonly verdict: "approved" | "rejected" | "expired";
  readonly actor: string;
  /** Who decided; undefined when its time was up. */
  readonly approver: { readonly keyId: string; readonly owner: string } | undefined;
  /** The signed approval; undefined when its time was up. */
  readonly record: EvidenceRecord | undefined;
  readonly reason: SealedBlob | undefined;
  /** The failed step; undefined when it goes back to the queue. */
  readonly stepEnd: StepEnd | undefined;
  /** Over the records, then over the artifact. */
  readonly batches: readonly Batch[];
}

export interface StepEnd {
  readonly errorKind: "approval_rejected" | "approval_expired";
  readonly record: EvidenceRecord;
  readonly artifact: DecisionArtifact;
  readonly event: JsonObject;
}

/**
 * decided: written. same, other: it was decided before, so or otherwise. own: the approver's owner submitted or resumed the
 * run. expired, void: too late. missing: no such approval. All but the first change nothing.
 */
export type ApprovalOutcome = "decided" | "same" | "other" | "own" | "expired" | "void" | "missing";

export interface ApprovalStore {
  readonly find: (tenantUid: TenantUid, approvalId: string) => Promise<ApprovalRow | undefined>;
  /** Newest first, before `after`. */
  readonly list: (input: {
    readonly tenantUid: TenantUid;
    readonly state: ApprovalState | undefined;
    readonly run: RunRef | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  }) => Promise<readonly ApprovalRow[]>;
  /** Rows of one step that say `approved`. */
  readonly granted: (tenantUid: TenantUid, runUid: RunUid, stepId: StepId) => Promise<readonly ApprovalRow[]>;
  /** One transaction under the run's lock. */
  readonly end: (end: ApprovalEnd) => Promise<ApprovalOutcome>;
  /** Takes an open row out of use that nothing signed stands behind. */
  readonly discard: (tenantUid: TenantUid, approvalId: string) => Promise<void>;
}

/** Open approvals whose time is up, of all tenants. */
export type FindDueApprovals = (
  limit: number,
) => Promise<readonly { readonly tenantUid: TenantUid; readonly approvalId: string }[]>;

export interface EvidenceDeps {
  readonly records: Pick<RecordStore, "record" | "batches">;
  /** The instance's keys, read again when this one is not known here: another process may have made it. */
  readonly trust: (kid: string) => Promise<OwnTrust>;
}

export interface PayloadDeps {
  readonly readBlob: (tenantUid: TenantUid, blobId: BlobId) => Promise<StoredBlob | undefined>;
  /** @throws {StepgateError} BLOB_ERASED, BLOB_UNREADABLE. */
  readonly open: (
    tenantUid: TenantUid,
    blob: StoredBlob | undefined,
    place: { readonly runUid: RunUid; readonly stepId: string; readonly field: string },
  ) => Promise<string>;
}
