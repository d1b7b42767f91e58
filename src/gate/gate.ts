/**
 * The gate: the one way from a leased step to its settlement.
 *
 * In: a leased step. Out: what became of it. Here: only the order of the stages.
 * Not here: what a stage does (one file each), how batches form and who calls (scheduler/).
 */
import { checkedTime } from "../core/clock.ts";
import { type FailPoints, failPoint } from "../core/fail-point.ts";
import { makeTurns, type TakeTurn } from "../core/turns.ts";
import { within } from "../core/within.ts";
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
    Omit<GuardrailDeps, "takeTurn">,
    DecideStageDeps,
    MintDeps,
    GuardDeps,
    ExecuteDeps,
    SettleAttemptDeps,
    CommitDeps {
  readonly breakpoints: BreakpointList;
  readonly inFlight: InFlight;
  readonly backpressureDelayMs: number;
  /** How long stages 1 to 8 may take together; longer than any bound of what they ask. */
  readonly prepareMaxMs: number;
  readonly failPoints: FailPoints;
  readonly onStage: (stage: string, durationMs: number) => void;
}

/** How long the steps of a batch may keep the event loop from all else; a batch of 64 takes some 70 ms. */
const TURN_MS = 10;

export type Gate = ReturnType<typeof makeGate>;

export function makeGate(given: GateDeps) {
  const deps: GateDeps = {
    ...given,
    databaseClock: checkedTime(given.databaseClock),
    clock: { ...checkedTime(given.clock), monotonicMs: () => given.clock.monotonicMs() },
  };
  const takeTurn = makeTurns(deps.clock, TURN_MS);
  const staged = { ...deps, takeTurn };
  const before: readonly (readonly [string, Stage])[] = [
    ["observe", makeObserve(deps)],
    ["breakpoint", makeBreakpoint(deps)],
    ["deadline", makeDeadline(deps)],
    ["pressure", makePressure({ inFlight: deps.inFlight, delayMs: deps.backpressureDelayMs })],
    ["guardrails", makeGuardrails(staged)],
    ["decide", makeDecide(deps)],
    ["mint", makeMint(deps)],
    ["guard", makeGuard(deps)],
  ];
  const execute = makeExecute(deps);
  const inspect = makeInspect(deps);
  return {
    /** Stages 1 to 8: no effect, nothing stored; whatever breaks, nothing stays in flight. */
    prepare: async (context: StepContext): Promise<StageOutcome> => {
      const walk: Walk = { context, isOver: false };
      try {
        return await within(deps.prepareMaxMs, "prepare", runStages(staged, before, walk));
      } catch (caught) {
        walk.isOver = true;
        walk.context.releaseInFlight();
        throw caught;
      }
    },
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
      for (let turn = takeTurn(); turn !== undefined; turn = takeTurn()) await turn;
      failPoint(deps.failPoints, "before_execute");
      const result = await execute(context, capability, signal);
      failPoint(deps.failPoints, "after_execute");
      for (let turn = takeTurn(); turn !== undefined; turn = takeTurn()) await turn;
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

/** How far a step has come, so that what it holds can be given back when a stage throws or never answers. */
interface Walk {
  context: StepContext;
  isOver: boolean;
}

async function runStages(
  deps: GateDeps & { readonly takeTurn: TakeTurn },
  stages: readonly (readonly [string, Stage])[],
  walk: Walk,
): Promise<StageOutcome> {
  for (const [name, stage] of stages) {
    // no other step comes between the question and the work
    for (let turn = deps.takeTurn(); turn !== undefined; turn = deps.takeTurn()) await turn;
    const startedMs = deps.clock.monotonicMs();
    const outcome = await stage(walk.context);
    // before anything else may throw: it may hold what must be given back
    walk.context = outcome.context;
    deps.onStage(name, deps.clock.monotonicMs() - startedMs);
    if (walk.isOver) {
      // answered after it was given up: what it took since is given back, and nobody waits for it
      outcome.context.releaseInFlight();
      return outcome;
    }
    if (outcome.kind !== "continue") return outcome;
    if (name === "guardrails") failPoint(deps.failPoints, "after_guardrails");
    if (name === "decide") failPoint(deps.failPoints, "after_decide");
    if (name === "mint") failPoint(deps.failPoints, "after_mint");
  }
  return { kind: "continue", context: walk.context };
}
