/**
 * The worker's wiring: queue → open → gate → settle, seals, and what is measured of every step (main.ts).
 *
 * Not here: what any of them does; stores, keys and packs, which the rooms hold already.
 */
import { dominantEffect } from "./core/decision.ts";
import { isStepgateError } from "./core/errors.ts";
import type { WorkerId } from "./core/ids.ts";
import { isRunEnded } from "./core/state.ts";
import type { StepContext } from "./gate/context.ts";
import { makeGate } from "./gate/gate.ts";
import type { BudgetSide, BudgetView } from "./gate/leased-step.ts";
import { makeInFlight } from "./gate/pressure.ts";
import type { Settlement } from "./gate/settlement.ts";
import { approvalExpiry, approvalFinder } from "./main-approvals.ts";
import { ANSWER_MARGIN_MS, CLOCK_SKEW_SEC, ISSUER, type Rooms } from "./main-rooms.ts";
import { startPublisher } from "./main-sinks.ts";
import { makeBatcher } from "./scheduler/batcher.ts";
import { countPreemptions } from "./scheduler/count-preemptions.ts";
import { makeLeases } from "./scheduler/leases.ts";
import { makeOpenSteps } from "./scheduler/open-steps.ts";
import { makeReap } from "./scheduler/reaper.ts";
import { makeEndOverdue, makeRunStep, type RunStepDeps } from "./scheduler/run-step.ts";
import { makeWaitingRoom } from "./scheduler/waiting-room.ts";
import { Worker } from "./scheduler/worker.ts";
import { makeClaimStore } from "./storage/claim-store.ts";
import { makePipelineStore } from "./storage/pipeline-store.ts";
import { readTraceHeaders } from "./telemetry/trace-context.ts";

const SEAL_POLL_MS = 1000;
/** How long the first of those that are sealed together waits for the others: nobody waits for a seal. */
const SEAL_GATHER_MS = 100;

/** Makes the worker of this process; `stops` gets what must be stopped after it. */
export function makeWorker(rooms: Rooms, stops: (() => Promise<unknown>)[]): Worker {
  const {
    config,
    log,
    clock,
    ids,
    workerPool: pool,
    registry,
    metrics,
    databaseClock,
    failPoints,
    feed,
    vaults,
  } = rooms;
  const { scheduler, gate: gateSettings } = config;
  const workerId = `worker-${ids.uuid()}` as WorkerId;
  const queue = makeClaimStore({ pool, workerId });
  const leases = makeLeases({ clock });
  const answerMaxMs = config.storage.statementTimeoutMs + ANSWER_MARGIN_MS;
  const gate = makeGate({
    packs: rooms.packs,
    databaseClock,
    clock,
    ids,
    breakpoints: queue,
    findApproval: approvalFinder(rooms),
    inFlight: makeInFlight({
      maxTokens: gateSettings.maxInFlightTokens,
      maxUsdMicros: gateSettings.maxInFlightUsdMicros,
    }),
    backpressureDelayMs: gateSettings.backpressureDelayMs,
    tools: { open: rooms.openTool },
    secrets: { take: rooms.secrets.take },
    validateInputs: rooms.validateInputs,
    inputsSchema: rooms.inputsSchema,
    issuer: ISSUER,
    signer: () => rooms.keyRing.signer("token"),
    adapters: (type) => registry.get(type),
    writeTokenLifetimeSec: Math.ceil(scheduler.leaseMs / 1000) + 30,
    verifyToken: (token, expected) => {
      const verdict = rooms.ownTokens.verifyToken(token, expected);
      if (!verdict.ok) metrics.count("tokens.refused", 1, { reason: verdict.reasons[0] ?? "malformed" });
      return verdict;
    },
    onMinted: rooms.ownTokens.vouch,
    clockSkewSec: CLOCK_SKEW_SEC,
    abortGraceMs: scheduler.abortGraceMs,
    instanceUid: rooms.keyRing.instanceUid,
    workerName: workerId,
    jitter: () => 0.5 + (Math.random() - 0.5) * (scheduler.retryJitterPpm / 200_000),
    activeBackoffMs: scheduler.activeBackoffMs,
    maxBackoffMs: scheduler.retryBackoffMaxMs,
    store: makePipelineStore({ pool, workerId }),
    signBatch: rooms.sign,
    prepareMaxMs: answerMaxMs,
    failPoints,
    onStage: (stage, durationMs) => metrics.observe("stage.latency_seconds", durationMs / 1000, { stage }),
    onLag: ({ type, lagMs, tier, slackMs }) => {
      metrics.observe("queue.lag_seconds", lagMs / 1000, { type });
      if (tier !== undefined) metrics.observe("slo.queue_slack_ms", slackMs, { tier });
    },
  });
  const canSplit = (caught: unknown): boolean =>
    !isStepgateError(caught, "STORE_UNAVAILABLE", "STORE_FULL", "ANSWER_OVERDUE");
  const batch = { commitMaxMs: answerMaxMs, maxItems: scheduler.batchSize, maxInFlight: 2, canSplit };
  const publisher = startPublisher(rooms, stops);
  const sealSoon = makeSealLoop(rooms);
  stops.unshift(sealSoon.stop);
  const waitingRoom = makeWaitingRoom({
    queue,
    clock,
    leastMs: gateSettings.backpressureDelayMs,
    onWoken: rooms.ready.ready,
    log,
  });
  stops.unshift(async () => waitingRoom.stop());
  const observe = makeObserveOutcome(rooms);
  const settle = makeBatcher({ ...batch, commit: gate.settle });
  const running: RunStepDeps = {
    gate,
    admit: makeBatcher({ ...batch, commit: gate.admit }),
    settle: async (settlement) => {
      const outcome = await settle(settlement);
      const { tenantUid, runUid } = settlement.address;
      feed.changed(runUid);
      publisher.wake(tenantUid, runUid);
      if (outcome.runStatus !== undefined && isRunEnded(outcome.runStatus)) {
        rooms.notices.ended(runUid);
        sealSoon.wake();
      } else {
        // successors may have become ready
        rooms.ready.tell();
      }
      return outcome;
    },
    authorities: rooms.authorities,
    leases,
    databaseClock,
    failPoints,
    retryDeferMs: gateSettings.backpressureDelayMs,
    waitingRoom,
    answerMaxMs,
    onOutcome: (context, kind, settlement, started) => {
      observe(context, kind, settlement, started);
      const { step, execution } = context;
      if (started !== undefined)
        waitingRoom.ended({ tenantUid: step.tenantUid, concurrencyKey: execution.concurrency_key });
    },
  };
  return new Worker({
    queue,
    types: registry.list().map(({ type }) => type),
    open: makeOpenSteps({ queue, vaults }),
    leases,
    clock,
    databaseClock,
    takePutBack: waitingRoom.takeCounts,
    wakeSignal: rooms.ready,
    failPoints,
    log,
    settings: { ...scheduler, claimBatchSize: scheduler.batchSize, answerMaxMs },
    onClaim: (claimed) => {
      metrics.observe("queue.depth", claimed.length, {});
      metrics.count("slo.preemptions", countPreemptions(claimed), {});
    },
    reap: makeReap({
      queue,
      settle: gate.settle,
      expireApprovals: approvalExpiry(rooms, sealSoon.wake),
      batchSize: scheduler.requeueBatchSize,
      maxLostAttempts: scheduler.maxLostAttempts,
    }),
    runStep: makeRunStep(running),
    endOverdue: makeEndOverdue(running),
  });
}

/** Metrics and the log line of every settled step; no payload, no tenant in a label. */
function makeObserveOutcome(
  rooms: Pick<Rooms, "metrics" | "log" | "tracing" | "clock" | "databaseClock">,
): RunStepDeps["onOutcome"] {
  const { metrics, log, tracing, databaseClock } = rooms;
  return (context, kind, settlement, started) => {
    const { step } = context;
    const { type } = step.spec;
    for (const { boundary, effect } of context.evaluations) metrics.count("decisions", 1, { boundary, effect });
    if (context.capability !== undefined) metrics.count("tokens.minted", 1, {});
    if (kind === "retry") metrics.count("step.retries", 1, { type });
    const end = settlement !== undefined && "end" in settlement ? settlement.end : undefined;
    if (end !== undefined) {
      metrics.count("budget.tokens", end.actual.tokens, { type });
      metrics.count("budget.cost", end.actual.usdMicros / 1_000_000, { type });
    }
    if (started !== undefined) {
      const latencyMs = databaseClock.nowMs() - started.startedAtMs;
      metrics.observe("step.latency_seconds", latencyMs / 1000, { type, status: kind });
      if (started.budget !== undefined) measureBudget(metrics, started.budget);
    }
    if (tracing.isEnabled) reportStep(rooms, context, kind, settlement);
    log.debug(
      {
        run: step.runUid,
        step: step.stepId,
        attempt: step.attempt,
        outcome: kind,
        pack: context.runtimeDecision?.pack.id,
        effect: dominantEffect(context.evaluations.map((evaluation) => evaluation.effect)),
        reasons: [...new Set(context.evaluations.flatMap((evaluation) => evaluation.reasons))].slice(0, 3),
        artifact: settlement?.artifact?.id,
      },
      "step settled",
    );
  };
}

/** What is left, where there is a limit, and what was used and reserved, of a tracked budget (spec 01, metrics). */
function measureBudget(metrics: Rooms["metrics"], { tokens, usdMicros }: BudgetView): void {
  const leftOf = ({ limit, used, reserved }: BudgetSide) => (limit === undefined ? undefined : limit - used - reserved);
  const [tokensLeft, usdLeft] = [leftOf(tokens), leftOf(usdMicros)];
  if (tokensLeft !== undefined) metrics.observe("budget.tokens_remaining", tokensLeft, {});
  if (usdLeft !== undefined) metrics.observe("budget.cost_remaining", usdLeft / 1_000_000, {});
  metrics.observe("budget.tokens_projected_burn", tokens.used + tokens.reserved, {});
  metrics.observe("budget.cost_projected_burn", (usdMicros.used + usdMicros.reserved) / 1_000_000, {});
}

/** One span per settled attempt, a child of the run's (spec 01, trace context). */
function reportStep(
  { tracing, clock }: Pick<Rooms, "tracing" | "clock">,
  context: StepContext,
  kind: string,
  settlement: Settlement | undefined,
): void {
  const { step, capability, runtimeDecision, request } = context;
  const parent = step.run.trace && readTraceHeaders(step.run.trace.traceparent, step.run.trace.tracestate);
  const place = tracing.childOf(parent);
  if (place === undefined) return;
  const end = settlement !== undefined && "end" in settlement ? settlement.end : undefined;
  const endMs = clock.nowMs();
  tracing.report({
    name: "step",
    place,
    parent,
    startMs: capability === undefined ? endMs : capability.claims.iat * 1000,
    endMs,
    isFailed: kind !== "succeeded",
    attributes: {
      run_uid: step.runUid,
      step_id: step.stepId,
      step_type: step.spec.type,
      subject: `run:${step.runUid}:step:${step.stepId}`,
      attempt: step.attempt,
      status: kind,
      ...(settlement !== undefined && "errorKind" in settlement ? { error_kind: settlement.errorKind } : {}),
      pack: runtimeDecision?.pack.id ?? step.spec.policy.pack ?? "baseline",
      effect: dominantEffect(context.evaluations.map((evaluation) => evaluation.effect)),
      reasons: [...new Set(context.evaluations.flatMap((evaluation) => evaluation.reasons))].slice(0, 3),
      tokens: end?.actual.tokens ?? request.tokens,
      usd_micros: end?.actual.usdMicros ?? request.usdMicros,
      ...(capability === undefined ? {} : { token_id: capability.claims.jti }),
      record_ids: settlement?.records.map((record) => record.id) ?? [],
    },
  });
}

interface SealLoop {
  readonly wake: () => void;
  readonly stop: () => Promise<void>;
}

/** Seals ended runs: at once after an end in this process, by polling for those of a process that died. */
function makeSealLoop({ sealRuns, log }: Pick<Rooms, "sealRuns" | "log">): SealLoop {
  let running = Promise.resolve();
  let isWanted = false;
  let isStopping = false;
  const run = async (): Promise<void> => {
    while (isWanted) {
      if (!isStopping) await new Promise((resolve) => setTimeout(resolve, SEAL_GATHER_MS));
      isWanted = false;
      await sealRuns().catch((caught: unknown) => log.warn({ err: caught }, "sealing failed; it is tried again"));
    }
  };
  const wake = (): void => {
    isWanted = true;
    running = running.then(run);
  };
  const timer = setInterval(wake, SEAL_POLL_MS);
  return {
    wake,
    stop: async () => {
      clearInterval(timer);
      isStopping = true;
      wake();
      await running;
    },
  };
}
