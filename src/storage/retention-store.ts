/**
 * Retention as statements: windows of history made ahead, dropped, and what goes by run, for the owner of the schema; and
 * what a tenant may see of it.
 *
 * Not here: when and in which order (scheduler/retention.ts), what may go (functions/retention.sql).
 */
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { DropOutcome, HistoryRange, HistoryStore, Removal, WindowVerdict } from "../scheduler/ports.ts";
import type { RetentionStore } from "../tenancy/ports.ts";
import type { Connection, TenantPool } from "./pool.ts";
import * as sql from "./statements/retention.ts";

interface RangeColumns {
  readonly name: string | null;
  readonly first_uid: string;
  readonly end_uid: string;
  readonly ends_at_ms: number | null;
}

const VERDICTS: readonly WindowVerdict[] = ["nothing", "dropping", "by_run", "stuck", "busy"];
const OUTCOMES: readonly DropOutcome[] = ["dropped", "gone", "later"];

/** SQLSTATE of a lock that was not free in time, and of one that was given up since its holder waited for another of ours. */
const LOCK_STATES: ReadonlySet<unknown> = new Set(["55P03", "40P01"]);

/** Makes the store; `atMs` of every call is the moment it acts for, undefined: the database's own now. */
export function makeHistoryStore(pool: Connection): HistoryStore {
  const first = async <Row extends object>(text: string, values: Parameters<Connection["query"]>[1]): Promise<Row> => {
    const { rows } = await pool.query<Row>(text, values);
    const [row] = rows;
    if (row === undefined) throw new StepgateError("STORE_REFUSED", { reason: "no answer" });
    return row;
  };
  const remove = async (text: string, values: Parameters<Connection["query"]>[1]): Promise<Removal> => {
    const { removed, is_done: isDone } = await first<{ readonly removed: number; readonly is_done: boolean }>(
      text,
      values,
    );
    return { removed, isDone };
  };
  const range = ({ firstUid, endUid, endsAtMs }: HistoryRange) => [firstUid, endUid, endsAtMs ?? null] as const;
  return {
    planWindows: async ({ atMs, aheadDays, windowDays }) => {
      await pool.query(sql.PLAN_WINDOWS, [atMs ?? null, aheadDays, windowDays]);
    },
    missingPartitions: async () =>
      (await pool.query<{ relation: string; name: string }>(sql.MISSING_PARTITIONS, [])).rows,
    makePartition: ({ relation, name }) =>
      unlessLocked(async () => {
        const { is_made: isMade } = await first<{ readonly is_made: boolean }>(sql.MAKE_PARTITION, [relation, name]);
        return isMade ? "made" : "there";
      }),
    dueRanges: async (atMs) =>
      (await pool.query<RangeColumns>(sql.DUE_RANGES, [atMs ?? null])).rows.map((row) => ({
        name: row.name ?? undefined,
        firstUid: row.first_uid,
        endUid: row.end_uid,
        endsAtMs: row.ends_at_ms ?? undefined,
      })),
    judgeWindow: async ({ atMs, name, maxKept }) => {
      const { verdict } = await first<{ readonly verdict: string }>(sql.JUDGE_WINDOW, [atMs ?? null, name, maxKept]);
      return oneOf(VERDICTS, verdict);
    },
    retireRuns: ({ atMs, of, limit, hasHistory }) =>
      remove(sql.RETIRE_RUNS, [atMs ?? null, ...range(of), limit, hasHistory]),
    retireDecisions: ({ atMs, of, limit }) => remove(sql.RETIRE_DECISIONS, [atMs ?? null, ...range(of), limit]),
    retireOrphans: ({ name, limit }) => remove(sql.RETIRE_ORPHANS, [name, limit]),
    eraseInputs: ({ atMs, limit }) => remove(sql.ERASE_INPUTS, [atMs ?? null, limit]),
    retireLeftovers: ({ atMs, limit }) => remove(sql.RETIRE_LEFTOVERS, [atMs ?? null, limit]),
    historyTables: async () =>
      (await pool.query<{ relation: string }>(sql.HISTORY_TABLES, [])).rows.map(({ relation }) => relation),
    dropPartition: ({ atMs, relation, name, maxKept }) =>
      unlessLocked(async () => {
        const values = [atMs ?? null, relation, name, maxKept];
        const { outcome } = await first<{ readonly outcome: string }>(sql.DROP_PARTITION, values);
        return oneOf(OUTCOMES, outcome);
      }),
    forgetWindow: async (name) => {
      await pool.query(sql.FORGET_WINDOW, [name]);
    },
  };
}

/** A statement that was cancelled is no such case: it may be so long that it never ends in time. */
async function unlessLocked<Outcome>(act: () => Promise<Outcome>): Promise<Outcome | "locked"> {
  try {
    return await act();
  } catch (caught) {
    if (isStepgateError(caught, "STORE_BUSY") && LOCK_STATES.has(caught.detail["sqlState"])) return "locked";
    throw caught;
  }
}

function oneOf<Word extends string>(words: readonly Word[], found: string): Word {
  const known = words.find((word) => word === found);
  if (known === undefined) throw new StepgateError("STORE_REFUSED", { reason: "an unknown word" });
  return known;
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
  readonly decision_input_days: number;
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
      return {
        retentionDays: row.retention_days,
        decisionInputDays: row.decision_input_days,
        retiredRuns: row.runs,
        retiredAtMs: row.retired_at_ms ?? undefined,
      };
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
