/**
 * Rows of runs as they stand in the tables of history, planted at any time, and what retention leaves of them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { makeMaintain, type RetentionDeps } from "../../src/scheduler/retention.ts";
import type { Connection, Pool } from "../../src/storage/pool.ts";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";

export const DAY_MS = 86_400_000;
/** The tenant of every planted run: what has ended is kept 30 days. */
export const TENANT = "01990000-0000-7000-8000-000000000001";

let planted = 0;

/** A new UUIDv7 of a moment; `days` from now. */
export function uidIn(days: number): string {
  planted += 1;
  const time = (Date.now() + days * DAY_MS).toString(16).split(".")[0]?.padStart(12, "0") ?? "";
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${planted.toString(16).padStart(12, "0")}`;
}

/** Maintains as of so many days from now. */
export function maintainer(connection: Connection, more: Partial<RetentionDeps> = {}) {
  const maintain = makeMaintain({
    store: makeHistoryStore(connection),
    windowDays: 7,
    maxMoved: 100,
    isDropping: true,
    isStopping: () => false,
    clock: systemClock,
    pause: (ms) => sleep(ms),
    onProgress: () => undefined,
    ...more,
  });
  return (days: number) => maintain(Date.now() + days * DAY_MS);
}

export async function plantTenant(pool: Pool): Promise<void> {
  await pool.query(
    `with tenant as (
       insert into stepgate.tenants (tenant_uid, tenant_id, settings) values ($1, 'default', '{"retention_days": 30}') returning *)
     insert into stepgate.manifests (tenant_uid, manifest_id, body) select tenant_uid, 'm', '{}' from tenant`,
    [TENANT],
  );
}

export interface PlantedRun {
  readonly runUid: string;
  /** Undefined: it goes on. */
  readonly endedInDays: number | undefined;
  readonly events?: number;
  readonly blobs?: readonly string[];
  /** The batch that holds the digest of its seal; undefined: one of its own, made with it. */
  readonly batchId?: string;
}

/** Plants a run with one step, its log, payloads and seal, as it stands long after it was submitted with its first event. */
export async function plantRun(pool: Pool, run: PlantedRun): Promise<void> {
  const { runUid, endedInDays, events = 2, blobs = [], batchId = runUid } = run;
  const endedMs = endedInDays === undefined ? null : Date.now() + endedInDays * DAY_MS;
  await pool.transaction(async ({ query }) => {
    await query(
      `insert into stepgate.runs (tenant_uid, run_uid, submission_digest, kind, op_id, manifest_id, caller_key_id, caller_owner,
                                  caller_roles, submitted_at, ended_at)
       values ($1, $2, 'd', 'dag', 'o', 'm', 'k', 'o', '{admin}', now() - interval '1 day',
               timestamptz 'epoch' + $3::bigint * interval '1 millisecond')`,
      [TENANT, runUid, endedMs],
    );
    await query(
      "insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, max_parallel) values ($1, $2, 'pending', 0, 1)",
      [TENANT, runUid],
    );
    await query(
      `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies,
                                   total_dependencies) values ($1, $2, 'a', 0, 't', 'queued', '{}', $2, 0, 0)`,
      [TENANT, runUid],
    );
    for (const status of ["running", ...(endedMs === null ? [] : ["succeeded"])])
      await query("update stepgate.run_heads set status = $3, head_seq = $4 where (tenant_uid, run_uid) = ($1, $2)", [
        TENANT,
        runUid,
        status,
        events,
      ]);
    await query(
      `insert into stepgate.run_events (tenant_uid, run_uid, seq, type, data)
       select $1, $2, n, 'run_submitted', '{}' from generate_series(1, $3::integer) n`,
      [TENANT, runUid, events],
    );
    await query(
      `insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
       select $1, b, $2, 'a', 'input', 'k', 'w', 's' from unnest($3::uuid[]) b`,
      [TENANT, runUid, blobs],
    );
    await query(
      `insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
       values ($1, 'k', 1, decode(repeat('00', 32), 'hex'), '{}', 's') on conflict do nothing`,
      [batchId],
    );
    await query(
      `insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, kind, statement, batch_id, leaf_index)
       values ($1, $2::uuid::text, $2::uuid, $2::uuid, 'seal', '{}', $3, 0)`,
      [TENANT, runUid, batchId],
    );
  });
}

/** In which partitions rows hold a uuid, without repetition. */
export async function placesOf(pool: Pool, uid: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ place: string }>(
    ["run_events", "blobs", "records", "record_batches"]
      .map(
        (table) => `select distinct tableoid::regclass::text as place from stepgate.${table} x where x::text like $1`,
      )
      .join(" union all "),
    [`%${uid}%`],
  );
  return rows.map(({ place }) => place.replace("stepgate.", "")).sort();
}

/** Waits until a call of this function waits for a lock. */
export async function untilBlocked(pool: Pool, name: string): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const { rows } = await pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
          and wait_event_type = 'Lock' and query like '%' || $1 || '%'`,
      [name],
    );
    if (rows.length > 0) return;
    if (performance.now() > endMs) throw new TypeError(`${name} waits for nobody`);
    await sleep(10);
  }
}
