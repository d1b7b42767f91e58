/**
 * The one PostgreSQL that all measurements of a run share: the embedded server, or the one STEPGATE_BENCH_DATABASE_URL names.
 *
 * In: nothing. Out: fresh databases, counters of the server, its processor time. Not here: what is measured.
 */
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbedded } from "../../../src/storage/embedded/embedded-server.ts";
import type { StoreLog } from "../../../src/storage/log.ts";
import { type DatabaseTarget, makePool, type Pool } from "../../../src/storage/pool.ts";

export interface BenchServer {
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Makes an empty database. */
  readonly create: (name: string) => Promise<BenchDatabase>;
  readonly stop: () => Promise<void>;
}

export interface BenchDatabase {
  readonly target: DatabaseTarget;
  readonly pool: Pool;
  readonly counters: () => Promise<Counters>;
  readonly drop: () => Promise<void>;
}

/** Everything counts from the start of the server or the database; differences are what matters. */
export interface Counters {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly transactions: number;
  readonly walBytes: number;
  /** Processor time of all server processes, in µs; undefined where it cannot be read (another machine, no /proc). */
  readonly cpuUs: number | undefined;
}

export const quietLog: StoreLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

const SHOWN = ["shared_buffers", "fsync", "synchronous_commit", "full_page_writes", "max_wal_size", "io_method"];
const LIMITS = { statementMs: 120_000, lockMs: 120_000, idleInTransactionMs: 120_000 };

export async function openServer(home: string): Promise<BenchServer> {
  const url = process.env["STEPGATE_BENCH_DATABASE_URL"];
  const embedded =
    url === undefined
      ? await startEmbedded({ home: join(home, "server"), log: quietLog, rootParents: [tmpdir(), "/var/lib"] })
      : undefined;
  const targetOf = (database: string): DatabaseTarget => {
    if (embedded !== undefined) return { connection: { ...embedded.connection, database } };
    const changed = new URL(url ?? "");
    changed.pathname = `/${database}`;
    return { url: changed.href };
  };
  const first: DatabaseTarget = embedded === undefined ? { url: url ?? "" } : { connection: embedded.connection };
  const admin = makePool({
    ...first,
    maxConnections: 2,
    applicationName: "stepgate bench",
    limits: LIMITS,
    log: quietLog,
  });
  const { rows } = await admin.query<{ name: string; value: string }>(
    "select name, current_setting(name) as value from unnest($1::text[]) as name where current_setting(name, true) is not null",
    [[...SHOWN, "server_version"]],
  );
  const settings = Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  return {
    version: settings["server_version"] ?? "",
    settings,
    create: async (name) => {
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`create database ${name}`);
      const target = targetOf(name);
      const pool = makePool({
        ...target,
        maxConnections: 4,
        applicationName: "stepgate bench",
        limits: LIMITS,
        log: quietLog,
      });
      return {
        target,
        pool,
        counters: () => readCounters(pool, embedded?.dataDirectory),
        drop: async () => {
          await pool.close();
          await admin.query(`drop database if exists ${name} with (force)`);
        },
      };
    },
    stop: async () => {
      await admin.close();
      await embedded?.stop();
    },
  };
}

async function readCounters(pool: Pool, dataDirectory: string | undefined): Promise<Counters> {
  const { rows } = await pool.query<Omit<Counters, "cpuUs">>(`
    select tup_inserted as inserted, tup_updated as updated, tup_deleted as deleted, xact_commit as transactions,
           (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as "walBytes"
      from pg_stat_database where datname = current_database()`);
  const [row] = rows;
  if (row === undefined) throw new TypeError("no counters");
  return { ...row, cpuUs: dataDirectory === undefined ? undefined : await serverCpuUs(dataDirectory) };
}

const TICK_US = 10_000;

/** User and system time of the postmaster, its children, and the children that have ended (proc(5), fields 14 to 17). */
async function serverCpuUs(dataDirectory: string): Promise<number | undefined> {
  try {
    const [postmaster] = (await readFile(join(dataDirectory, "postmaster.pid"), "utf8")).split("\n");
    let ticks = 0;
    for (const pid of await readdir("/proc")) {
      if (!/^[0-9]+$/.test(pid)) continue;
      const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      if (pid === postmaster) for (const at of [11, 12, 13, 14]) ticks += Number(fields[at] ?? 0);
      else if (fields[1] === postmaster) ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    }
    return ticks * TICK_US;
  } catch {
    return undefined;
  }
}
