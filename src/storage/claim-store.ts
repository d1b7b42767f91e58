/**
 * Claims and leases: what a worker and the reaper need of the hot queue (functions/claim.sql).
 *
 * Rows come back as the scheduler's own words; payloads stay sealed. Not here: opening them (scheduler/open-steps.ts).
 */
import { hostname } from "node:os";
import type { BlobId, LeaseEpoch, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import type { StepSpec } from "../core/step.ts";
import type { StoredBlob } from "../core/vault.ts";
import type { BudgetSide, BudgetView, LeasedStep } from "../gate/leased-step.ts";
import type { BreakpointList } from "../gate/ports.ts";
import type { ClaimedStep, LostAttempt, Queue } from "../scheduler/ports.ts";
import { readBlobs } from "./blob-rows.ts";
import { jsonObject } from "./json-rows.ts";
import type { Pool } from "./pool.ts";
import * as sql from "./statements/pipeline.ts";

export interface ClaimStoreDeps {
  readonly pool: Pool;
  readonly workerId: string;
}

export function makeClaimStore({ pool, workerId }: ClaimStoreDeps): Queue & BreakpointList {
  const readSpec = makeReadSpec();
  const claims = pool.lane("claim");
  return {
    extendLease: async (leaseMs) => {
      const { rows } = await pool.query<{ held: boolean }>(sql.EXTEND_LEASE, [
        workerId,
        process.pid,
        hostname(),
        leaseMs,
      ]);
      return rows[0]?.held === true;
    },
    sayTypes: async (types) => {
      await pool.query(sql.SAY_TYPES, [workerId, types]);
    },
    endLease: async () => {
      const { rows } = await pool.query<{ handed_back: number }>(sql.END_LEASE, [workerId]);
      return rows[0]?.handed_back ?? 0;
    },
    shouldEmpty: async (types) => {
      const { rows } = await pool.query<{ should_empty: boolean }>(sql.SHOULD_EMPTY, [workerId, types]);
      return rows[0]?.should_empty === true;
    },
    abandon: async ({ tenantUid, runUid, stepId, leaseEpoch }, delayMs) => {
      await pool.query(sql.ABANDON_STEP, [workerId, tenantUid, runUid, stepId, leaseEpoch, delayMs]);
    },
    wake: async (wakes) => {
      const { rowCount } = await pool.query(sql.WAKE_STEPS, [
        wakes.map(({ tenantUid }) => tenantUid),
        wakes.map(({ reason }) => reason),
        wakes.map(({ of }) => of ?? null),
        wakes.map(({ steps }) => steps),
      ]);
      return rowCount ?? 0;
    },
    chargePutBack: async (types, putBack) => {
      await claims.query(sql.CHARGE_PUT_BACK, [
        types,
        putBack.map(({ tenantUid }) => tenantUid),
        putBack.map(({ steps }) => steps),
      ]);
    },
    findHeld: async () => {
      const { rows } = await claims.query<HeldRow>(sql.FIND_HELD, [workerId]);
      return rows.map((row) => ({
        tenantUid: row.tenant_uid,
        runUid: row.run_uid,
        stepId: row.step_id,
        leaseEpoch: row.lease_epoch,
      }));
    },
    claim: async ({ types, maxSteps, isIdle, isDeep }) => {
      const { rows } = await claims.query<ClaimRow>(sql.CLAIM_STEPS, [workerId, types, maxSteps, isIdle, isDeep]);
      return rows.map((row) => claimedStep(row, readSpec));
    },
    claimOverdue: async (maxSteps) => {
      const { rows } = await claims.query<ClaimRow>(sql.LEASE_OVERDUE, [workerId, maxSteps]);
      return rows.map((row) => claimedStep(row, readSpec));
    },
    readBlobs: (wanted) => readBlobs(pool, wanted),
    readReferred: async (wanted) => {
      if (wanted.length === 0) return [];
      const { rows } = await pool.query<ReferredRow>(sql.READ_REFERRED_STEPS, [
        wanted.map(({ tenantUid }) => tenantUid),
        wanted.map(({ runUid }) => runUid),
        wanted.map(({ stepId }) => stepId),
      ]);
      return rows.map((row) => ({
        tenantUid: row.tenant_uid,
        runUid: row.run_uid,
        stepId: row.step_id,
        inputBlob: row.input_blob,
        outputBlob: row.output_blob ?? undefined,
      }));
    },
    find: async (step: LeasedStep) => {
      const { rows } = await pool.query<{ target: "step" | "slug" | "type"; value: string }>(sql.FIND_BREAKPOINT, [
        step.tenantUid,
        step.runUid,
        step.stepId,
        step.spec.slug ?? null,
        step.spec.type,
      ]);
      return rows[0];
    },
    findCancelled: async (runs) => {
      if (runs.length === 0) return [];
      const { rows } = await pool.query<{ run_uid: RunUid }>(sql.FIND_CANCELLED_RUNS, [
        runs.map(({ tenantUid }) => tenantUid),
        runs.map(({ runUid }) => runUid),
      ]);
      return rows.map((row) => row.run_uid);
    },
    releaseLapsed: async (limit) => {
      const { rows } = await pool.query<{ released: number }>(sql.RELEASE_LAPSED, [limit]);
      return rows[0]?.released ?? 0;
    },
    findLost: async (limit) => {
      const { rows } = await pool.query<LostRow>(sql.FIND_LOST, [limit]);
      return rows.map(lostAttempt);
    },
  };
}

interface HeldRow {
  readonly tenant_uid: TenantUid;
  readonly run_uid: RunUid;
  readonly step_id: StepId;
  readonly lease_epoch: LeaseEpoch;
}

interface ReferredRow {
  readonly tenant_uid: TenantUid;
  readonly run_uid: RunUid;
  readonly step_id: StepId;
  readonly input_blob: BlobId;
  readonly output_blob: BlobId | null;
}

interface ClaimRow {
  readonly tenant_uid: TenantUid;
  readonly run_uid: RunUid;
  readonly step_id: StepId;
  readonly type: string;
  readonly lease_epoch: number;
  readonly attempts_made: number;
  readonly error_attempts: number;
  readonly lost_attempts: number;
  readonly is_alone: boolean;
  readonly is_target: boolean;
  readonly origin_step: StepId | null;
  readonly spec: string;
  readonly input_blob: BlobId;
  readonly checkpoint_blob: BlobId | null;
  readonly refs: readonly string[];
  readonly ready_at_ms: number;
  readonly deadline_at_ms: number | null;
  readonly queue_target_ms: number | null;
  readonly last_record: RecordId | null;
  readonly run_id: string | null;
  readonly kind: "dag" | "chain" | "script";
  readonly op_id: string;
  readonly labels_blob: BlobId | null;
  readonly caller_key_id: string;
  readonly caller_owner: string;
  readonly caller_roles: readonly string[];
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly time_limit_at_ms: number | null;
  readonly run_status: RunState;
  readonly has_breakpoints: boolean;
  readonly authority_version: number;
  readonly tenant_id: string;
  readonly tokens_limit: number | null;
  readonly tokens_used: number | null;
  readonly tokens_reserved: number | null;
  readonly usd_micros_limit: number | null;
  readonly usd_micros_used: number | null;
  readonly usd_micros_reserved: number | null;
  readonly now_ms: number;
  readonly input_key_id: string | null;
  readonly input_wrapped: Uint8Array | null;
  readonly input_sealed: Uint8Array | null;
}

const MAX_SPECS = 256;

/** Reads stored specs; equal texts, as the steps of one run often have, are read once and share one value. */
function makeReadSpec(): (text: string) => JsonObject {
  const known = new Map<string, JsonObject>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const spec = jsonObject(text);
    for (const oldest of known.keys()) {
      if (known.size < MAX_SPECS) break;
      known.delete(oldest);
    }
    known.set(text, spec);
    return spec;
  };
}

function claimedStep(row: ClaimRow, readSpec: (text: string) => JsonObject): ClaimedStep {
  return {
    tenantUid: row.tenant_uid,
    tenantId: row.tenant_id,
    runUid: row.run_uid,
    stepId: row.step_id,
    leaseEpoch: row.lease_epoch,
    attempt: row.attempts_made + 1,
    errorAttempts: row.error_attempts,
    lostAttempts: row.lost_attempts,
    isAlone: row.is_alone,
    isTarget: row.is_target,
    origin: row.origin_step ?? undefined,
    queueTargetMs: row.queue_target_ms ?? undefined,
    spec: readSpec(row.spec),
    inputBlob: row.input_blob,
    inputSealed: inputOf(row),
    checkpointBlob: row.checkpoint_blob ?? undefined,
    refs: row.refs,
    readyAtMs: row.ready_at_ms,
    deadlineAtMs: row.deadline_at_ms ?? undefined,
    lastRecord: row.last_record ?? undefined,
    authorityVersion: row.authority_version,
    labelsBlob: row.labels_blob ?? undefined,
    run: {
      id: row.run_id ?? undefined,
      kind: row.kind,
      opId: row.op_id,
      status: row.run_status,
      caller: { keyId: row.caller_key_id, owner: row.caller_owner, roles: row.caller_roles },
      trace:
        row.traceparent === null
          ? undefined
          : { traceparent: row.traceparent, ...(row.tracestate === null ? {} : { tracestate: row.tracestate }) },
      timeLimitAtMs: row.time_limit_at_ms ?? undefined,
      hasBreakpoints: row.has_breakpoints,
    },
    budget: budgetView(row),
    nowMs: row.now_ms,
  };
}

function inputOf(row: ClaimRow): StoredBlob | undefined {
  const { input_key_id: keyId, input_wrapped: wrappedKey, input_sealed: sealed } = row;
  if (keyId === null || wrappedKey === null || sealed === null) return undefined;
  const place = { tenantUid: row.tenant_uid, runUid: row.run_uid, stepId: row.step_id, field: "input" };
  return { ...place, blobId: row.input_blob, keyId, wrappedKey, sealed };
}

function budgetView(row: ClaimRow): BudgetView | undefined {
  const side = (limit: number | null, used: number, reserved: number): BudgetSide => ({
    limit: limit ?? undefined,
    used,
    reserved,
  });
  if (
    row.tokens_used === null ||
    row.tokens_reserved === null ||
    row.usd_micros_used === null ||
    row.usd_micros_reserved === null
  )
    return undefined;
  return {
    tokens: side(row.tokens_limit, row.tokens_used, row.tokens_reserved),
    usdMicros: side(row.usd_micros_limit, row.usd_micros_used, row.usd_micros_reserved),
  };
}

interface LostRow {
  readonly tenant_uid: TenantUid;
  readonly run_uid: RunUid;
  readonly step_id: StepId;
  readonly lease_owner: string;
  readonly lease_epoch: number;
  readonly attempts_made: number;
  readonly reserved_tokens: number;
  readonly reserved_usd_micros: number;
  readonly admission_record: RecordId;
  readonly jti: string;
  readonly started_at_ms: number;
  readonly lost_attempts: number;
  readonly spec: string;
  readonly now_ms: number;
}

function lostAttempt(row: LostRow): LostAttempt {
  return {
    address: { tenantUid: row.tenant_uid, runUid: row.run_uid, stepId: row.step_id, leaseEpoch: row.lease_epoch },
    workerId: row.lease_owner,
    attempt: row.attempts_made,
    lostAttempts: row.lost_attempts,
    reserved: { tokens: row.reserved_tokens, usdMicros: row.reserved_usd_micros },
    admissionRecord: row.admission_record,
    jti: row.jti,
    startedAtMs: row.started_at_ms,
    ...specOf(row),
    nowMs: row.now_ms,
  };
}

function specOf({ spec }: LostRow): Pick<LostAttempt, "type" | "tool"> {
  // written by our own submission in exactly this form (runs/prepare-submission.ts)
  const { type, tool } = jsonObject(spec) as JsonObject & Pick<StepSpec, "type" | "tool">;
  return { type, tool };
}
