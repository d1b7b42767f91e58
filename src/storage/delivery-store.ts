/**
 * Deliveries as a publisher works on them: found, leased, moved on; over all tenants, as the worker's role.
 */
import type { EventType } from "../core/event.ts";
import type { LeaseEpoch, RunUid, TenantUid } from "../core/ids.ts";
import type { RunStore } from "../runs/ports.ts";
import { readApprovedHosts } from "../sinks/approved-hosts.ts";
import type { ActiveSink, DeliveryStore } from "../sinks/ports.ts";
import { jsonObject } from "./json-rows.ts";
import { INSTANCE_SCOPE, type Pool } from "./pool.ts";
import { type SealedColumns, sealedText } from "./sealed-columns.ts";
import * as sql from "./statements/sinks.ts";

export function makeDeliveryStore(pool: Pool, runs: Pick<RunStore, "events">): DeliveryStore {
  return {
    activeSinks: async () => (await pool.query<ActiveColumns>(sql.READ_ACTIVE_SINKS, [])).rows.map(activeSink),
    find: async (walks, maxScanned) => {
      const { rows } = await pool.query<{ walked_to: RunUid | null; due: readonly RunUid[] }>(sql.FIND_DELIVERIES, [
        walks.map(({ tenantUid }) => tenantUid),
        walks.map(({ sink }) => sink),
        walks.map(({ after }) => after ?? INSTANCE_SCOPE),
        maxScanned,
      ]);
      return rows.map((row) => ({ due: row.due, walkedTo: row.walked_to ?? undefined }));
    },
    claim: async (keys, leaseMs) => {
      const { rows } = await pool.query<ClaimColumns>(sql.CLAIM_DELIVERIES, [
        keys.map(({ tenantUid }) => tenantUid),
        keys.map(({ sink }) => sink),
        keys.map(({ runUid }) => runUid),
        leaseMs,
      ]);
      return rows.map((row) => ({
        ...keyOf(row),
        doneSeq: row.done_seq,
        attempts: row.attempts,
        leaseEpoch: row.lease_epoch,
      }));
    },
    events: async ({ tenantUid, runUid }, afterSeq, limit) => runs.events({ tenantUid, runUid, afterSeq, limit }),
    move: async (moves, leaseMs) => {
      const { rows } = await pool.query<{ held: readonly boolean[] }>(sql.MOVE_DELIVERIES, [
        moves.map(({ tenantUid }) => tenantUid),
        moves.map(({ sink }) => sink),
        moves.map(({ runUid }) => runUid),
        moves.map(({ leaseEpoch }) => leaseEpoch),
        moves.map(({ doneSeq }) => doneSeq),
        moves.map(({ attempts }) => attempts),
        moves.map(({ fault }) => fault ?? null),
        moves.map(({ delayMs }) => delayMs ?? null),
        moves.map(({ isReleased }) => isReleased),
        moves.map(({ dead }) => dead?.seq ?? null),
        moves.map(({ dead }) => dead?.type ?? null),
        moves.map(({ dead }) => dead?.body ?? null),
        moves.map(({ dead }) => dead?.attempts ?? null),
        leaseMs,
      ]);
      return rows[0]?.held ?? moves.map(() => false);
    },
    claimLetters: async (wanted, leaseMs) => {
      const { rows } = await pool.query<LetterColumns>(sql.CLAIM_REDRIVES, [
        wanted.map(({ tenantUid }) => tenantUid),
        wanted.map(({ sink }) => sink),
        wanted.map(({ limit }) => limit),
        leaseMs,
      ]);
      return rows.map((row) => ({
        ...keyOf(row),
        seq: row.seq,
        eventType: row.event_type,
        body: row.body,
        attempts: row.attempts,
        leaseEpoch: row.lease_epoch,
      }));
    },
    endLetter: async ({ tenantUid, sink, runUid, seq, leaseEpoch }, { fault, delayMs }) => {
      await pool.query(sql.END_REDRIVE, [tenantUid, sink, runUid, seq, leaseEpoch, fault ?? null, delayMs ?? null]);
    },
  };
}

interface KeyColumns {
  readonly tenant_uid: TenantUid;
  readonly sink: string;
  readonly run_uid: RunUid;
}

function keyOf({ tenant_uid: tenantUid, sink, run_uid: runUid }: KeyColumns) {
  return { tenantUid, sink, runUid };
}

interface ClaimColumns extends KeyColumns {
  readonly done_seq: number;
  readonly attempts: number;
  readonly lease_epoch: LeaseEpoch;
}

interface LetterColumns extends KeyColumns {
  readonly seq: number;
  readonly event_type: EventType;
  readonly body: string;
  readonly attempts: number;
  readonly lease_epoch: LeaseEpoch;
}

interface ActiveColumns extends SealedColumns {
  readonly tenant_uid: TenantUid;
  readonly name: string;
  readonly url: string;
  readonly event_types: readonly EventType[] | null;
  readonly version: number;
  readonly settings: string;
}

function activeSink(row: ActiveColumns): ActiveSink {
  return {
    tenantUid: row.tenant_uid,
    name: row.name,
    url: row.url,
    eventTypes: row.event_types ?? undefined,
    version: row.version,
    secret: sealedText(row),
    approved: readApprovedHosts(jsonObject(row.settings)),
  };
}
