/**
 * Retention: windows of history are made ahead of time, and what tenants no longer keep is dropped with its window.
 *
 * In: the store. Out: what was done. Every call is a transaction of its own and leaves a state to go on from, so a kill
 * loses nothing; while another process maintains, this one does nothing. Not here: what may go and why
 * (storage/functions/retention.sql), how often (main-retention.ts).
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import type { HistoryRange, HistoryStore, Removal } from "./ports.ts";

export interface RetentionDeps {
  readonly store: HistoryStore;
  /** How much time one window takes in. */
  readonly windowDays: number;
  /** Rows that a window may hold in a table of what must stay, which are moved while the table is locked. */
  readonly maxMoved: number;
  /** False: windows are made, and nothing goes. */
  readonly isDropping: boolean;
  /** Asked between transactions: what is left is done another time. */
  readonly isStopping: () => boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Waits; ends early when this process stops. */
  readonly pause: (ms: number) => Promise<void>;
  /** After each transaction that removed something; what this round has done until then. */
  readonly onProgress: (progress: RetentionReport) => void;
}

export interface RetentionReport {
  readonly made: number;
  readonly runs: number;
  readonly decisions: number;
  /** Runs whose decision inputs were erased. */
  readonly inputs: number;
  readonly leftovers: number;
  readonly dropped: number;
}

export type Maintain = (atMs: number | undefined) => Promise<RetentionReport>;

/** Windows that are ready before the first row of them is written. */
const WINDOWS_AHEAD = 1;
/** Runs whose rows one transaction deletes, and decisions. */
const RUNS_AT_ONCE = 200;
const ROWS_AT_ONCE = 5000;
/**
 * A table that others hold: everybody queues behind the quarter of a second for which it is asked for, so it is asked for
 * rarely, and no longer than this.
 */
const LOCK_WAIT_MS = 60_000;
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 16_000;

/**
 * Makes the act: once round, until nothing is due at `atMs` (undefined: now by the database's clock).
 *
 * @throws {StepgateError} (the act) STORE_BUSY when a table was not free in time, STORE_REFUSED where the user does not own
 *   the schema, STORE_UNAVAILABLE …
 */
export function makeMaintain(deps: RetentionDeps): Maintain {
  return async (atMs) => {
    const round: Round = {
      ...deps,
      atMs,
      report: { made: 0, runs: 0, decisions: 0, inputs: 0, leftovers: 0, dropped: 0 },
    };
    const { store, report } = round;
    await makeWindows(round);
    if (!deps.isDropping) return report;
    for (const of of await store.dueRanges(atMs)) {
      if (deps.isStopping()) return report;
      await clearRange(round, of);
    }
    await repeat(round, "inputs", () => store.eraseInputs({ atMs, limit: RUNS_AT_ONCE }));
    await repeat(round, "leftovers", () => store.retireLeftovers({ atMs, limit: ROWS_AT_ONCE }));
    return report;
  };
}

type Counts = { -readonly [Name in keyof RetentionReport]: RetentionReport[Name] };

type Round = RetentionDeps & { readonly atMs: number | undefined; readonly report: Counts };

async function makeWindows(round: Round): Promise<void> {
  const { store, windowDays, atMs, report } = round;
  await store.planWindows({ atMs, aheadDays: windowDays * WINDOWS_AHEAD, windowDays });
  for (const missing of await store.missingPartitions()) {
    if ((await whenFree(round, () => store.makePartition(missing))) === "made") report.made += 1;
  }
}

async function clearRange(round: Round, of: HistoryRange): Promise<void> {
  const { store, maxMoved, atMs } = round;
  const { name } = of;
  const judge = async () => (name === undefined ? "by_run" : store.judgeWindow({ atMs, name, maxKept: maxMoved }));
  const verdict = await judge();
  if (verdict === "nothing" || verdict === "busy") return;
  const hasHistory = verdict !== "dropping";
  const isDone = await repeat(round, "runs", () => store.retireRuns({ atMs, of, limit: RUNS_AT_ONCE, hasHistory }));
  if (verdict === "stuck" && name !== undefined)
    await repeat(round, "leftovers", () => store.retireOrphans({ name, limit: ROWS_AT_ONCE }));
  if (hasHistory || name === undefined)
    await repeat(round, "decisions", () => store.retireDecisions({ atMs, of, limit: ROWS_AT_ONCE }));
  // a run that could not go yet, or what stays and grew meanwhile, would be moved while a table is locked
  else if (isDone && (await judge()) === "dropping") await dropWindow(round, name);
}

async function dropWindow(round: Round, name: string): Promise<void> {
  const { store, maxMoved, atMs, report, onProgress } = round;
  for (const relation of await store.historyTables()) {
    if (round.isStopping()) return;
    const outcome = await whenFree(round, () => store.dropPartition({ atMs, relation, name, maxKept: maxMoved }));
    if (outcome === "later") return;
    if (outcome === "gone") continue;
    report.dropped += 1;
    onProgress({ ...report });
  }
  await store.forgetWindow(name);
}

/** Until all is removed that can be; false when something is left, for whatever reason. */
async function repeat(
  { report, onProgress, isStopping }: Round,
  what: "runs" | "decisions" | "inputs" | "leftovers",
  act: () => Promise<Removal>,
): Promise<boolean> {
  for (;;) {
    const { removed, isDone } = await act();
    report[what] += removed;
    if (removed > 0) onProgress({ ...report });
    if (isDone) return true;
    if (removed === 0 || isStopping()) return false;
  }
}

/** Tries again while others hold the table, after longer and longer pauses. @throws {StepgateError} STORE_BUSY when that did not end. */
async function whenFree<Outcome extends string>(
  { clock, pause, isStopping }: Round,
  act: () => Promise<Outcome | "locked">,
): Promise<Outcome> {
  const endMs = clock.monotonicMs() + LOCK_WAIT_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const outcome = await act();
    if (outcome !== "locked") return outcome;
    if (isStopping() || clock.monotonicMs() + pauseMs > endMs)
      throw new StepgateError("STORE_BUSY", { reason: "others hold the table" });
    await pause(pauseMs);
  }
}
