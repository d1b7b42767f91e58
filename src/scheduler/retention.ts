/**
 * Retention: windows of history are made ahead of time, and what tenants no longer keep is dropped with its window.
 *
 * In: the store. Out: what was done. Every call is a transaction of its own and leaves a state to go on from, so a kill
 * loses nothing; while another process maintains, this one does nothing. Not here: what may go and why
 * (storage/functions/retention.sql), how often (main-retention.ts).
 */
import { isStepgateError } from "../core/errors.ts";
import type { HistoryRange, HistoryStore } from "./ports.ts";

export interface RetentionDeps {
  readonly store: HistoryStore;
  /** How much time one window takes in. */
  readonly windowDays: number;
  /** Events that a window may hold of runs that must stay, which are moved while its tables are locked. */
  readonly maxMoved: number;
  /** False: windows are made, and nothing goes. */
  readonly isDropping: boolean;
  /** Asked between transactions: what is left is done another time. */
  readonly isStopping: () => boolean;
  /** After each transaction that removed something. */
  readonly onProgress: (progress: RetentionReport) => void;
}

export interface RetentionReport {
  readonly made: number;
  readonly runs: number;
  readonly decisions: number;
  readonly leftovers: number;
  readonly dropped: number;
}

export type Maintain = (atMs: number | undefined) => Promise<RetentionReport>;

/** Windows that are ready before the first row of them is written. */
const WINDOWS_AHEAD = 1;
/** Runs whose rows one transaction deletes, and decisions. */
const RUNS_AT_ONCE = 200;
const ROWS_AT_ONCE = 5000;
/** A lock that was not free in time: others go first, and the next round tries again. */
const LOCK_TRIES = 20;

/**
 * Makes the act: once round, until nothing is due at `atMs` (undefined: now by the database's clock).
 *
 * @throws {StepgateError} (the act) STORE_REFUSED where the user does not own the schema, STORE_UNAVAILABLE …
 */
export function makeMaintain(deps: RetentionDeps): Maintain {
  return async (atMs) => {
    const report = { made: 0, runs: 0, decisions: 0, leftovers: 0, dropped: 0 };
    report.made = await makeWindows(deps, atMs);
    if (!deps.isDropping) return report;
    for (const of of await deps.store.dueRanges(atMs)) {
      if (deps.isStopping()) return report;
      await clearRange(deps, { atMs, of }, report);
    }
    report.leftovers = await repeat(deps, ROWS_AT_ONCE, (limit) => deps.store.retireLeftovers({ atMs, limit }));
    return report;
  };
}

async function makeWindows(
  { store, windowDays }: Pick<RetentionDeps, "store" | "windowDays">,
  atMs: number | undefined,
): Promise<number> {
  await store.planWindows({ atMs, aheadDays: windowDays * WINDOWS_AHEAD, windowDays });
  let made = 0;
  for (const missing of await store.missingPartitions()) {
    if (await whenFree(() => store.makePartition(missing))) made += 1;
  }
  return made;
}

interface Place {
  readonly atMs: number | undefined;
  readonly of: HistoryRange;
}

type Counts = { -readonly [Name in keyof RetentionReport]: RetentionReport[Name] };

async function clearRange(deps: RetentionDeps, { atMs, of }: Place, report: Counts): Promise<void> {
  const { store, onProgress, maxMoved } = deps;
  const { name } = of;
  const verdict = name === undefined ? "by_run" : await store.judgeWindow({ atMs, name, maxKept: maxMoved });
  if (verdict === "nothing" || verdict === "busy") return;
  const hasHistory = verdict === "by_run";
  report.runs += await repeat(deps, RUNS_AT_ONCE, async (limit) => {
    const count = await store.retireRuns({ atMs, of, limit, hasHistory });
    if (count !== "busy" && count > 0) onProgress({ ...report, runs: report.runs + count });
    return count;
  });
  if (hasHistory || name === undefined) {
    report.decisions += await repeat(deps, ROWS_AT_ONCE, (limit) => store.retireDecisions({ atMs, of, limit }));
    return;
  }
  for (const relation of await store.historyTables()) {
    if (deps.isStopping()) return;
    if (!(await whenFree(() => store.dropPartition({ atMs, relation, name })))) continue;
    report.dropped += 1;
    onProgress(report);
  }
  await store.forgetWindow(name);
}

/** Until a call finds less than its limit, or another process maintains. */
async function repeat(
  { isStopping }: Pick<RetentionDeps, "isStopping">,
  limit: number,
  act: (limit: number) => Promise<number | "busy">,
): Promise<number> {
  for (let total = 0; ; ) {
    const count = await act(limit);
    if (count === "busy") return total;
    total += count;
    if (count < limit || isStopping()) return total;
  }
}

/** Tries again while others hold the lock. @throws {StepgateError} STORE_BUSY when that did not end. */
async function whenFree(act: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_BUSY") || tries >= LOCK_TRIES) throw caught;
    }
  }
}
