/**
 * Runs as rows: submitted whole, read by their own tenant only, moved by functions/runs.sql.
 */

import type { ErrorKind } from "../core/error-kind.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { EventType } from "../core/event.ts";
import type { BlobId, Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { RunState, StepState } from "../core/state.ts";
import type {
  BreakpointRow,
  BudgetRow,
  NewRun,
  RunHeadRow,
  RunRow,
  RunStore,
  StepEndRow,
  StepRow,
} from "../runs/ports.ts";
import { makeBatcher } from "../scheduler/batcher.ts";
import { jsonbArray } from "./binary-array.ts";
import { blobItems, readBlobs } from "./blob-rows.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import type { Connection, SqlValue, TenantPool } from "./pool.ts";
import { READ_FORK_SOURCE } from "./statements/queue.ts";
import * as sql from "./statements/runs.ts";
import { makeTenantLanes } from "./tenant-lanes.ts";

export function makeRunStore(pool: TenantPool): RunStore {
  const changed = async (text: string, values: readonly [TenantUid, ...SqlValue[]]): Promise<boolean> =>
    (await pool.within(values[0]).query<{ changed: boolean }>(text, values)).rows[0]?.changed === true;
  return {
    findSubmission: async ({ tenantUid, runId, idempotencyKey }) => {
      if (runId === undefined && idempotencyKey === undefined) return undefined;
      const { rows } = await pool
        .within(tenantUid)
        .query<FoundRow>(sql.FIND_SUBMISSION, [tenantUid, runId ?? null, idempotencyKey ?? null]);
      const [row] = rows;
      return (
        row && {
          runUid: row.run_uid,
          submissionDigest: row.submission_digest,
          isSameId: runId !== undefined && row.is_same_id,
        }
      );
    },
    submit: submitTogether(pool),
    readManifest: async (tenantUid, manifestId) =>
      (await pool.within(tenantUid).query<{ body: string }>(sql.READ_MANIFEST, [tenantUid, manifestId])).rows[0]?.body,
    find: async (tenantUid, ref) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<RunColumns>(sql.READ_RUN, [
          tenantUid,
          "runUid" in ref ? ref.runUid : null,
          "runId" in ref ? ref.runId : null,
        ]);
      return rows[0] && runRow(rows[0]);
    },
    list: async ({ tenantUid, status, after, limit }) => {
      const values = [tenantUid, status ?? null, after?.submittedAtUs ?? null, after?.runUid ?? null, limit];
      return (await pool.within(tenantUid).query<HeadColumns>(sql.LIST_RUNS, values)).rows.map(headRow);
    },
    steps: async (tenantUid, runUid) =>
      (await pool.within(tenantUid).query<StepColumns>(sql.READ_STEPS, [tenantUid, runUid])).rows.map(stepRow),
    events: async ({ tenantUid, runUid, afterSeq, limit }) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<EventColumns>(sql.READ_EVENTS, [tenantUid, runUid, afterSeq, limit]);
      return rows.map((row) => ({
        seq: row.seq,
        type: row.type,
        stepId: row.step_id ?? undefined,
        atMs: row.at_ms,
        data: jsonObject(row.data),
      }));
    },
    stepEnd: readEndsTogether(pool),
    forkSource: async (tenantUid, runUid) => {
      const { rows } = await pool.within(tenantUid).query<ForkSourceColumns>(READ_FORK_SOURCE, [tenantUid, runUid]);
      return rows.map((row) => ({
        stepId: row.step_id,
        status: row.status,
        inputBlob: row.input_blob,
        lastRecord: row.last_record ?? undefined,
        rootRunUid: row.root_run,
      }));
    },
    readBlobs: (tenantUid, blobIds) =>
      readBlobs(
        pool.within(tenantUid),
        blobIds.map((blobId) => ({ tenantUid, blobId })),
      ),
    readBlob: async (tenantUid, blobId) =>
      (await readBlobs(pool.within(tenantUid), [{ tenantUid, blobId }])).get(blobId),
    cancel: (tenantUid, runUid, actor) => changed(sql.CANCEL_RUN, [tenantUid, runUid, actor]),
    pause: (tenantUid, runUid, actor) => changed(sql.PAUSE_RUN, [tenantUid, runUid, actor]),
    resume: (tenantUid, runUid, actor) => changed(sql.RESUME_RUN, [tenantUid, runUid, actor]),
    breakpoints: async (tenantUid, runUid) =>
      (await pool.within(tenantUid).query<BreakpointRow>(sql.LIST_BREAKPOINTS, [tenantUid, runUid])).rows,
    changeBreakpoint: ({ tenantUid, runUid, breakpoint, isSet, actor }) =>
      changed(sql.CHANGE_BREAKPOINT, [tenantUid, runUid, breakpoint.target, breakpoint.value, isSet, actor]),
  };
}

type Submitted = Awaited<ReturnType<RunStore["submit"]>>;

const MAX_RUNS_AT_ONCE = 64;
/** Longer than any bound of the pool. */
const ANSWER_MAX_MS = 120_000;

/**
 * Runs of one tenant that arrive while a submission of it is under way go together, in one call and one commit. Where one is
 * refused, all go again alone, so that only that one is.
 */
function submitTogether(pool: TenantPool): RunStore["submit"] {
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

/** Ends of one tenant's steps that are asked for while a reading of it is under way are read together. */
function readEndsTogether(pool: TenantPool): RunStore["stepEnd"] {
  const lanes = makeTenantLanes((tenantUid) => {
    const database = pool.within(tenantUid);
    return makeBatcher<RunUid, StepEndRow | undefined>({
      commit: async (runs) => {
        const { rows } = await database.query<StepEndColumns>(sql.READ_STEP_ENDS, [tenantUid, [...new Set(runs)]]);
        const ends = new Map(rows.map((row) => [row.run_uid, stepEndRow(tenantUid, row)]));
        return runs.map((run) => ends.get(run));
      },
      commitMaxMs: ANSWER_MAX_MS,
      maxItems: MAX_RUNS_AT_ONCE,
      maxInFlight: 1,
      canSplit: () => false,
    });
  });
  return lanes;
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
  const { rows } = await database.query<{ result: string }>(sql.SUBMIT_RUNS, values);
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

function objectsIn(body: string): readonly JsonObject[] {
  const value = parseJson(body);
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

interface StepEndColumns extends StepColumns {
  readonly run_uid: RunUid;
  /** Each the text of an array. */
  readonly evaluations: readonly string[];
  readonly blob_step: string | null;
  readonly field: string | null;
  readonly key_id: string | null;
  readonly wrapped_key: Uint8Array | null;
  readonly sealed: Uint8Array | null;
}

function stepEndRow(tenantUid: TenantUid, row: StepEndColumns): StepEndRow {
  const { output_blob: blobId, blob_step: stepId, field, key_id: keyId, wrapped_key: wrappedKey, sealed } = row;
  const isKept =
    blobId !== null && stepId !== null && field !== null && keyId !== null && wrappedKey !== null && sealed !== null;
  return {
    step: stepRow(row),
    evaluations: row.evaluations.flatMap(objectsIn),
    output: isKept ? { tenantUid, blobId, runUid: row.run_uid, stepId, field, keyId, wrappedKey, sealed } : undefined,
  };
}

interface ForkSourceColumns {
  readonly step_id: StepId;
  readonly status: StepState;
  readonly input_blob: BlobId;
  readonly last_record: RecordId | null;
  readonly root_run: RunUid;
}

interface FoundRow {
  readonly run_uid: RunUid;
  readonly submission_digest: Digest;
  readonly is_same_id: boolean;
}

interface HeadColumns {
  readonly run_uid: RunUid;
  readonly run_id: string | null;
  readonly kind: RunHeadRow["kind"];
  readonly op_id: string;
  readonly manifest_id: Digest;
  readonly priority: number;
  readonly labels_blob: BlobId | null;
  readonly subject: string | null;
  readonly traceparent: string | null;
  readonly final_snapshot_id: Digest | null;
  readonly submitted_at_us: number;
  readonly submitted_at_ms: number;
  readonly started_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly status: RunState;
  readonly paused_step: StepId | null;
  readonly paused_at_ms: number | null;
  readonly head_seq: number;
}

interface RunColumns extends HeadColumns {
  readonly is_tracked: boolean;
  readonly tokens_limit: number | null;
  readonly tokens_used: number;
  readonly tokens_reserved: number;
  readonly tokens_overrun: number;
  readonly usd_micros_limit: number | null;
  readonly usd_micros_used: number;
  readonly usd_micros_reserved: number;
  readonly usd_micros_overrun: number;
  readonly seal_record: RecordId | null;
}

function headRow(row: HeadColumns): RunHeadRow {
  return {
    runUid: row.run_uid,
    runId: row.run_id ?? undefined,
    kind: row.kind,
    opId: row.op_id,
    manifestId: row.manifest_id,
    priority: row.priority,
    status: row.status,
    headSeq: row.head_seq,
    traceparent: row.traceparent ?? undefined,
    labelsBlob: row.labels_blob ?? undefined,
    subject: row.subject ?? undefined,
    submittedAtUs: row.submitted_at_us,
    submittedAtMs: row.submitted_at_ms,
    startedAtMs: row.started_at_ms ?? undefined,
    endedAtMs: row.ended_at_ms ?? undefined,
    finalSnapshotId: row.final_snapshot_id ?? undefined,
    pause: row.paused_at_ms === null ? undefined : { stepId: row.paused_step ?? undefined, atMs: row.paused_at_ms },
  };
}

function runRow(row: RunColumns): RunRow {
  const side = (limit: number | null, used: number, reserved: number, overrun: number): BudgetRow => ({
    limit: limit ?? undefined,
    used,
    reserved,
    overrun,
  });
  return {
    ...headRow(row),
    budget: row.is_tracked
      ? {
          tokens: side(row.tokens_limit, row.tokens_used, row.tokens_reserved, row.tokens_overrun),
          usdMicros: side(row.usd_micros_limit, row.usd_micros_used, row.usd_micros_reserved, row.usd_micros_overrun),
        }
      : undefined,
    sealRecord: row.seal_record ?? undefined,
  };
}

interface StepColumns {
  readonly step_id: StepId;
  readonly type: string;
  readonly slug: string | null;
  readonly state: StepState;
  readonly attempts_made: number;
  readonly not_before_ms: number | null;
  readonly error_kind: ErrorKind | null;
  readonly reasons: readonly string[];
  readonly decision_artifact: string | null;
  readonly provider: string | null;
  readonly provider_version: string | null;
  readonly actual_tokens: number;
  readonly actual_usd_micros: number;
  readonly output_blob: BlobId | null;
  readonly approval_id: string | null;
  readonly approval_role: string | null;
  readonly approval_expires_at_ms: number | null;
  readonly depends_on: readonly StepId[];
  readonly record_ids: readonly RecordId[];
}

function stepRow(row: StepColumns): StepRow {
  return {
    stepId: row.step_id,
    type: row.type,
    slug: row.slug ?? undefined,
    state: row.state,
    attemptsMade: row.attempts_made,
    notBeforeMs: row.not_before_ms ?? undefined,
    errorKind: row.error_kind ?? undefined,
    reasons: row.reasons,
    decisionArtifact: row.decision_artifact ?? undefined,
    provider: row.provider ?? undefined,
    providerVersion: row.provider_version ?? undefined,
    tokens: row.actual_tokens,
    usdMicros: row.actual_usd_micros,
    outputBlob: row.output_blob ?? undefined,
    approval: approvalOf(row),
    dependsOn: row.depends_on,
    recordIds: row.record_ids,
  };
}

function approvalOf({
  approval_id: approvalId,
  approval_role: role,
  approval_expires_at_ms: expiresAtMs,
}: StepColumns) {
  return approvalId === null || role === null || expiresAtMs === null ? undefined : { approvalId, role, expiresAtMs };
}

interface EventColumns {
  readonly seq: number;
  readonly type: EventType;
  readonly step_id: StepId | null;
  readonly at_ms: number;
  readonly data: string;
}
