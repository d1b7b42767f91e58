/**
 * Retention as statements: windows of history made ahead, dropped, and what goes by run, for the owner of the schema; and
 * what a tenant may see of it.
 *
 * Not here: when and in which order (scheduler/retention.ts), what may go (functions/retention.sql).
 */
import { StepgateError } from "../core/errors.ts";
import type { HistoryRange, HistoryStore, WindowVerdict } from "../scheduler/ports.ts";
import type { RetentionStore } from "../tenancy/ports.ts";
import type { Connection, TenantPool } from "./pool.ts";
import * as sql from "./statements/retention.ts";

interface RangeColumns {
  readonly name: string | null;
  readonly first_uid: string;
  readonly end_uid: string;
  readonly ends_at_ms: number | null;
  readonly is_dropping: boolean;
}

const VERDICTS: readonly WindowVerdict[] = ["nothing", "dropping", "by_run", "busy"];

/** Makes the store; `atMs` of every call is the moment it acts for, undefined: the database's own now. */
export function makeHistoryStore(pool: Connection): HistoryStore {
  const first = async <Row extends object>(text: string, values: Parameters<Connection["query"]>[1]): Promise<Row> => {
    const { rows } = await pool.query<Row>(text, values);
    const [row] = rows;
    if (row === undefined) throw new StepgateError("STORE_REFUSED", { reason: "no answer" });
    return row;
  };
  const count = async (text: string, values: Parameters<Connection["query"]>[1]): Promise<number | "busy"> => {
    const { count: found } = await first<{ readonly count: number }>(text, values);
    return found < 0 ? "busy" : found;
  };
  const range = ({ firstUid, endUid, endsAtMs }: HistoryRange) => [firstUid, endUid, endsAtMs ?? null] as const;
  return {
    planWindows: async ({ atMs, aheadDays, windowDays }) =>
      (await first<{ readonly planned: number }>(sql.PLAN_WINDOWS, [atMs ?? null, aheadDays, windowDays])).planned,
    missingPartitions: async () =>
      (await pool.query<{ relation: string; name: string }>(sql.MISSING_PARTITIONS, [])).rows,
    makePartition: async ({ relation, name }) =>
      (await first<{ readonly done: boolean }>(sql.MAKE_PARTITION, [relation, name])).done,
    dueRanges: async (atMs) =>
      (await pool.query<RangeColumns>(sql.DUE_RANGES, [atMs ?? null])).rows.map((row) => ({
        name: row.name ?? undefined,
        firstUid: row.first_uid,
        endUid: row.end_uid,
        endsAtMs: row.ends_at_ms ?? undefined,
      })),
    judgeWindow: async ({ atMs, name, maxKept }) => {
      const { verdict } = await first<{ readonly verdict: string }>(sql.JUDGE_WINDOW, [atMs ?? null, name, maxKept]);
      const known = VERDICTS.find((one) => one === verdict);
      if (known === undefined) throw new StepgateError("STORE_REFUSED", { reason: "unknown verdict" });
      return known;
    },
    retireRuns: ({ atMs, of, limit, hasHistory }) =>
      count(sql.RETIRE_RUNS, [atMs ?? null, ...range(of), limit, hasHistory]),
    retireDecisions: ({ atMs, of, limit }) => count(sql.RETIRE_DECISIONS, [atMs ?? null, ...range(of), limit]),
    retireLeftovers: ({ atMs, limit }) => count(sql.RETIRE_LEFTOVERS, [atMs ?? null, limit]),
    historyTables: async () =>
      (await pool.query<{ relation: string }>(sql.HISTORY_TABLES, [])).rows.map(({ relation }) => relation),
    dropPartition: async ({ atMs, relation, name }) =>
      (await first<{ readonly done: boolean }>(sql.DROP_PARTITION, [atMs ?? null, relation, name])).done,
    forgetWindow: async (name) => (await first<{ readonly done: boolean }>(sql.FORGET_WINDOW, [name])).done,
  };
}

interface WindowColumns {
  readonly name: string | null;
  readonly ends_at_ms: number | null;
  readonly runs: number;
  readonly expired: number;
  readonly unfinished: number;
  readonly linked: number;
  readonly unsealed: number;
  readonly undelivered: number;
  readonly retained: number;
  readonly first_due_at_ms: number | null;
  readonly last_due_at_ms: number | null;
}

interface SummaryColumns {
  readonly retention_days: number;
  readonly runs: number;
  readonly retired_at_ms: number | null;
}

/** What a tenant may see of its own. @throws {StepgateError} NOT_FOUND. */
export function makeRetentionStore(pool: TenantPool): RetentionStore {
  return {
    summary: async (tenantUid) => {
      const { rows } = await pool.within(tenantUid).query<SummaryColumns>(sql.READ_RETIRED, [tenantUid]);
      const [row] = rows;
      if (row === undefined) throw new StepgateError("NOT_FOUND", {});
      const { retention_days: retentionDays, runs: retiredRuns, retired_at_ms: retiredAtMs } = row;
      return { retentionDays, retiredRuns, retiredAtMs: retiredAtMs ?? undefined };
    },
    windows: async (tenantUid) =>
      (await pool.within(tenantUid).query<WindowColumns>(sql.SHOW_RETENTION, [tenantUid, null])).rows.map((row) => ({
        name: row.name ?? undefined,
        endsAtMs: row.ends_at_ms ?? undefined,
        runs: row.runs,
        due: row.expired,
        unfinished: row.unfinished,
        linked: row.linked,
        unsealed: row.unsealed,
        undelivered: row.undelivered,
        retained: row.retained,
        firstDueAtMs: row.first_due_at_ms ?? undefined,
        lastDueAtMs: row.last_due_at_ms ?? undefined,
      })),
  };
}
