/**
 * Sinks as rows: what operators set, how much waits for each, what died. Every change is audited in its transaction.
 */
import type { EventType } from "../core/event.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Backlog, DeadLetterRow, SinkRow, SinkStore } from "../sinks/ports.ts";
import { jsonText } from "./json-rows.ts";
import type { Connection, TenantPool } from "./pool.ts";
import { type SealedColumns, sealedColumns, sealedText } from "./sealed-columns.ts";
import * as sql from "./statements/sinks.ts";
import { APPEND_AUDIT } from "./statements/tenants.ts";

/** Of a sink's backlog, dropped by one statement: each must end well before its timeout. */
const MAX_DROPPED = 5000;

export function makeSinkStore(pool: TenantPool): SinkStore {
  const read = async (tenantUid: TenantUid, name: string) =>
    (await pool.within(tenantUid).query<SinkColumns>(sql.READ_SINK, [tenantUid, name])).rows;
  const withBacklog = async (tenantUid: TenantUid, columns: readonly SinkColumns[]) => {
    const names = columns.map(({ name }) => name);
    const { rows } = await pool.within(tenantUid).query<BacklogColumns>(sql.COUNT_BACKLOG, [tenantUid, names]);
    const backlogs = new Map(rows.map((row) => [row.name, row]));
    return columns.map((row) => ({ ...sinkRow(row), ...backlogOf(backlogs.get(row.name)) }));
  };
  return {
    list: async (tenantUid, after, limit) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<SinkColumns>(sql.LIST_SINKS, [tenantUid, after ?? null, limit]);
      return withBacklog(tenantUid, rows);
    },
    get: async (tenantUid, name) => (await withBacklog(tenantUid, await read(tenantUid, name)))[0],
    find: async (tenantUid, name) => (await read(tenantUid, name)).map(sinkRow)[0],
    put: async ({ tenantUid, name, url, eventTypes, isPaused, secret, actor }) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<{ is_new: boolean }>(sql.PUT_SINK, [
          ...[tenantUid, name, url, eventTypes ?? null, isPaused],
          ...sealedColumns(secret),
          actor,
        ]);
      return { isNew: rows[0]?.is_new === true };
    },
    putSecret: ({ tenantUid, name, version, secret, actor }) =>
      change(pool, { tenantUid, actor, action: "sink.secret.rotate", resource: { name } }, async (connection) => {
        const values = [tenantUid, name, version, ...sealedColumns(secret)];
        return (await connection.query(sql.UPDATE_SINK_SECRET, values)).rowCount;
      }).then((changed) => changed > 0),
    remove: async ({ tenantUid, name, actor }) => {
      const own = pool.within(tenantUid);
      const drop = () => own.query<{ has_more: boolean }>(sql.DROP_BACKLOG, [tenantUid, name, actor, MAX_DROPPED]);
      while ((await drop()).rows[0]?.has_more === true);
      const { rows } = await own.query<{ is_removed: boolean }>(sql.REMOVE_SINK, [tenantUid, name, actor]);
      return rows[0]?.is_removed === true;
    },
    waiting: async ({ tenantUid, name, after, limit }) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<WaitingColumns>(sql.LIST_DELIVERIES, [tenantUid, name, after ?? null, limit]);
      return rows.map((row) => ({
        runUid: row.run_uid,
        doneSeq: row.done_seq,
        headSeq: row.head_seq,
        attempts: row.attempts,
        fault: row.last_fault ?? undefined,
        notBeforeMs: row.not_before_ms,
      }));
    },
    deadLetters: async ({ tenantUid, name, after, limit }) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<LetterColumns>(sql.LIST_SINK_DEAD_LETTERS, [
          ...[tenantUid, name, after?.runUid ?? null, after?.seq ?? null, limit],
        ]);
      return rows.map(letterRow);
    },
    redrive: ({ tenantUid, name, runUid, actor }) => {
      const resource = { name, ...(runUid === undefined ? {} : { run_id: runUid }) };
      return change(pool, { tenantUid, actor, action: "sink.redrive", resource }, async (connection) => {
        return (await connection.query(sql.REDRIVE_DEAD_LETTERS, [tenantUid, name, runUid ?? null])).rowCount;
      });
    },
  };
}

interface Change {
  readonly tenantUid: TenantUid;
  readonly actor: string;
  readonly action: string;
  readonly resource: JsonObject;
}

/** Audited where it changed something; returns how many rows. */
function change(
  pool: TenantPool,
  { tenantUid, actor, action, resource }: Change,
  write: (connection: Connection) => Promise<number>,
): Promise<number> {
  return pool.within(tenantUid).transaction(async (connection) => {
    const changed = await write(connection);
    if (changed > 0) await connection.query(APPEND_AUDIT, [tenantUid, actor, action, jsonText(resource)]);
    return changed;
  });
}

interface SinkColumns extends SealedColumns {
  readonly name: string;
  readonly url: string;
  readonly event_types: readonly EventType[] | null;
  readonly is_paused: boolean;
  readonly version: number;
  readonly created_at_ms: number;
}

function sinkRow(row: SinkColumns): SinkRow {
  return {
    name: row.name,
    url: row.url,
    eventTypes: row.event_types ?? undefined,
    isPaused: row.is_paused,
    version: row.version,
    secret: sealedText(row),
    createdAtMs: row.created_at_ms,
  };
}

interface BacklogColumns {
  readonly name: string;
  readonly waiting_runs: number;
  readonly dead_letters: number;
}

function backlogOf(row: BacklogColumns | undefined): Backlog {
  return { waitingRuns: row?.waiting_runs ?? 0, deadLetters: row?.dead_letters ?? 0 };
}

interface WaitingColumns {
  readonly run_uid: RunUid;
  readonly done_seq: number;
  readonly head_seq: number;
  readonly attempts: number;
  readonly last_fault: string | null;
  readonly not_before_ms: number;
}

interface LetterColumns {
  readonly run_uid: RunUid;
  readonly seq: number;
  readonly event_type: EventType;
  readonly attempts: number;
  readonly fault: string;
  readonly died_at_ms: number;
  readonly redrive_at_ms: number | null;
}

function letterRow(row: LetterColumns): DeadLetterRow {
  return {
    runUid: row.run_uid,
    seq: row.seq,
    eventType: row.event_type,
    attempts: row.attempts,
    fault: row.fault,
    diedAtMs: row.died_at_ms,
    redriveAtMs: row.redrive_at_ms ?? undefined,
  };
}
