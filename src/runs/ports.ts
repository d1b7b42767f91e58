/**
 * What the runs room needs stored, in its own words. Every call names the tenant; nothing of another one comes back.
 *
 * Not here: SQL (storage/), who may call (gateway/).
 */
import type { ErrorKind } from "../core/error-kind.ts";
import type { EventType } from "../core/event.ts";
import type { BlobId, Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { RunState, StepState } from "../core/state.ts";
import type { Principal } from "../core/tenant.ts";
import type { SealedBlob, StoredBlob } from "../core/vault.ts";
import type { Batch } from "../evidence/batch.ts";
import type { EvidenceRecord, RecordKind } from "../evidence/statement.ts";
import type { PreparedRun } from "./prepare-submission.ts";
import type { ProjectedRows } from "./projected-rows.ts";

/** How a caller names a run: its uid, or the id its submitter chose. */
export type RunRef = { readonly runUid: RunUid } | { readonly runId: string };

export interface NewRun {
  readonly tenantUid: TenantUid;
  readonly prepared: PreparedRun;
  readonly caller: Principal;
  readonly idempotencyKey: string | undefined;
  /** Keyed digest of what makes two submissions the same one. */
  readonly submissionDigest: Digest;
  readonly blobs: readonly SealedBlob[];
}

export interface FoundSubmission {
  readonly runUid: RunUid;
  readonly submissionDigest: Digest;
  /** Found by its run id, not by the idempotency key. */
  readonly isSameId: boolean;
}

export interface BudgetRow {
  readonly limit: number | undefined;
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
}

export interface RunHeadRow {
  readonly runUid: RunUid;
  readonly runId: string | undefined;
  readonly kind: "dag" | "chain" | "script";
  readonly opId: string;
  readonly manifestId: Digest;
  readonly priority: number;
  readonly status: RunState;
  readonly headSeq: number;
  readonly traceparent: string | undefined;
  readonly labelsBlob: BlobId | undefined;
  readonly subject: string | undefined;
  /** The database's own precision: what pages are cut by. */
  readonly submittedAtUs: number;
  readonly submittedAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
  readonly finalSnapshotId: Digest | undefined;
  readonly pause: { readonly stepId: StepId | undefined; readonly atMs: number } | undefined;
}

export interface RunRow extends RunHeadRow {
  readonly budget: { readonly tokens: BudgetRow; readonly usdMicros: BudgetRow } | undefined;
  readonly sealRecord: RecordId | undefined;
}

export interface StepRow {
  readonly stepId: StepId;
  readonly type: string;
  readonly slug: string | undefined;
  readonly state: StepState;
  readonly attemptsMade: number;
  readonly notBeforeMs: number | undefined;
  readonly errorKind: ErrorKind | undefined;
  readonly reasons: readonly string[];
  readonly decisionArtifact: string | undefined;
  readonly provider: string | undefined;
  readonly providerVersion: string | undefined;
  readonly tokens: number;
  readonly usdMicros: number;
  readonly outputBlob: BlobId | undefined;
  /** The open approval of a held step. */
  readonly approval: { readonly approvalId: string; readonly role: string; readonly expiresAtMs: number } | undefined;
  readonly dependsOn: readonly StepId[];
  readonly recordIds: readonly RecordId[];
}

export interface ForkSourceStep {
  readonly stepId: StepId;
  /** As steps are stored: `queued` also while one is leased or running. */
  readonly status: StepState;
  readonly inputBlob: BlobId;
  readonly lastRecord: RecordId | undefined;
  /** The first run of the line of forks that the run belongs to. */
  readonly rootRunUid: RunUid;
}

export interface EventRow {
  readonly seq: number;
  readonly type: EventType;
  readonly stepId: StepId | undefined;
  readonly atMs: number;
  readonly data: JsonObject;
}

export interface BreakpointRow {
  readonly target: "step" | "slug" | "type";
  readonly value: string;
}

export interface StepEndRow {
  readonly step: StepRow;
  /** In the order they were made, as records write them. */
  readonly evaluations: readonly JsonObject[];
  /** Undefined: it has none, or it was erased. */
  readonly output: StoredBlob | undefined;
}

export interface RunStore {
  readonly findSubmission: (input: {
    readonly tenantUid: TenantUid;
    readonly runId: string | undefined;
    readonly idempotencyKey: string | undefined;
  }) => Promise<FoundSubmission | undefined>;
  /** One transaction; `exists` when another submission with the same id or key was faster. @throws RATE_LIMITED. */
  readonly submit: (run: NewRun) => Promise<{
    readonly outcome: "created" | "exists" | "mismatch";
    readonly runUid: RunUid;
    /** Found by the id its submitter chose, not by the key. */
    readonly isSameId: boolean;
  }>;
  readonly readManifest: (tenantUid: TenantUid, manifestId: Digest) => Promise<string | undefined>;
  readonly find: (tenantUid: TenantUid, ref: RunRef) => Promise<RunRow | undefined>;
  readonly list: (input: {
    readonly tenantUid: TenantUid;
    readonly status: string | undefined;
    readonly after: { readonly submittedAtUs: number; readonly runUid: RunUid } | undefined;
    readonly limit: number;
  }) => Promise<readonly RunHeadRow[]>;
  readonly steps: (tenantUid: TenantUid, runUid: RunUid) => Promise<readonly StepRow[]>;
  readonly events: (input: {
    readonly tenantUid: TenantUid;
    readonly runUid: RunUid;
    readonly afterSeq: number;
    readonly limit: number;
  }) => Promise<readonly EventRow[]>;
  /** The first events of several runs of one tenant, at most `limitEach` of each; runs without any are left out. */
  readonly firstEvents: (
    tenantUid: TenantUid,
    runUids: readonly RunUid[],
    limitEach: number,
  ) => Promise<ReadonlyMap<RunUid, readonly EventRow[]>>;
  /** The step of a run that has one. */
  readonly stepEnd: (tenantUid: TenantUid, runUid: RunUid) => Promise<StepEndRow | undefined>;
  /** Steps of a run that a fork may go on from, in plan order. */
  readonly forkSource: (tenantUid: TenantUid, runUid: RunUid) => Promise<readonly ForkSourceStep[]>;
  /** One that was erased is absent from the map. */
  readonly readBlobs: (tenantUid: TenantUid, blobIds: readonly BlobId[]) => Promise<ReadonlyMap<BlobId, StoredBlob>>;
  readonly readBlob: (tenantUid: TenantUid, blobId: BlobId) => Promise<StoredBlob | undefined>;
  /** `actor` is written to the audit log. False when nothing changed. */
  readonly cancel: (tenantUid: TenantUid, runUid: RunUid, actor: string) => Promise<boolean>;
  readonly pause: (tenantUid: TenantUid, runUid: RunUid, actor: string) => Promise<boolean>;
  readonly resume: (tenantUid: TenantUid, runUid: RunUid, actor: string) => Promise<boolean>;
  readonly breakpoints: (tenantUid: TenantUid, runUid: RunUid) => Promise<readonly BreakpointRow[]>;
  /** False when the run has ended. */
  readonly changeBreakpoint: (input: {
    readonly tenantUid: TenantUid;
    readonly runUid: RunUid;
    readonly breakpoint: BreakpointRow;
    readonly isSet: boolean;
    readonly actor: string;
  }) => Promise<boolean>;
}

/** A change of state that a log's last line entails and that no line tells. */
export type OwedChange =
  | { readonly step: StepId; readonly kind: "skip"; readonly reason: string }
  | { readonly step: StepId; readonly kind: "cancel" }
  | { readonly step: StepId; readonly kind: "schedule_compensation"; readonly origin: StepId };

export interface RebuildStore {
  /** One transaction. `conflict`: the log does not end at `expectedSeq`; `missing`: no such run. Both change nothing. */
  readonly replaceProjection: (input: {
    readonly tenantUid: TenantUid;
    readonly runUid: RunUid;
    readonly expectedSeq: number;
    readonly rows: ProjectedRows;
    /** In this order. */
    readonly owed: readonly OwedChange[];
    /** Who asked for it, for the audit. */
    readonly actor: string;
  }) => Promise<"rebuilt" | "conflict" | "missing">;
}

export interface RecordRow {
  readonly recordId: RecordId;
  readonly kind: RecordKind;
  readonly runUid: RunUid | undefined;
  readonly stepId: StepId | undefined;
  readonly attempt: number | undefined;
  readonly statement: string;
  readonly batchId: string;
  readonly leafIndex: number;
  readonly createdAtMs: number;
}

export interface ArtifactRow {
  readonly artifactId: string;
  readonly kind: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly metadata: JsonObject;
  readonly bytes: Uint8Array;
  readonly runUid: RunUid | undefined;
  readonly stepId: StepId | undefined;
  readonly batchId: string | undefined;
  readonly leafIndex: number | undefined;
  readonly createdAtMs: number;
}

export interface RecordStore {
  readonly runRecords: (tenantUid: TenantUid, runUid: RunUid) => Promise<readonly RecordRow[]>;
  readonly runArtifacts: (tenantUid: TenantUid, runUid: RunUid) => Promise<readonly ArtifactRow[]>;
  readonly batches: (batchIds: readonly string[]) => Promise<readonly Batch[]>;
  readonly record: (tenantUid: TenantUid, recordId: RecordId) => Promise<RecordRow | undefined>;
  readonly artifact: (tenantUid: TenantUid, artifactId: string) => Promise<ArtifactRow | undefined>;
  /** Writes decisions made outside a run, with the batch over them in this order; durable when it returns. */
  readonly insertDecisions: (
    decisions: readonly { readonly tenantUid: TenantUid; readonly record: EvidenceRecord }[],
    batch: Batch,
  ) => Promise<void>;
}

/** An ended run, with what its seal says of it beside its log. */
export interface SealJob {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly runId: string | undefined;
  readonly status: RunState;
  readonly manifestId: Digest;
  readonly finalSnapshotId: Digest | undefined;
  readonly recordCounts: Readonly<Record<string, number>>;
}

export interface SealStore {
  /** Up to `limit` ended runs to seal, the longest due first, kept off other processes for `holdMs`. */
  readonly takeJobs: (limit: number, holdMs: number) => Promise<readonly SealJob[]>;
  /** One transaction, under one signed batch; a run that was sealed meanwhile is passed over. */
  readonly writeSeals: (
    seals: readonly { readonly tenantUid: TenantUid; readonly runUid: RunUid; readonly record: EvidenceRecord }[],
    batch: Batch,
  ) => Promise<void>;
}
