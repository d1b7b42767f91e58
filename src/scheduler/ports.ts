/**
 * What the scheduler needs of the hot queue, in its own words. Time is the database's; every write carries the epoch.
 *
 * Not here: SQL (storage/), what happens to a claimed step (gate/).
 */
import type { Amount } from "../core/amount.ts";
import type { BlobId, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import type { ToolRef } from "../core/tool.ts";
import type { StoredBlob } from "../core/vault.ts";
import type { LeasedRun, LeasedStep } from "../gate/leased-step.ts";
import type { StepAddress } from "../gate/settlement.ts";

/** A claimed step with its payloads still sealed. */
export interface ClaimedStep
  extends Omit<LeasedStep, "spec" | "checkpoint" | "referenced" | "referencedRuns" | "hasReferences" | "run"> {
  readonly isAlone: boolean;
  readonly origin: StepId | undefined;
  /** Of its contract, as granted; undefined without one. */
  readonly queueTargetMs: number | undefined;
  /** The stored spec: everything but id and inputs. */
  readonly spec: JsonObject;
  /** The inputs, still sealed; undefined once they were erased. */
  readonly inputSealed: StoredBlob | undefined;
  readonly checkpointBlob: BlobId | undefined;
  readonly labelsBlob: BlobId | undefined;
  /** Written by runs/step-ref.ts. */
  readonly refs: readonly string[];
  readonly run: Omit<LeasedRun, "labels">;
  readonly nowMs: number;
}

/** An attempt whose worker is gone. */
export interface LostAttempt {
  readonly address: StepAddress;
  readonly workerId: string;
  readonly attempt: number;
  readonly lostAttempts: number;
  readonly reserved: Amount;
  readonly admissionRecord: RecordId;
  readonly jti: string;
  readonly startedAtMs: number;
  readonly type: string;
  readonly tool: ToolRef | undefined;
  readonly nowMs: number;
}

export interface WantedBlob {
  readonly tenantUid: TenantUid;
  readonly blobId: BlobId;
}

export interface WantedStep {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
}

export interface ReferredStep extends WantedStep {
  readonly inputBlob: BlobId;
  readonly outputBlob: BlobId | undefined;
}

/** Which steps of a tenant wait for a place, and how many of them may look again now. */
export interface Wake {
  readonly tenantUid: TenantUid;
  readonly reason: "backpressure" | "quota" | "concurrency_key";
  readonly of: string | undefined;
  readonly steps: number;
}

export interface TenantSteps {
  readonly tenantUid: TenantUid;
  readonly steps: number;
}

export interface Queue {
  /** Registers this worker, or extends the one lease under which it holds its steps; false once it has lapsed. */
  readonly extendLease: (leaseMs: number) => Promise<boolean>;
  /** Says which types this worker serves; a worker without a lease says nothing. */
  readonly sayTypes: (types: readonly string[]) => Promise<void>;
  /** Ends the lease at once; what was not started goes back to the queue. Resolves with how many that were. */
  readonly endLease: () => Promise<number>;
  /**
   * Whether a step of these types waits for this worker to have nothing else in hand: it is asked of one worker at a time,
   * until that one claims with empty hands.
   */
  readonly shouldEmpty: (types: readonly string[]) => Promise<boolean>;
  /** Gives up one step: claimed again after `delayMs`, or, if it was started, closed as lost. No effect once the lease is gone. */
  readonly abandon: (address: StepAddress, delayMs: number) => Promise<void>;
  /** Makes steps due that were put back, the first in their order; resolves with how many that were. A missed one is looked at in its time. */
  readonly wake: (wakes: readonly Wake[]) => Promise<number>;
  /**
   * Charges tenants for steps that were put back for want of a place: a turn that came to nothing costs several, so that a
   * crowd of such steps takes little of the turns of others that work of these types.
   */
  readonly chargePutBack: (types: readonly string[], putBack: readonly TenantSteps[]) => Promise<void>;
  /** Every step that this worker has leased or started, whether it knows so or not. */
  readonly findHeld: () => Promise<readonly StepAddress[]>;
  /** Leases up to `maxSteps` due steps; the fairest tenants first (spec 02). @throws STATE_CONFLICT when the lease lapsed. */
  readonly claim: (input: {
    readonly types: readonly string[];
    readonly maxSteps: number;
    /** Nothing is in hand: a step that was lost before may be given, and then nothing else; one worker at a time has one. */
    readonly isIdle: boolean;
    /** Looks behind any number of steps that wait for something; asked for now and then, since it takes long. */
    readonly isDeep: boolean;
  }) => Promise<readonly ClaimedStep[]>;
  /** Leases up to `maxSteps` queued steps past their deadline or their run's limit, of any type; they may only be refused. */
  readonly claimOverdue: (maxSteps: number) => Promise<readonly ClaimedStep[]>;
  readonly readBlobs: (wanted: readonly WantedBlob[]) => Promise<ReadonlyMap<BlobId, StoredBlob>>;
  readonly readReferred: (wanted: readonly WantedStep[]) => Promise<readonly ReferredStep[]>;
  /** Which of these runs were asked to stop. */
  readonly findCancelled: (
    runs: readonly { readonly tenantUid: TenantUid; readonly runUid: RunUid }[],
  ) => Promise<readonly RunUid[]>;
  readonly releaseLapsed: (limit: number) => Promise<number>;
  readonly findLost: (limit: number) => Promise<readonly LostAttempt[]>;
}

export interface Authorities {
  /** The tenant's authority at exactly this version, or a newer one. @throws {StepgateError} STORE_UNAVAILABLE. */
  readonly at: (tenantUid: TenantUid, version: number) => Promise<TenantAuthority>;
}

/** Wakes claim loops when steps may have become ready; a missed call costs the idle backoff. */
export interface WakeSignal {
  readonly onReady: (wake: () => void) => () => void;
  /** Tells the workers of this process now, and those of others soon. */
  readonly ready: () => void;
}

/** A stretch of history; without a name, what lies outside every window. */
export interface HistoryRange {
  readonly name: string | undefined;
  readonly firstUid: string;
  readonly endUid: string;
  readonly endsAtMs: number | undefined;
}

/**
 * `by_run`: so much of the window must stay that the rest goes run by run; `stuck`: the same of one whose runs went without
 * their rows already. `busy`: another process maintains.
 */
export type WindowVerdict = "nothing" | "dropping" | "by_run" | "stuck" | "busy";

/** Not done: more is left, others hold a lock on what is left, or another process maintains. */
export interface Removal {
  readonly removed: number;
  readonly isDone: boolean;
}

/** `later`: it must wait, or another process maintains. `locked`: others held the table for longer than may be waited. */
export type DropOutcome = "dropped" | "gone" | "later" | "locked";

type Moment = { readonly atMs: number | undefined };

/** Windows of history, as the owner of the schema maintains them; each call is one transaction. `atMs` undefined: now. */
export interface HistoryStore {
  readonly planWindows: (input: Moment & { readonly aheadDays: number; readonly windowDays: number }) => Promise<void>;
  readonly missingPartitions: () => Promise<readonly { readonly relation: string; readonly name: string }[]>;
  /** `there` too while another process maintains. */
  readonly makePartition: (input: {
    readonly relation: string;
    readonly name: string;
  }) => Promise<"made" | "there" | "locked">;
  readonly dueRanges: (atMs: number | undefined) => Promise<readonly HistoryRange[]>;
  readonly judgeWindow: (input: Moment & { readonly name: string; readonly maxKept: number }) => Promise<WindowVerdict>;
  readonly retireRuns: (
    input: Moment & { readonly of: HistoryRange; readonly limit: number; readonly hasHistory: boolean },
  ) => Promise<Removal>;
  readonly retireDecisions: (input: Moment & { readonly of: HistoryRange; readonly limit: number }) => Promise<Removal>;
  readonly retireOrphans: (input: { readonly name: string; readonly limit: number }) => Promise<Removal>;
  /** Of so many runs; everything else of them stays. */
  readonly eraseInputs: (input: Moment & { readonly limit: number }) => Promise<Removal>;
  readonly retireLeftovers: (input: Moment & { readonly limit: number }) => Promise<Removal>;
  /** In the order in which they are dropped. */
  readonly historyTables: () => Promise<readonly string[]>;
  /** Moves at most `maxKept` rows that must stay. */
  readonly dropPartition: (
    input: Moment & { readonly relation: string; readonly name: string; readonly maxKept: number },
  ) => Promise<DropOutcome>;
  readonly forgetWindow: (name: string) => Promise<void>;
}
