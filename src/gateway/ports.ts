/**
 * The use cases that routes call, one interface per resource, in the views' own words.
 *
 * Who calls is always the first member, and comes from the credential alone. `undefined` from a lookup means: not there,
 * or not this tenant's; a route cannot tell, so neither can its answer. Both must cost the same time. Everything else
 * that goes wrong is a StepgateError. Not here: who implements them (main.ts wires), HTTP (routes/).
 */

import type { ApprovalDecision, ApprovalState } from "../core/approval.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { ArtifactId, Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Principal } from "../core/tenant.ts";
import type { DecisionRequest, RunSubmission, StepRequest } from "../runs/submission.ts";
import type { Role } from "./roles.ts";
import type { ApprovalPage, ApprovalView } from "./views/approval.ts";
import type { AuditPage } from "./views/audit.ts";
import type { BillingView } from "./views/billing.ts";
import type { EventPage } from "./views/event.ts";
import type { JwksView, ReadyView } from "./views/health.ts";
import type { KeyPage, KeySubmission, KeyView, NewKeyView } from "./views/key.ts";
import type { DeadLetterPage, DeadLetterView, QueueView, WaitView } from "./views/queue.ts";
import type { ArtifactView, RecordView } from "./views/record.ts";
import type { RetentionView } from "./views/retention.ts";
import type { BreakpointView, CancelView, RunPage, RunView } from "./views/run.ts";
import type { SecretPage, SecretView } from "./views/secret.ts";
import type {
  DeliveryPage,
  PutSinkView,
  SinkDeadLetterPage,
  SinkPage,
  SinkRedriveView,
  SinkSecretView,
  SinkSubmission,
  SinkView,
} from "./views/sink.ts";
import type { DecisionSummary, DecisionView, StepPendingView, StepResultView } from "./views/step.ts";
import type { BudgetsView, TenantPage, TenantSubmission, TenantView } from "./views/tenant.ts";
import type { ExecutorPage, ExecutorView, ToolPage, ToolSubmission, ToolView } from "./views/tool.ts";

// ── who calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface TenantRef {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  /** Of what decisions in this tenant rest on, as read with the credential. */
  readonly authorityVersion: number;
}

/** A valid key's holder. */
export interface KeyHolder extends Principal {
  readonly roles: readonly Role[];
  /** The key's tenant; `all` for keys of the instance. */
  readonly tenant: TenantRef | "all";
}

/** A key's holder acting in one tenant. */
export interface Caller extends Principal, TenantRef {
  readonly roles: readonly Role[];
  /** The key is the instance's, and named this tenant (auth.ts). */
  readonly isInstanceWide: boolean;
}

export interface Authenticator {
  /**
   * Whose key this is; undefined for every key that does not count now, without a difference between unknown, wrong,
   * expired and revoked. Compares in constant time (spec 09). Called for every request, and every 60 s for a stream.
   */
  readonly authenticate: (bearer: string) => Promise<KeyHolder | undefined>;
  /** The tenant of this name. Asked only for keys of the instance. */
  readonly findTenant: (tenantId: string) => Promise<TenantRef | undefined>;
}

// ── repeated writes ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Where an Idempotency-Key is unique: in a tenant, or among requests to the instance. */
export interface IdempotencyScope {
  readonly tenantUid: TenantUid | undefined;
  readonly idempotencyKey: string;
}

export interface StoredAnswer {
  readonly status: number;
  readonly location: string | undefined;
  /** JSON text; it may hold payload, so it is stored sealed. */
  readonly body: string;
}

export type IdempotencyClaim =
  | { readonly kind: "new" }
  | { readonly kind: "stored"; readonly answer: StoredAnswer }
  /** The key was used with another request. */
  | { readonly kind: "mismatch" }
  /** The first request is still being answered. A claim that was never finished lapses after a minute. */
  | { readonly kind: "busy" };

export interface IdempotencyStore {
  /**
   * Claims the key for this request in one statement: of several at once one gets `new`.
   * The digest is of payload, so the row keeps a keyed digest of it (spec 00, payloads at rest).
   */
  readonly claim: (input: IdempotencyScope & { readonly requestDigest: Digest }) => Promise<IdempotencyClaim>;
  /** Keeps the answer of a claimed key for at least 24 hours. */
  readonly finish: (input: IdempotencyScope & { readonly answer: StoredAnswer }) => Promise<void>;
  /** Gives the key back after an answer that changed nothing. */
  readonly release: (input: IdempotencyScope) => Promise<void>;
}

// ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** How a path names a run: text of UUID form is always the run's uid, any other the id its submitter chose. */
export type RunRef = { readonly runUid: RunUid } | { readonly runId: string };

export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** What every start carries beside its body. */
export interface StartInput {
  readonly caller: Caller;
  /**
   * Kept with the run, in its transaction: the same key with the same submission gives the same run.
   * @throws {StepgateError} (the use case) IDEMPOTENCY_MISMATCH with another submission.
   */
  readonly idempotencyKey: string | undefined;
  /** Of the request; a trace in the body wins. */
  readonly trace: TraceContext | undefined;
}

export interface PageInput {
  readonly caller: Caller;
  /** `next` of the page before. @throws {StepgateError} (the use case) FIELD_INVALID for one it never gave. */
  readonly after: string | undefined;
  /** 1 to 200. */
  readonly limit: number;
}

export interface RunInput {
  readonly caller: Caller;
  readonly run: RunRef;
}

/** Bytes for a download; a reader that goes away ends the iteration. */
export interface ByteContent {
  readonly mediaType: string;
  readonly sizeBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Runs {
  readonly submit: (
    input: StartInput & { readonly submission: RunSubmission },
  ) => Promise<{ readonly run: RunView; readonly isNew: boolean }>;
  readonly get: (input: RunInput) => Promise<RunView | undefined>;
  readonly list: (input: PageInput & { readonly status: string | undefined }) => Promise<RunPage>;
  /** Up to `limit` events after `afterSeq`, in order; `end` once the last event is in this page and the run is sealed. */
  readonly events: (
    input: RunInput & { readonly afterSeq: number; readonly limit: number },
  ) => Promise<EventPage | undefined>;
  /**
   * Calls `onChange` whenever the run's log may have grown or its seal may have been written; calls too many are
   * harmless, a missed one costs the poll interval. Returns how to stop.
   */
  readonly subscribe: (input: RunInput & { readonly onChange: () => void }) => Promise<(() => void) | undefined>;
  /** @throws {StepgateError} EVIDENCE_NOT_READY before the seal. */
  readonly evidence: (input: RunInput) => Promise<ByteContent | undefined>;
  /** Never an error for a run that has ended: `cancelled` is false then (spec 05). */
  readonly cancel: (input: RunInput) => Promise<CancelView | undefined>;
  /** @throws {StepgateError} STATE_CONFLICT when the run is neither pending nor running nor compensating. */
  readonly pause: (input: RunInput) => Promise<RunView | undefined>;
  /** @throws {StepgateError} STATE_CONFLICT when the run is not paused. */
  readonly resume: (input: RunInput) => Promise<RunView | undefined>;
  readonly breakpoints: (input: RunInput) => Promise<readonly BreakpointView[] | undefined>;
  /** Setting one twice is setting it once. @throws {StepgateError} STATE_CONFLICT when the run has ended. */
  readonly setBreakpoint: (
    input: RunInput & { readonly breakpoint: BreakpointView },
  ) => Promise<readonly BreakpointView[] | undefined>;
  /** Removing one that is not there changes nothing. */
  readonly removeBreakpoint: (
    input: RunInput & { readonly breakpoint: BreakpointView },
  ) => Promise<readonly BreakpointView[] | undefined>;
}

// ── steps and decisions ──────────────────────────────────────────────────────────────────────────────────────────────

/** What became of a step that somebody waited for. */
export type StepOutcome =
  | { readonly kind: "succeeded"; readonly result: StepResultView }
  /** Refused before anything ran, or its output was refused. */
  | { readonly kind: "denied"; readonly end: StepEnd }
  | { readonly kind: "failed"; readonly end: StepEnd }
  /** Held, deferred, to be tried again, waiting, or longer than `waitMs`. */
  | { readonly kind: "pending"; readonly pending: StepPendingView };

export interface StepEnd {
  readonly runUid: RunUid;
  readonly stepId: string;
  readonly errorKind: ErrorKind;
  readonly reasons: readonly string[];
  readonly recordIds: readonly string[];
  readonly decision: DecisionSummary | undefined;
}

export interface Steps {
  /** Submits a one-step run and waits for its end, at most `waitMs`; the caller's leaving (`signal`) only ends the wait. */
  readonly perform: (
    input: StartInput & { readonly request: StepRequest; readonly waitMs: number; readonly signal: AbortSignal },
  ) => Promise<StepOutcome>;
}

export interface Decisions {
  /** Decides without performing; the decision record is durable before the answer. A deny is an answer. */
  readonly decide: (input: { readonly caller: Caller; readonly request: DecisionRequest }) => Promise<DecisionView>;
}

// ── approvals ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface ApprovalInput {
  readonly caller: Caller;
  readonly approvalId: string;
}

export interface Approvals {
  readonly list: (
    input: PageInput & { readonly state: ApprovalState | undefined; readonly run: RunRef | undefined },
  ) => Promise<ApprovalPage>;
  /** What would run is in it only for a caller with the role that must decide. @throws {StepgateError} APPROVAL_UNVERIFIED. */
  readonly get: (input: ApprovalInput) => Promise<ApprovalView | undefined>;
  /**
   * Decides, signed and audited, in one transaction with the step's move. The same decision again changes nothing.
   * @throws {StepgateError} APPROVAL_ROLE_MISSING, APPROVAL_OWN, APPROVAL_DECIDED, APPROVAL_EXPIRED, APPROVAL_VOID,
   *   APPROVAL_UNVERIFIED.
   */
  readonly decide: (
    input: ApprovalInput & { readonly decision: ApprovalDecision; readonly reason: string | undefined },
  ) => Promise<ApprovalView | undefined>;
}

// ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Records {
  readonly get: (input: { readonly caller: Caller; readonly recordId: RecordId }) => Promise<RecordView | undefined>;
}

export interface Artifacts {
  readonly get: (input: {
    readonly caller: Caller;
    readonly artifactId: ArtifactId;
  }) => Promise<ArtifactView | undefined>;
  /** The bytes, hashed again while they are read; opened if they are sealed. */
  readonly content: (input: {
    readonly caller: Caller;
    readonly artifactId: ArtifactId;
  }) => Promise<ByteContent | undefined>;
}

export interface Audit {
  /** In the order of the chain. */
  readonly list: (input: PageInput) => Promise<AuditPage>;
}

// ── what people with authority set ───────────────────────────────────────────────────────────────────────────────────

/** Called with the key's holder: a tenant's key sees its own tenant, a `platform` key of the instance every one. */
export interface Tenants {
  readonly list: (input: {
    readonly holder: KeyHolder;
    readonly after: string | undefined;
    readonly limit: number;
  }) => Promise<TenantPage>;
  readonly get: (input: { readonly holder: KeyHolder; readonly tenantId: string }) => Promise<TenantView | undefined>;
  /** Makes or replaces a tenant's settings, audited. */
  readonly put: (input: {
    readonly holder: KeyHolder;
    readonly tenantId: string;
    readonly submission: TenantSubmission;
  }) => Promise<{ readonly tenant: TenantView; readonly isNew: boolean }>;
}

export interface Tools {
  readonly list: (input: PageInput) => Promise<ToolPage>;
  /** The version asked for, else the newest. @throws {StepgateError} TOOL_UNREADABLE. */
  readonly get: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly version: number | undefined;
  }) => Promise<ToolView | undefined>;
  /**
   * Adds a version, audited; the same definition again changes nothing.
   * @throws {StepgateError} FIELD_INVALID for one that nothing could perform, TOOL_SECRET_MISSING, TOOL_SECRET_UNFIT,
   *   TOOL_SECRET_PLACE, STATE_CONFLICT for another definition under a version that is not above the newest.
   */
  readonly put: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly submission: ToolSubmission;
  }) => Promise<{ readonly tool: ToolView; readonly isNew: boolean }>;
}

export interface Secrets {
  /** By name, without values; those are in no answer. */
  readonly list: (input: PageInput) => Promise<SecretPage>;
  readonly get: (input: { readonly caller: Caller; readonly name: string }) => Promise<SecretView | undefined>;
  /** Makes it or replaces its value, audited without it. */
  readonly put: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly value: string;
  }) => Promise<{ readonly secret: SecretView; readonly isNew: boolean }>;
  /** Erases it, audited. */
  readonly remove: (input: { readonly caller: Caller; readonly name: string }) => Promise<true | undefined>;
}

export interface Executors {
  readonly list: (input: { readonly caller: Caller }) => Promise<ExecutorPage>;
  readonly get: (input: { readonly caller: Caller; readonly type: string }) => Promise<ExecutorView | undefined>;
  /** Replaces the tenant's settings, audited. @throws {StepgateError} FIELD_INVALID against the adapter's schema. */
  readonly put: (input: {
    readonly caller: Caller;
    readonly type: string;
    readonly settings: JsonObject;
  }) => Promise<ExecutorView | undefined>;
}

export interface Budgets {
  readonly get: (input: PageInput) => Promise<BudgetsView>;
}

export interface Billing {
  /** @throws {StepgateError} FIELD_INVALID for days that are none, or too many. */
  readonly recompute: (input: {
    readonly caller: Caller;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }) => Promise<BillingView>;
}

export interface Retention {
  readonly get: (input: { readonly caller: Caller }) => Promise<RetentionView>;
}

export interface StepInput extends RunInput {
  readonly stepId: StepId;
}

export interface Queue {
  readonly get: (input: { readonly caller: Caller }) => Promise<QueueView>;
  /** Audited; without a type the whole tenant. @throws {StepgateError} PLAN_UNKNOWN_TYPE for a type without an executor. */
  readonly setPaused: (input: {
    readonly caller: Caller;
    readonly type: string | undefined;
    readonly isPaused: boolean;
  }) => Promise<QueueView>;
  readonly waits: (input: StepInput) => Promise<WaitView | undefined>;
}

export interface DeadLetters {
  readonly list: (input: PageInput) => Promise<DeadLetterPage>;
  readonly get: (input: StepInput) => Promise<DeadLetterView | undefined>;
  /**
   * Goes on from the step in a new run; the same key with the same request gives the same run.
   * @throws {StepgateError} STATE_CONFLICT for a run that has not ended, or a step that also needs one that did not
   *   succeed; BLOB_ERASED when its inputs are gone.
   */
  readonly redrive: (
    input: StepInput & { readonly inputs: JsonObject | undefined; readonly idempotencyKey: string | undefined },
  ) => Promise<{ readonly run: RunView; readonly isNew: boolean } | undefined>;
}

export interface SinkInput {
  readonly caller: Caller;
  readonly name: string;
}

export interface Sinks {
  readonly list: (input: PageInput) => Promise<SinkPage>;
  readonly get: (input: SinkInput) => Promise<SinkView | undefined>;
  /**
   * Makes or replaces a sink, audited; the secret of a new one is in this answer only.
   * @throws {StepgateError} FIELD_INVALID for no URL, SINK_HOST_NOT_APPROVED.
   */
  readonly put: (
    input: SinkInput & { readonly submission: SinkSubmission },
  ) => Promise<{ readonly sink: PutSinkView; readonly isNew: boolean }>;
  /** Makes a new secret, audited; the one before stays good for a day. @throws {StepgateError} STATE_CONFLICT beside a change. */
  readonly rotate: (input: SinkInput) => Promise<SinkSecretView | undefined>;
  /** Removes it with everything that waits for it, audited. */
  readonly remove: (input: SinkInput) => Promise<true | undefined>;
  readonly waiting: (input: SinkInput & PageInput) => Promise<DeliveryPage | undefined>;
  readonly deadLetters: (input: SinkInput & PageInput) => Promise<SinkDeadLetterPage | undefined>;
  /** Sends dead letters again, audited; with the ids that they had. */
  readonly redrive: (
    input: SinkInput & { readonly runUid: RunUid | undefined },
  ) => Promise<SinkRedriveView | undefined>;
}

export interface Keys {
  readonly list: (input: PageInput) => Promise<KeyPage>;
  readonly get: (input: { readonly caller: Caller; readonly keyId: string }) => Promise<KeyView | undefined>;
  /**
   * Makes a key in the caller's tenant, or one of the instance, audited; the secret is in this answer only.
   * @throws {StepgateError} FORBIDDEN for scope `instance` or role `platform` asked by anyone but `platform`.
   */
  readonly create: (input: { readonly caller: Caller; readonly submission: KeySubmission }) => Promise<NewKeyView>;
  /** Revokes, audited; true also when it was revoked before. */
  readonly revoke: (input: { readonly caller: Caller; readonly keyId: string }) => Promise<true | undefined>;
}

// ── the process itself ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Health {
  readonly ready: () => Promise<ReadyView>;
  readonly jwks: () => JwksView;
  /** Prometheus text; no tenant in any label. */
  readonly metricsText: () => Promise<string>;
}

export interface GatewayPorts {
  readonly authenticator: Authenticator;
  readonly idempotency: IdempotencyStore;
  readonly runs: Runs;
  readonly steps: Steps;
  readonly decisions: Decisions;
  readonly approvals: Approvals;
  readonly records: Records;
  readonly artifacts: Artifacts;
  readonly audit: Audit;
  readonly tenants: Tenants;
  readonly tools: Tools;
  readonly secrets: Secrets;
  readonly executors: Executors;
  readonly budgets: Budgets;
  readonly billing: Billing;
  readonly retention: Retention;
  readonly queue: Queue;
  readonly deadLetters: DeadLetters;
  readonly sinks: Sinks;
  readonly keys: Keys;
  readonly health: Health;
}
