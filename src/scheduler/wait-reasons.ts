/**
 * Why a step waits: everything that keeps it from starting now, the nearest cause first (spec 02, queue operations).
 *
 * In: what the store knows of the step. Out: reasons with what they wait for. Pure. Not here: reading (storage/), words
 * for people (cli/).
 */
import type { StepId } from "../core/ids.ts";
import { isRunEnded, isStepEnded, type RunState, type StepState } from "../core/state.ts";

export const WAIT_REASONS = [
  "dependency",
  "compensation",
  "approval",
  "run_paused",
  "breakpoint",
  "run_cancelling",
  "tenant_paused",
  "type_paused",
  "no_worker",
  "max_parallel",
  "retry",
  "quota",
  "pressure",
  "concurrency_key",
  "not_before",
  "waiting",
  "rank",
] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

/** What the store knows of one step. */
export interface WaitFacts {
  readonly type: string;
  readonly state: StepState;
  /** Queued without a row in the queue: the run has `maxParallel` steps in work. */
  readonly isUnplaced: boolean;
  readonly runState: RunState;
  /** The step whose breakpoint paused the run. */
  readonly pausedStep: StepId | undefined;
  readonly maxParallel: number;
  readonly isTenantPaused: boolean;
  readonly isTypePaused: boolean;
  readonly isServed: boolean;
  readonly notBeforeMs: number | undefined;
  /** Dependencies that have not ended. */
  readonly unmet: readonly StepId[];
  /** The step that this one compensates. */
  readonly origin: StepId | undefined;
  /** Why it waits until `notBeforeMs`, and which quota or concurrency key it waits for. */
  readonly deferredFor: string | undefined;
  readonly deferredBy: string | undefined;
  readonly approvalId: string | undefined;
  /** Steps of its tenant that go first; undefined where it is not in the queue. */
  readonly ahead: number | undefined;
}

export interface Wait {
  readonly reason: WaitReason;
  /** Steps it waits for. */
  readonly steps?: readonly StepId[];
  readonly untilMs?: number;
  /** The quota, or the concurrency key. */
  readonly of?: string;
  readonly approvalId?: string;
  /** Steps that go first, or how many may run at once. */
  readonly count?: number;
}

/** The reasons, the nearest cause first; none for a step that runs, or has ended. */
export function waitReasons(facts: WaitFacts): readonly Wait[] {
  if (isStepEnded(facts.state) || isRunEnded(facts.runState)) return [];
  switch (facts.state) {
    case "blocked":
      return facts.origin === undefined
        ? [{ reason: "dependency", steps: facts.unmet }]
        : [{ reason: "compensation", steps: [facts.origin] }];
    case "held":
      return [{ reason: "approval", ...(facts.approvalId === undefined ? {} : { approvalId: facts.approvalId }) }];
    case "waiting":
      return [{ reason: "waiting" }];
    case "queued":
      return [...stopped(facts), ...queued(facts)];
    default:
      return [];
  }
}

/** What holds up the run, the tenant or the type as a whole. */
function stopped(facts: WaitFacts): readonly Wait[] {
  const waits: Wait[] = [];
  if (facts.runState === "paused_at_step") {
    waits.push(
      facts.pausedStep === undefined ? { reason: "run_paused" } : { reason: "breakpoint", steps: [facts.pausedStep] },
    );
  }
  if (facts.runState === "cancelling") waits.push({ reason: "run_cancelling" });
  if (facts.isTenantPaused) waits.push({ reason: "tenant_paused" });
  if (facts.isTypePaused) waits.push({ reason: "type_paused" });
  if (!facts.isServed) waits.push({ reason: "no_worker" });
  return waits;
}

const DEFERRALS: Readonly<Record<string, WaitReason>> = {
  backpressure: "pressure",
  quota: "quota",
  concurrency_key: "concurrency_key",
  retry: "retry",
};

function queued(facts: WaitFacts): readonly Wait[] {
  if (facts.isUnplaced || (facts.notBeforeMs !== undefined && facts.deferredFor === "max_parallel"))
    return [{ reason: "max_parallel", count: facts.maxParallel }];
  if (facts.notBeforeMs !== undefined) {
    const reason = DEFERRALS[facts.deferredFor ?? ""] ?? "not_before";
    return [
      { reason, untilMs: facts.notBeforeMs, ...(facts.deferredBy === undefined ? {} : { of: facts.deferredBy }) },
    ];
  }
  return facts.ahead === undefined ? [] : [{ reason: "rank", count: facts.ahead }];
}
