/**
 * Submissions as rows: what arrives together is stored together (functions/submit.sql).
 *
 * Not here: reading runs (run-store.ts), what a submission must hold (runs/).
 */
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { NewRun, RunStore } from "../runs/ports.ts";
import { makeBatcher } from "../scheduler/batcher.ts";
import { jsonbArray } from "./binary-array.ts";
import { blobItems } from "./blob-rows.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import type { Connection, TenantPool } from "./pool.ts";
import type { SqlValue } from "./prepare.ts";
import { SUBMIT_RUNS } from "./statements/runs.ts";
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
  const values = [
    tenantUid,
    jsonbArray(runs.map((run) => jsonText(runItem(run)))),
    jsonbArray(runs.map((run) => jsonText(stepItems(run)))),
    jsonbArray(runs.map((run) => jsonText(run.prepared.edges))),
    jsonbArray(runs.map((run) => jsonText(blobItems(run.blobs)))),
  ];
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

async function callSubmit(database: Connection, values: readonly SqlValue[]): Promise<readonly Submitted[]> {
  const { rows } = await database.query<{ result: string }>(SUBMIT_RUNS, values);
  return rows.map(({ result }) => {
    const { outcome, run_uid: runUid, is_same_id: isSameId = false } = jsonObject(result);
    if ((outcome !== "created" && outcome !== "exists" && outcome !== "mismatch") || typeof runUid !== "string") {
      throw new StepgateError("STORE_REFUSED", { reason: "unknown submission outcome" });
    }
    return { outcome, runUid: runUid as RunUid, isSameId: isSameId === true };
  });
}

function runItem({ tenantUid, prepared, caller, idempotencyKey, submissionDigest }: NewRun): object {
  const { manifest, start, trace, fork } = prepared;
  const { budget } = start;
  return {
    tenant_uid: tenantUid,
    run_uid: prepared.runUid,
    run_id: start.runId,
    idempotency_key: idempotencyKey,
    submission_digest: submissionDigest,
    kind: prepared.kind,
    op_id: manifest.manifest.op_id,
    manifest_id: manifest.id,
    manifest: manifest.text,
    priority: start.priority,
    seed: start.seed,
    subject: start.subject,
    labels_blob: prepared.labelsBlob,
    caller_key_id: caller.keyId,
    caller_owner: caller.owner,
    caller_roles: caller.roles,
    traceparent: trace.traceparent,
    tracestate: trace.tracestate,
    time_limit_ms: start.timeLimitMs,
    max_parallel:
      manifest.manifest.run_config.execution_mode === "sequential" ? 1 : manifest.manifest.run_config.max_parallel,
    fail_fast: manifest.manifest.run_config.fail_fast,
    budget: budget === undefined ? null : { tokens: budget.tokens, usd_micros: budget.usd_micros },
    breakpoints: start.breakpoints,
    submitted: prepared.submitted,
    ...(fork && { fork: { origin_run: fork.runUid, origin_step: fork.stepId, root_run: fork.rootRunUid } }),
  };
}

function stepItems({ prepared }: NewRun): readonly object[] {
  return prepared.steps.map((step) => ({
    step_id: step.stepId,
    idx: step.idx,
    type: step.spec.type,
    slug: step.spec.slug,
    spec: step.spec,
    input_blob: step.inputBlob,
    refs: step.refs,
    is_target: step.origin !== undefined,
    origin_step: step.origin,
    compensation_step: step.spec.execution.compensation?.step,
    compensation_on: step.spec.execution.compensation?.on,
    pending_dependencies: step.pendingDependencies,
    priority: step.order.priority,
    queue_target_ms: step.order.queueTargetMs,
    deadline_ms: step.spec.execution.deadline_ms,
  }));
}
