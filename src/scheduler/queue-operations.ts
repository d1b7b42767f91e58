/**
 * What people ask of the queue: how much waits where, why one step waits, what died, and pausing (spec 02).
 *
 * In: the tenant. Out: views. Not here: SQL (storage/), redriving (runs/fork-run.ts), who may ask (gateway/).
 */
import type { ErrorKind } from "../core/error-kind.ts";
import { StepgateError } from "../core/errors.ts";
import type { RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import type { StepState } from "../core/state.ts";
import { type WaitFacts, waitReasons } from "./wait-reasons.ts";

export interface QueueCount {
  readonly type: string;
  readonly state: StepState;
  readonly count: number;
  /** Since when the oldest of them is ready; undefined for steps that are not in the queue. */
  readonly oldestReadyMs: number | undefined;
}

export interface QueueRow {
  readonly isPaused: boolean;
  readonly pausedTypes: readonly string[];
  readonly servedTypes: readonly string[];
  /** There may be more steps than were counted: each count is of at least so many. */
  readonly isPartial: boolean;
  readonly counts: readonly QueueCount[];
}

export interface DeadLetterRow {
  readonly runUid: RunUid;
  readonly runId: string | undefined;
  readonly stepId: StepId;
  readonly type: string;
  readonly attempts: number;
  readonly errorKind: ErrorKind;
  readonly reasons: readonly string[];
  readonly isCompensation: boolean;
  readonly endedAtMs: number;
  readonly endedAtUs: number;
  readonly lastRecord: RecordId | undefined;
  /** The run that went on from it last. */
  readonly redrivenAs: RunUid | undefined;
}

interface DeadLetterCursor {
  readonly endedAtUs: number;
  readonly runUid: RunUid;
  readonly stepId: StepId;
}

export interface QueueStore {
  readonly read: (tenantUid: TenantUid) => Promise<QueueRow>;
  readonly waitFacts: (tenantUid: TenantUid, runUid: RunUid, stepId: StepId) => Promise<WaitFacts | undefined>;
  readonly deadLetters: (
    tenantUid: TenantUid,
    page: { readonly after: DeadLetterCursor | undefined; readonly limit: number },
  ) => Promise<readonly DeadLetterRow[]>;
  readonly deadLetter: (tenantUid: TenantUid, runUid: RunUid, stepId: StepId) => Promise<DeadLetterRow | undefined>;
  /** Without a type the whole tenant; false when it was so already. */
  readonly setPaused: (input: {
    readonly tenantUid: TenantUid;
    readonly type: string | undefined;
    readonly isPaused: boolean;
    readonly actor: string;
  }) => Promise<boolean>;
}

export interface QueueDeps {
  readonly store: QueueStore;
  /** Step types that this installation has an executor for. */
  readonly isType: (type: string) => boolean;
  /** Called after a resume: steps may be claimed again. */
  readonly onResumed: () => void;
}

const timeText = (atMs: number): string => new Date(atMs).toISOString();

export function makeQueueOperations({ store, isType, onResumed }: QueueDeps) {
  const queue = async (tenantUid: TenantUid) => viewQueue(await store.read(tenantUid));
  return {
    queue,
    waits: async (tenantUid: TenantUid, runUid: RunUid, stepId: StepId) => {
      const facts = await store.waitFacts(tenantUid, runUid, stepId);
      return facts && viewWaits(facts);
    },
    /** @throws {StepgateError} PLAN_UNKNOWN_TYPE for a type without an executor. */
    setPaused: async (input: Parameters<QueueStore["setPaused"]>[0]) => {
      const { type } = input;
      if (type !== undefined && !isType(type)) throw new StepgateError("PLAN_UNKNOWN_TYPE", { step_type: type });
      await store.setPaused(input);
      if (!input.isPaused) onResumed();
      return queue(input.tenantUid);
    },
    deadLetters: async (tenantUid: TenantUid, page: { readonly after: string | undefined; readonly limit: number }) => {
      const after = page.after === undefined ? undefined : readCursor(page.after);
      const { rows, ...next } = await pageOfRows(
        page.limit,
        (mostRows) => store.deadLetters(tenantUid, { after, limit: mostRows }),
        ({ endedAtUs, runUid, stepId }) => `${endedAtUs}~${runUid}~${stepId}`,
      );
      return { items: rows.map(viewDeadLetter), ...next };
    },
    deadLetter: async (tenantUid: TenantUid, runUid: RunUid, stepId: StepId) => {
      const row = await store.deadLetter(tenantUid, runUid, stepId);
      return row && viewDeadLetter(row);
    },
  };
}

function viewQueue({ isPaused, pausedTypes, servedTypes, isPartial, counts }: QueueRow) {
  return {
    is_paused: isPaused,
    paused_types: [...pausedTypes].sort(),
    served_types: [...servedTypes].sort(),
    is_partial: isPartial,
    counts: counts.map(({ type, state, count, oldestReadyMs }) => ({
      type,
      state,
      count,
      ...(oldestReadyMs === undefined ? {} : { oldest_ready_at: timeText(oldestReadyMs) }),
    })),
  };
}

function viewWaits(facts: WaitFacts) {
  const { worker, startedAtMs } = facts;
  return {
    status: facts.state,
    ...(worker === undefined ? {} : { worker }),
    ...(startedAtMs === undefined ? {} : { started_at: timeText(startedAtMs) }),
    waits: waitReasons(facts).map(({ reason, steps, untilMs, of, approvalId, count }) => ({
      reason,
      ...(steps === undefined ? {} : { steps }),
      ...(untilMs === undefined ? {} : { until: timeText(untilMs) }),
      ...(of === undefined ? {} : { of }),
      ...(approvalId === undefined ? {} : { approval_id: approvalId }),
      ...(count === undefined ? {} : { count }),
    })),
  };
}

function viewDeadLetter(row: DeadLetterRow) {
  return {
    run_uid: row.runUid,
    ...(row.runId === undefined ? {} : { run_id: row.runId }),
    step_id: row.stepId,
    type: row.type,
    attempt: row.attempts,
    error_kind: row.errorKind,
    reasons: row.reasons,
    is_compensation: row.isCompensation,
    ended_at: timeText(row.endedAtMs),
    ...(row.lastRecord === undefined ? {} : { record_id: row.lastRecord }),
    ...(row.redrivenAs === undefined ? {} : { redriven_as: row.redrivenAs }),
  };
}

/** `<microseconds>~<run uid>~<step>`: where the page before ended. */
function readCursor(cursor: string): DeadLetterCursor {
  const match = /^([0-9]{1,16})~([0-9a-f-]{36})~([A-Za-z0-9][A-Za-z0-9._-]{0,127})$/.exec(cursor);
  if (match === null) throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
  const [, endedAtUs = "", runUid = "", stepId = ""] = match;
  return { endedAtUs: Number(endedAtUs), runUid: runUid as RunUid, stepId: stepId as StepId };
}
