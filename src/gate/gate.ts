/**
 * The gate: the one way from a leased step to its settlement.
 *
 * In: a leased step. Out: what became of it. Here: only the order of the stages.
 * Not here: what a stage does (one file each), how batches form and who calls (scheduler/).
 */

import { type FailPoints, failPoint } from "../core/fail-point.ts";
import { makeBreakpoint } from "./breakpoint.ts";
import { type CommitDeps, makeCommitAdmissions, makeCommitSettlements } from "./commit-batch.ts";
import type { Capability, Stage, StageOutcome, StepContext } from "./context.ts";
import { makeDeadline } from "./deadline.ts";
import { type DecideStageDeps, makeDecide } from "./decide.ts";
import { type ExecuteDeps, makeExecute } from "./execute.ts";
import { type GuardDeps, makeGuard } from "./guard.ts";
import { type GuardrailDeps, makeGuardrails } from "./guardrails.ts";
import { makeInspect } from "./inspect.ts";
import { type MintDeps, makeMint } from "./mint.ts";
import { makeObserve, type ObserveDeps } from "./observe.ts";
import type { BreakpointList, InFlight } from "./ports.ts";
import { prepareAdmission } from "./prepare-admission.ts";
import { makePressure } from "./pressure.ts";
import { makeSettleAttempt, type Performed, type SettleAttemptDeps } from "./settle-attempt.ts";
import { makeSettleRefusal } from "./settle-refusal.ts";

export interface GateDeps
  extends ObserveDeps,
    GuardrailDeps,
    DecideStageDeps,
    MintDeps,
    GuardDeps,
    ExecuteDeps,
    SettleAttemptDeps,
    CommitDeps {
  readonly breakpoints: BreakpointList;
  readonly inFlight: InFlight;
  readonly backpressureDelayMs: number;
  readonly failPoints: FailPoints;
  readonly onStage: (stage: string, durationMs: number) => void;
}

export type Gate = ReturnType<typeof makeGate>;

export function makeGate(deps: GateDeps) {
  const before: readonly (readonly [string, Stage])[] = [
    ["observe", makeObserve(deps)],
    ["breakpoint", makeBreakpoint(deps)],
    ["deadline", makeDeadline(deps)],
    ["pressure", makePressure({ inFlight: deps.inFlight, delayMs: deps.backpressureDelayMs })],
    ["guardrails", makeGuardrails(deps)],
    ["decide", makeDecide(deps)],
    ["mint", makeMint(deps)],
    ["guard", makeGuard(deps)],
  ];
  const execute = makeExecute(deps);
  const inspect = makeInspect(deps);
  return {
    /** Stages 1 to 8: no effect, nothing stored. */
    prepare: (context: StepContext) => runStages(deps, before, context),
    /** Stage 9: one value per step, one transaction for a whole batch. */
    admission: (context: StepContext, capability: Capability) =>
      prepareAdmission(context, capability, { worker: deps.workerName, atMs: deps.databaseClock.nowMs() }),
    admit: makeCommitAdmissions(deps),
    /** Stages 10 and 11. */
    perform: async (
      context: StepContext,
      capability: Capability,
      signal: AbortSignal,
    ): Promise<Pick<Performed, "result" | "inspected">> => {
      failPoint(deps.failPoints, "before_execute");
      const result = await execute(context, capability, signal);
      failPoint(deps.failPoints, "after_execute");
      const inspected = inspect(context, result);
      failPoint(deps.failPoints, "after_inspect");
      return { result, inspected };
    },
    /** Stage 12: one value per step, one transaction for a whole batch. */
    settlementOfRefusal: makeSettleRefusal(deps),
    settlementOfAttempt: makeSettleAttempt(deps),
    settle: makeCommitSettlements(deps),
  };
}

async function runStages(
  deps: GateDeps,
  stages: readonly (readonly [string, Stage])[],
  start: StepContext,
): Promise<StageOutcome> {
  let context = start;
  for (const [name, stage] of stages) {
    const startedMs = deps.clock.monotonicMs();
    const outcome = await stage(context);
    deps.onStage(name, deps.clock.monotonicMs() - startedMs);
    if (outcome.kind !== "continue") return outcome;
    context = outcome.context;
    if (name === "guardrails") failPoint(deps.failPoints, "after_guardrails");
    if (name === "decide") failPoint(deps.failPoints, "after_decide");
    if (name === "mint") failPoint(deps.failPoints, "after_mint");
  }
  return { kind: "continue", context };
}
