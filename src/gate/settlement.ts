/**
 * What a step writes when it starts and when it ends: two values, each handed to one transaction.
 *
 * In: built by the gate. Out: to the store, which writes it whole or not at all. Not here: SQL (storage/).
 */
import type { Amount, AmountUnit } from "../core/amount.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { EventType } from "../core/event.ts";
import type { BlobId, LeaseEpoch, RecordId, RunUid, StepId, TenantUid, WorkerId } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { SealedBlob } from "../core/vault.ts";
import type { DecisionArtifact } from "../evidence/decision-artifact.ts";
import type { UsageSource } from "../evidence/outcome.ts";
import type { EvidenceRecord } from "../evidence/statement.ts";
import type { Breakpoint, DeferReason } from "./context.ts";

export interface StepAddress {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly leaseEpoch: LeaseEpoch;
}

export interface EvaluationRow {
  readonly phase: "before" | "after";
  readonly recordId: RecordId;
  readonly body: JsonValue;
  readonly detailsBlob: BlobId | undefined;
  readonly inputBlob: BlobId | undefined;
}

export interface Redaction {
  readonly oldBlob: BlobId;
  readonly newBlob: BlobId;
  readonly event: JsonObject;
}

export interface Admission {
  readonly address: StepAddress;
  readonly authorityVersion: number;
  readonly callerKeyId: string;
  readonly request: Amount;
  /** The units in which it may spend: where it asks for none of one, it passes no limit on it (spec 03). */
  readonly meters: readonly AmountUnit[];
  readonly attempt: number;
  readonly record: EvidenceRecord;
  readonly jti: string;
  readonly started: JsonObject;
  readonly evaluations: EvaluationRow;
  readonly blobs: readonly SealedBlob[];
  readonly redaction: Redaction | undefined;
  readonly approvalId: string | undefined;
  /** How long packs want the run to be kept; 0: as its tenant keeps runs. */
  readonly retainDays: number;
}

interface SettlementBase {
  readonly address: StepAddress;
  /** As of an admission; what it asked for already need not be asked again. */
  readonly retainDays: number;
  readonly events: readonly { readonly type: EventType; readonly data: JsonObject }[];
  readonly records: readonly EvidenceRecord[];
  readonly artifact: DecisionArtifact | undefined;
  readonly evaluations: EvaluationRow | undefined;
  readonly blobs: readonly SealedBlob[];
  readonly redaction: Redaction | undefined;
  readonly audit: { readonly actor: string; readonly action: string; readonly resource: JsonObject } | undefined;
}

export interface AttemptEnd {
  readonly attempt: number;
  readonly outcomeRecord: RecordId;
  readonly outputBlob: BlobId | undefined;
  readonly outputDigest: string | undefined;
  readonly errorBlob: BlobId | undefined;
  readonly checkpointBlob: BlobId | undefined;
  readonly actual: Amount;
  readonly usageSource: UsageSource;
  readonly provider: string | undefined;
  readonly providerVersion: string | undefined;
  readonly isolation: IsolationLevel | undefined;
  readonly toolEvents: number;
  readonly isLost: boolean;
}

export type Settlement = SettlementBase &
  (
    | { readonly kind: "succeeded"; readonly end: AttemptEnd }
    | {
        readonly kind: "failed" | "cancelled";
        readonly end: AttemptEnd;
        readonly errorKind: ErrorKind;
        readonly reasons: readonly string[];
        readonly reapedFrom?: WorkerId;
      }
    | {
        readonly kind: "retry";
        readonly end: AttemptEnd;
        readonly errorKind: ErrorKind;
        readonly notBeforeMs: number;
        readonly reapedFrom?: WorkerId;
      }
    | { readonly kind: "refused"; readonly errorKind: ErrorKind; readonly reasons: readonly string[] }
    | {
        readonly kind: "held";
        readonly approval: {
          readonly approvalId: string;
          readonly holdRecord: RecordId;
          /** Keyed, for equality inside only. */
          readonly shownDigest: string;
          readonly shownBlob: BlobId;
          readonly role: string;
          readonly expiresAtMs: number;
        };
      }
    | { readonly kind: "paused"; readonly breakpoint: Breakpoint; readonly event: JsonObject }
    | {
        readonly kind: "deferred";
        readonly delayMs: number;
        readonly reason: DeferReason | undefined;
        readonly of: string | undefined;
      }
  );
