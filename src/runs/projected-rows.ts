/**
 * A run's rows as its manifest and log tell them: what `stepgate run rebuild` puts back (spec 00, one log per run).
 *
 * In: the projection, the manifest, the events. Out: rows in the columns of steps, ready_steps, run_heads and budgets. A
 * leased step is queued again, since leases are not events: its holder's next write finds another epoch. Pure.
 * Not here: the meaning of events (projection.ts), writing (storage/).
 */
import type { RunEvent } from "../core/event.ts";
import type { StepId, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { isStepEnded } from "../core/state.ts";
import type { StepSpec } from "../core/step.ts";
import { projectBudget } from "./budget-facts.ts";
import { objectOf } from "./event-data.ts";
import type { Manifest } from "./manifest-shape.ts";
import type { ProjectedRun, ProjectedStep } from "./projected-run.ts";
import { NO_FACTS, type StepFacts, stepFacts } from "./step-facts.ts";

/** Column → value; undefined is null. Times are RFC 3339. */
export type ProjectedRow = Readonly<
  Record<string, string | number | boolean | JsonObject | readonly string[] | undefined>
>;

export interface ProjectedRows {
  readonly head: ProjectedRow;
  readonly run: ProjectedRow;
  readonly steps: readonly ProjectedRow[];
  /** Step → its state in the words of spec 00; `steps` says queued of what runs. */
  readonly states: Readonly<Record<string, string>>;
  readonly ready: readonly ProjectedRow[];
  readonly edges: readonly (readonly [string, string])[];
  readonly breakpoints: readonly ProjectedRow[];
  /** None or one. */
  readonly budgets: readonly ProjectedRow[];
}

export interface RowSource {
  readonly tenantUid: TenantUid;
  readonly run: ProjectedRun;
  readonly manifest: Manifest;
  readonly events: readonly RunEvent[];
}

export function projectRows({ tenantUid, run, manifest, events }: RowSource): ProjectedRows {
  const [submitted] = events;
  const key = { tenant_uid: tenantUid, run_uid: run.runUid };
  const facts = stepFacts(events);
  const orders = new Map<StepId, OrderFacts>();
  for (const id of run.steps.keys()) orders.set(id, orderOf(submitted, id));
  const placed = placedSteps(run, manifest.run_config.max_parallel);
  const ready = [...placed].map((step) => ({
    ...key,
    ...readyRow(step, { order: orders.get(step.spec.id) ?? NO_ORDER, facts: facts.get(step.spec.id) ?? NO_FACTS }),
  }));
  const waiting = [...run.steps.values()].filter(({ state }) => state === "queued" || state === "running");
  return {
    head: {
      ...key,
      status: run.state,
      paused_from: run.activePause?.from,
      paused_step: run.activePause?.stepId,
      paused_at: timeOf(run.activePause?.atMs),
      is_cancelled: run.isCancelled,
      head_seq: run.headSeq,
      open_steps: run.openSteps,
      failed_steps: run.failedSteps,
      ready_rows: ready.length,
      unplaced_steps: waiting.length - ready.length,
      max_parallel: manifest.run_config.max_parallel,
      fail_fast: manifest.run_config.fail_fast,
    },
    run: {
      started_at: timeOf(run.startedAtMs),
      ended_at: timeOf(run.endedAtMs),
      final_snapshot_id: run.finalSnapshotId,
    },
    steps: [...run.steps.values()].map((step) => ({
      ...key,
      ...stepRow(step, { order: orders.get(step.spec.id) ?? NO_ORDER, facts: facts.get(step.spec.id) ?? NO_FACTS }),
    })),
    states: Object.fromEntries([...run.steps].map(([id, { state }]) => [id, state])),
    ready,
    edges: manifest.plan.edges,
    breakpoints: run.breakpoints.map(({ target, value }) => ({ target, value })),
    budgets: projectBudget(events).map((budget) => ({ ...key, ...budget })),
  };
}

/** What was fixed at submission and stands nowhere else: limits on wishes change, references are sealed. */
interface OrderFacts {
  readonly priority: number;
  /** Of `priority`, what the step's contract adds to its run's. */
  readonly boost: number;
  readonly queueTargetMs: number | undefined;
  readonly refs: readonly string[];
}

const NO_ORDER: OrderFacts = { priority: 0, boost: 0, queueTargetMs: undefined, refs: [] };

function orderOf(submitted: RunEvent | undefined, id: StepId): OrderFacts {
  if (submitted === undefined) return NO_ORDER;
  const order = objectOf(submitted, "orders")[id];
  const refs = objectOf(submitted, "refs")[id];
  const { priority, queue_target_ms: targetMs } = isJsonObject(order) ? order : {};
  const given = submitted.data["priority"];
  const runPriority = typeof given === "number" ? given : 0;
  const own = typeof priority === "number" ? priority : runPriority;
  return {
    priority: own,
    boost: own - runPriority,
    queueTargetMs: typeof targetMs === "number" ? targetMs : undefined,
    refs: Array.isArray(refs) ? refs.filter((ref): ref is string => typeof ref === "string") : [],
  };
}

interface RowFacts {
  readonly order: OrderFacts;
  readonly facts: StepFacts;
}

function stepRow(step: ProjectedStep, { order, facts }: RowFacts): ProjectedRow {
  const { id, ...spec } = clampedSpec(step.spec, order);
  const { compensation } = spec.execution;
  return {
    step_id: id,
    idx: step.idx,
    type: spec.type,
    slug: spec.slug,
    status: step.state === "running" ? "queued" : step.state,
    // an interface is a JSON object in all but the compiler's eyes
    spec: spec as JsonObject & typeof spec,
    input_blob: step.inputBlob,
    refs: order.refs,
    is_target: step.origin !== undefined,
    origin_step: step.origin,
    compensation_step: compensation?.step,
    compensation_on: compensation?.on,
    is_compensation_scheduled: step.isCompensationScheduled,
    pending_dependencies: step.pendingDependencies,
    total_dependencies: step.totalDependencies,
    priority: order.priority,
    queue_target_ms: order.queueTargetMs,
    deadline_ms: spec.execution.deadline_ms,
    first_ready_at: timeOf(step.firstReadyAtMs),
    deadline_at: timeOf(step.deadlineAtMs),
    not_before: timeOf(facts.notBeforeMs),
    // the live number of an attempt under way stands in its queue row
    attempts_made: step.attemptsMade - (step.openAttempt === undefined ? 0 : 1),
    error_attempts: step.errorAttempts,
    lost_attempts: step.lostAttempts,
    output_blob: step.outputBlob,
    output_digest: step.outputDigest,
    checkpoint_blob: step.checkpointBlob,
    error_blob: step.errorBlob,
    error_kind: isStepEnded(step.state) ? step.lastErrorKind : undefined,
    reasons: step.skipReason === undefined ? facts.reasons : [step.skipReason],
    provider: facts.provider,
    provider_version: facts.providerVersion,
    actual_tokens: facts.tokens,
    actual_usd_micros: facts.usdMicros,
    last_record: facts.lastRecord,
    decision_artifact: facts.decisionArtifact,
    ended_at: timeOf(step.endedAtMs),
    ended_seq: step.endedSeq,
  };
}

/** The manifest holds what was wished for, the order what of it was granted. */
function clampedSpec<Spec extends Pick<StepSpec, "policy">>(spec: Spec, { queueTargetMs, boost }: OrderFacts): Spec {
  const { slo } = spec.policy;
  if (slo === undefined || queueTargetMs === undefined) return spec;
  const granted = { ...slo, queue_target_ms: queueTargetMs, priority_boost: boost };
  return { ...spec, policy: { ...spec.policy, slo: granted } };
}

/** What runs, then what was tried before, then the plan's order: no more than the run may have. */
function placedSteps(run: ProjectedRun, maxParallel: number): readonly ProjectedStep[] {
  const running = [...run.steps.values()].filter(({ state }) => state === "running");
  const queued = [...run.steps.values()].filter(({ state }) => state === "queued");
  const tried = queued.filter(({ attemptsMade }) => attemptsMade > 0);
  const fresh = queued.filter(({ attemptsMade }) => attemptsMade === 0);
  return [...running, ...[...tried, ...fresh].slice(0, Math.max(0, maxParallel - running.length))];
}

function readyRow(step: ProjectedStep, { order, facts }: RowFacts): ProjectedRow {
  const isRunning = step.state === "running";
  const { open } = facts;
  const readyMs = step.readyAtMs ?? step.firstReadyAtMs;
  const { queueTargetMs } = order;
  return {
    step_id: step.spec.id,
    type: step.spec.type,
    state: isRunning ? "running" : "queued",
    is_contracted: queueTargetMs !== undefined,
    breach_at: queueTargetMs === undefined ? "infinity" : timeOf((readyMs ?? 0) + queueTargetMs),
    priority: order.priority,
    ready_at: timeOf(readyMs),
    not_before: timeOf(step.notBeforeMs ?? readyMs),
    attempts_made: step.attemptsMade,
    is_alone: step.lostAttempts > 0,
    // of a time that is over it means nothing, as in the row that was there
    deferred_for: step.notBeforeMs === undefined ? undefined : "retry",
    // a worker that still lives goes on and settles; a dead one's attempt is closed as lost
    lease_owner: isRunning ? open?.worker : undefined,
    lease_epoch: isRunning ? step.openAttempt?.leaseEpoch : undefined,
    started_at: isRunning ? timeOf(open?.startedAtMs) : undefined,
    reserved_tokens: open?.reserved.tokens ?? 0,
    reserved_usd_micros: open?.reserved.usdMicros ?? 0,
    admission_record: open?.admissionRecord,
    jti: open?.jti,
  };
}

function timeOf(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString();
}
