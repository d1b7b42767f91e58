/**
 * What the sinks room needs: sinks and their backlog as people set and see them, deliveries as a publisher claims them.
 *
 * Not here: SQL (storage/), the transport (executors/http/), the keys that seal secrets (main).
 */
import type { EventType } from "../core/event.ts";
import type { LeaseEpoch, RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SealedText } from "../core/vault.ts";
import type { ApprovedHosts } from "./approved-hosts.ts";

// ── as people set and see them ───────────────────────────────────────────────────────────────────────────────────────

export interface SinkRow {
  readonly name: string;
  readonly url: string;
  /** Undefined: every type. */
  readonly eventTypes: readonly EventType[] | undefined;
  readonly isPaused: boolean;
  readonly version: number;
  readonly secret: SealedText;
  readonly createdAtMs: number;
}

export interface Backlog {
  /** Runs with events that the sink has not had. */
  readonly waitingRuns: number;
  readonly deadLetters: number;
}

export interface WaitingRow {
  readonly runUid: RunUid;
  readonly doneSeq: number;
  readonly headSeq: number;
  readonly attempts: number;
  readonly fault: string | undefined;
  readonly notBeforeMs: number;
}

export interface DeadLetterRow {
  readonly runUid: RunUid;
  readonly seq: number;
  readonly eventType: EventType;
  readonly attempts: number;
  readonly fault: string;
  readonly diedAtMs: number;
  readonly redriveAtMs: number | undefined;
}

interface OfSink {
  readonly tenantUid: TenantUid;
  readonly name: string;
}

interface Acting extends OfSink {
  readonly actor: string;
}

export interface SinkStore {
  readonly list: (
    tenantUid: TenantUid,
    after: string | undefined,
    limit: number,
  ) => Promise<readonly (SinkRow & Backlog)[]>;
  readonly get: (tenantUid: TenantUid, name: string) => Promise<(SinkRow & Backlog) | undefined>;
  /** The sink alone: counting its backlog takes as long as that is. */
  readonly find: (tenantUid: TenantUid, name: string) => Promise<SinkRow | undefined>;
  /** Audited; `secret` is kept only where there is no sink of this name yet. */
  readonly put: (
    input: Acting & Pick<SinkRow, "url" | "eventTypes" | "isPaused" | "secret">,
  ) => Promise<{ readonly isNew: boolean }>;
  /** Audited; false where there is no such sink of this version. */
  readonly putSecret: (input: Acting & Pick<SinkRow, "secret" | "version">) => Promise<boolean>;
  /** Audited, with everything that waits for it; false where there is no such sink. */
  readonly remove: (input: Acting) => Promise<boolean>;
  readonly waiting: (
    input: OfSink & { readonly after: RunUid | undefined; readonly limit: number },
  ) => Promise<readonly WaitingRow[]>;
  readonly deadLetters: (
    input: OfSink & {
      readonly after: { readonly runUid: RunUid; readonly seq: number } | undefined;
      readonly limit: number;
    },
  ) => Promise<readonly DeadLetterRow[]>;
  /** Audited; returns how many are sent again. */
  readonly redrive: (input: Acting & { readonly runUid: RunUid | undefined }) => Promise<number>;
}

// ── as a publisher works ─────────────────────────────────────────────────────────────────────────────────────────────

/** A sink that events go to now. */
export interface ActiveSink {
  readonly tenantUid: TenantUid;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: readonly EventType[] | undefined;
  readonly version: number;
  readonly secret: SealedText;
  /** As the platform has set them now. */
  readonly approved: ApprovedHosts;
}

/** One run of one sink. */
export interface DeliveryKey {
  readonly tenantUid: TenantUid;
  readonly sink: string;
  readonly runUid: RunUid;
}

export interface ClaimedDelivery extends DeliveryKey {
  readonly doneSeq: number;
  readonly attempts: number;
  readonly leaseEpoch: LeaseEpoch;
}

export interface OutboxEvent {
  readonly seq: number;
  readonly type: EventType;
  readonly stepId: string | undefined;
  readonly atMs: number;
  readonly data: JsonObject;
}

/** Where a leased delivery stands now; written in one statement. */
export interface DeliveryMove extends DeliveryKey {
  readonly leaseEpoch: LeaseEpoch;
  readonly doneSeq: number;
  readonly attempts: number;
  readonly fault: string | undefined;
  /** When the next try is due, from now; undefined leaves it. */
  readonly delayMs: number | undefined;
  /** Gives the lease back; otherwise it begins anew. */
  readonly isReleased: boolean;
  /** An event that is given up, with `fault` as the reason. */
  readonly dead:
    | { readonly seq: number; readonly type: EventType; readonly body: string; readonly attempts: number }
    | undefined;
}

export interface ClaimedLetter extends DeliveryKey {
  readonly seq: number;
  readonly eventType: EventType;
  readonly body: string;
  readonly attempts: number;
  readonly leaseEpoch: LeaseEpoch;
}

export interface DeliveryStore {
  readonly activeSinks: () => Promise<readonly ActiveSink[]>;
  /** For each walk: runs that have news, and where the walk goes on; undefined: from the beginning. */
  readonly find: (
    walks: readonly { readonly tenantUid: TenantUid; readonly sink: string; readonly after: RunUid | undefined }[],
    maxScanned: number,
  ) => Promise<readonly { readonly due: readonly RunUid[]; readonly walkedTo: RunUid | undefined }[]>;
  readonly claim: (keys: readonly DeliveryKey[], leaseMs: number) => Promise<readonly ClaimedDelivery[]>;
  /** Up to `limit` events after `afterSeq`, in order. */
  readonly events: (
    key: Pick<DeliveryKey, "tenantUid" | "runUid">,
    afterSeq: number,
    limit: number,
  ) => Promise<readonly OutboxEvent[]>;
  /** Whether each lease still stood; where it did not, nothing was written. */
  readonly move: (moves: readonly DeliveryMove[], leaseMs: number) => Promise<readonly boolean[]>;
  readonly claimLetters: (
    wanted: readonly { readonly tenantUid: TenantUid; readonly sink: string; readonly limit: number }[],
    leaseMs: number,
  ) => Promise<readonly ClaimedLetter[]>;
  /** Without a fault the letter is gone; with one and no delay it rests again. */
  readonly endLetter: (
    letter: ClaimedLetter,
    end: { readonly fault: string | undefined; readonly delayMs: number | undefined },
  ) => Promise<void>;
}
