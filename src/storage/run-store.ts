/**
 * Runs as rows: read by their own tenant only, moved by functions/runs.sql. Submitting them: submit-runs.ts.
 */
import type { EventType } from "../core/event.ts";
import type { BlobId, Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { RunState, StepState } from "../core/state.ts";
import type { BreakpointRow, BudgetRow, EventRow, RunHeadRow, RunRow, RunStore } from "../runs/ports.ts";
import { readBlobs } from "./blob-rows.ts";
import { jsonObject } from "./json-rows.ts";
import type { TenantPool } from "./pool.ts";
import type { SqlValue } from "./prepare.ts";
import { readEndsTogether } from "./read-step-ends.ts";
import { READ_FORK_SOURCE } from "./statements/queue.ts";
import * as sql from "./statements/runs.ts";
import { type StepColumns, stepRow } from "./step-rows.ts";
import { submitTogether } from "./submit-runs.ts";

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
      return rows.map(eventRow);
    },
    firstEvents: async (tenantUid, runUids, limitEach) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<EventColumns & { readonly run_uid: RunUid }>(sql.READ_FIRST_EVENTS, [tenantUid, runUids, limitEach]);
      return new Map(
        [...Map.groupBy(rows, (row) => row.run_uid)].map(([runUid, events]) => [runUid, events.map(eventRow)]),
      );
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

function eventRow(row: EventColumns): EventRow {
  return {
    seq: row.seq,
    type: row.type,
    stepId: row.step_id ?? undefined,
    atMs: row.at_ms,
    data: jsonObject(row.data),
  };
}

interface EventColumns {
  readonly seq: number;
  readonly type: EventType;
  readonly step_id: StepId | null;
  readonly at_ms: number;
  readonly data: string;
}
