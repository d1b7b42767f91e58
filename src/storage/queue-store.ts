/**
 * What waits, why, what died and what is paused, read from the rows as they stand (statements/queue.ts).
 */
import type { ErrorKind } from "../core/error-kind.ts";
import type { RecordId, RunUid, StepId } from "../core/ids.ts";
import type { RunState, StepState } from "../core/state.ts";
import type { DeadLetterRow, QueueStore } from "../scheduler/queue-operations.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/queue.ts";

/** Rank is for people: beyond this many it is just far. */
const MAX_RANK = 10_000;
/** So are the steps that come before a compensation. */
const MAX_NAMED = 20;

/** How far counts go; of more they say that there are at least so many. */
export interface CountLimits {
  /** Steps that are ready and wait. */
  readonly maxReady: number;
  /** Steps of open runs that are looked at for those that are not. */
  readonly maxOthers: number;
}

const COUNT_LIMITS: CountLimits = { maxReady: 5000, maxOthers: 2000 };

export function makeQueueStore(pool: TenantPool, { maxReady, maxOthers } = COUNT_LIMITS): QueueStore {
  const servedTypes = async (): Promise<readonly string[]> =>
    (await pool.within(INSTANCE_SCOPE).query<{ type: string }>(sql.READ_SERVED_TYPES)).rows.map(({ type }) => type);
  return {
    read: async (tenantUid) => {
      const [ready, others, pauses, served] = await Promise.all([
        pool
          .within(tenantUid)
          .query<CountColumns & { oldest_ready_ms: number }>(sql.COUNT_READY, [tenantUid, maxReady]),
        pool
          .within(tenantUid)
          .query<Partial<CountColumns> & { is_cut: boolean }>(sql.COUNT_OTHERS, [tenantUid, maxOthers]),
        pool
          .within(tenantUid)
          .query<{ is_paused: boolean; paused_types: readonly string[] }>(sql.READ_PAUSES, [tenantUid]),
        servedTypes(),
      ]);
      const counts = [
        ...ready.rows.map(({ oldest_ready_ms: oldestReadyMs, ...row }) => ({ ...row, oldestReadyMs })),
        ...others.rows.flatMap(({ type, state, count }) =>
          type && state && count ? [{ type, state, count, oldestReadyMs: undefined }] : [],
        ),
      ];
      const queued = ready.rows.reduce((sum, { state, count }) => sum + (state === "queued" ? count : 0), 0);
      return {
        isPaused: pauses.rows[0]?.is_paused === true,
        pausedTypes: pauses.rows[0]?.paused_types ?? [],
        servedTypes: served,
        isPartial: queued >= maxReady || others.rows.some((row) => row.is_cut),
        counts: counts.sort((one, other) => (`${one.type} ${one.state}` < `${other.type} ${other.state}` ? -1 : 1)),
      };
    },
    waitFacts: async (tenantUid, runUid, stepId) => {
      const [{ rows }, served] = await Promise.all([
        pool.within(tenantUid).query<WaitColumns>(sql.READ_WAIT, [tenantUid, runUid, stepId, MAX_RANK, MAX_NAMED]),
        servedTypes(),
      ]);
      const [row] = rows;
      return (
        row && {
          type: row.type,
          state: row.state,
          isUnplaced: row.is_unplaced,
          runState: row.run_status,
          pausedStep: row.paused_step ?? undefined,
          maxParallel: row.max_parallel,
          isTenantPaused: row.is_tenant_paused,
          isTypePaused: row.is_type_paused,
          isServed: served.includes(row.type),
          notBeforeMs: row.not_before_ms ?? undefined,
          unmet: row.unmet,
          origin: row.origin_step ?? undefined,
          deferredFor: row.deferred_for ?? undefined,
          deferredBy: row.deferred_by ?? undefined,
          isAlone: row.is_alone,
          worker: row.worker ?? undefined,
          startedAtMs: row.started_at_ms ?? undefined,
          approvalId: row.approval_id ?? undefined,
          ahead: row.ahead ?? undefined,
        }
      );
    },
    deadLetters: async (tenantUid, { after, limit }) => {
      const values = [tenantUid, after?.endedAtUs ?? null, after?.runUid ?? null, after?.stepId ?? null, limit];
      return (await pool.within(tenantUid).query<DeadLetterColumns>(sql.LIST_DEAD_LETTERS, values)).rows.map(
        deadLetter,
      );
    },
    deadLetter: async (tenantUid, runUid, stepId) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<DeadLetterColumns>(sql.READ_DEAD_LETTER, [tenantUid, runUid, stepId]);
      return rows[0] && deadLetter(rows[0]);
    },
    setPaused: async ({ tenantUid, type, isPaused, actor }) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<{ changed: boolean }>(sql.PAUSE_QUEUE, [tenantUid, type ?? null, isPaused, actor]);
      return rows[0]?.changed === true;
    },
  };
}

interface CountColumns {
  readonly type: string;
  readonly state: StepState;
  readonly count: number;
}

interface WaitColumns {
  readonly type: string;
  readonly state: StepState;
  readonly is_unplaced: boolean;
  readonly run_status: RunState;
  readonly paused_step: StepId | null;
  readonly max_parallel: number;
  readonly is_tenant_paused: boolean;
  readonly is_type_paused: boolean;
  readonly not_before_ms: number | null;
  readonly unmet: readonly StepId[];
  readonly origin_step: StepId | null;
  readonly deferred_for: string | null;
  readonly deferred_by: string | null;
  readonly is_alone: boolean;
  readonly worker: string | null;
  readonly started_at_ms: number | null;
  readonly approval_id: string | null;
  readonly ahead: number | null;
}

interface DeadLetterColumns {
  readonly run_uid: RunUid;
  readonly run_id: string | null;
  readonly step_id: StepId;
  readonly type: string;
  readonly attempts_made: number;
  readonly error_kind: ErrorKind;
  readonly reasons: readonly string[];
  readonly is_target: boolean;
  readonly ended_at_ms: number;
  readonly ended_at_us: number;
  readonly last_record: RecordId | null;
  readonly redriven_as: RunUid | null;
}

function deadLetter(row: DeadLetterColumns): DeadLetterRow {
  return {
    runUid: row.run_uid,
    runId: row.run_id ?? undefined,
    stepId: row.step_id,
    type: row.type,
    attempts: row.attempts_made,
    errorKind: row.error_kind,
    reasons: row.reasons,
    isCompensation: row.is_target,
    endedAtMs: row.ended_at_ms,
    endedAtUs: row.ended_at_us,
    lastRecord: row.last_record ?? undefined,
    redrivenAs: row.redriven_as ?? undefined,
  };
}
