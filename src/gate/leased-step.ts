/**
 * A claimed step with everything the gate needs to decide about it; nothing in it changes while it passes.
 *
 * In: rows of the claim and opened payloads (scheduler/, storage/). Not here: what the gate makes of it (context.ts).
 */
import type { BlobId, LeaseEpoch, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import type { StepSpec } from "../core/step.ts";
import type { Principal } from "../core/tenant.ts";

export interface LeasedStep {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly leaseEpoch: LeaseEpoch;
  /** Number of the attempt this lease may make, from 1. */
  readonly attempt: number;
  /** Attempts that ended in an error; lost ones are not among them. */
  readonly errorAttempts: number;
  readonly lostAttempts: number;
  readonly isTarget: boolean;
  /** As submitted or last redacted; `$from` references are not resolved yet. */
  readonly spec: StepSpec;
  readonly inputBlob: BlobId;
  readonly checkpoint: JsonValue | undefined;
  /** Whether the inputs refer to anything; then nothing of them may be left unresolved. */
  readonly hasReferences: boolean;
  /** Outputs the inputs may refer to; for a compensation its origin as {inputs, output}. */
  readonly referenced: ReadonlyMap<StepId, JsonValue>;
  /** The run that step belongs to, where it is another one: this run was forked from it. */
  readonly referencedRuns: ReadonlyMap<StepId, RunUid>;
  readonly readyAtMs: number;
  readonly deadlineAtMs: number | undefined;
  readonly lastRecord: RecordId | undefined;
  readonly authorityVersion: number;
  readonly run: LeasedRun;
  readonly budget: BudgetView | undefined;
}

export interface LeasedRun {
  readonly id: string | undefined;
  readonly kind: "dag" | "chain" | "script";
  readonly opId: string;
  readonly labels: JsonObject;
  readonly status: RunState;
  readonly caller: Principal;
  readonly trace: { readonly traceparent: string; readonly tracestate?: string } | undefined;
  readonly timeLimitAtMs: number | undefined;
  readonly hasBreakpoints: boolean;
}

/** Limits and usage of the run's budget as read with the claim; the exact check is in *admit*. */
export interface BudgetView {
  readonly tokens: BudgetSide;
  readonly usdMicros: BudgetSide;
}

export interface BudgetSide {
  readonly limit: number | undefined;
  readonly used: number;
  readonly reserved: number;
}

/** The budget as packs and executors see it, with the run's time limit, which does not bind compensations. */
export function viewBudget({ budget, isTarget, run }: Pick<LeasedStep, "budget" | "isTarget" | "run">): JsonObject {
  const { timeLimitAtMs } = run;
  const time = timeLimitAtMs === undefined || isTarget ? {} : { time_limit_at_ms: timeLimitAtMs };
  if (budget === undefined) return { ...time, tracked: false };
  return { ...time, tokens: viewSide(budget.tokens), tracked: true, usd_micros: viewSide(budget.usdMicros) };
}

function viewSide(side: BudgetSide): JsonObject {
  const { limit, used, reserved } = side;
  return limit === undefined ? { reserved, used } : { limit, remaining: limit - used - reserved, reserved, used };
}
