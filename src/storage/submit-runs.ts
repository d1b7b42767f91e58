/**
 * Submissions as rows: what arrives together is stored together (functions/submit.sql).
 *
 * Not here: reading runs (run-store.ts), what a submission must hold (runs/).
 */
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { NewRun, RunStore } from "../runs/ports.ts";
import { makeBatcher } from "../scheduler/batcher.ts";
import type { Connection, TenantPool } from "./pool.ts";
import type { SqlValue } from "./prepare.ts";
import { SUBMIT_RUNS } from "./statements/runs.ts";
import { submissionColumns } from "./submission-columns.ts";
import { makeTenantLanes } from "./tenant-lanes.ts";

type Submitted = Awaited<ReturnType<RunStore["submit"]>>;

const MAX_RUNS_AT_ONCE = 64;
/** Longer than any bound of the pool. */
const ANSWER_MAX_MS = 120_000;

/**
 * Runs of one tenant that arrive while a submission of it is under way go together, in one call and one commit. Where one is
 * refused, all go again alone, so that only that one is.
 */
export function submitTogether(pool: TenantPool): RunStore["submit"] {
  const lanes = makeTenantLanes((tenantUid) => {
    const database = pool.within(tenantUid);
    return makeBatcher<NewRun, Submitted>({
      commit: (runs) => submitAll(database, tenantUid, runs),
      commitMaxMs: ANSWER_MAX_MS,
      maxItems: MAX_RUNS_AT_ONCE,
      // two batches of one process with the same keys in another order would wait for each other
      maxInFlight: 1,
      canSplit: (caught) => !isStepgateError(caught, "STORE_UNAVAILABLE", "STORE_FULL", "ANSWER_OVERDUE"),
    });
  });
  return (run) => lanes(run.tenantUid, run);
}

async function submitAll(
  database: Connection,
  tenantUid: TenantUid,
  runs: readonly NewRun[],
): Promise<readonly Submitted[]> {
  const values = [tenantUid, ...submissionColumns(runs)];
  try {
    return await callSubmit(database, values);
  } catch (caught) {
    // two at once with one id or key: the slower one finds the faster one's run; a manifest that no run had any more, and
    // that went with its retention meanwhile, is stored again
    if (isStepgateError(caught, "STORE_REFUSED") && ["23505", "23503"].includes(String(caught.detail["sqlState"])))
      return callSubmit(database, values);
    throw caught;
  }
}

interface SubmitRow {
  readonly outcome: string;
  readonly run_uid: RunUid;
  readonly is_same_id: boolean;
}

async function callSubmit(database: Connection, values: readonly SqlValue[]): Promise<readonly Submitted[]> {
  const { rows } = await database.query<SubmitRow>(SUBMIT_RUNS, values);
  return rows.map(({ outcome, run_uid: runUid, is_same_id: isSameId }) => {
    if (outcome !== "created" && outcome !== "exists" && outcome !== "mismatch")
      throw new StepgateError("STORE_REFUSED", { reason: "unknown submission outcome" });
    return { outcome, runUid, isSameId };
  });
}
