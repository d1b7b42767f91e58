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
  "compensation_turn",
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
  "alone",
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
  /** Dependencies that have not ended; of a compensation that is scheduled, what must end before it. */
  readonly unmet: readonly StepId[];
  /** The step that this one compensates. */
  readonly origin: StepId | undefined;
  /** Why it was put back last, and which quota or concurrency key it waited for then. */
  readonly deferredFor: string | undefined;
  readonly deferredBy: string | undefined;
  /** It was lost with its worker, and runs when a worker has nothing else in hand. */
  readonly isAlone: boolean;
  /** In whose hands it is, and since when it runs. */
  readonly worker: string | undefined;
  readonly startedAtMs: number | undefined;
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
        : compensation(facts, facts.origin);
    case "held":
      return [{ reason: "approval", ...(facts.approvalId === undefined ? {} : { approvalId: facts.approvalId }) }];
    case "waiting":
      return [{ reason: "waiting" }];
    case "queued":
      return [...stopped(facts), ...queued(facts)];
    case "leased":
      // it is looked at just now, as every time before; so long as it has not started, what it waited for stands
      return putBack(facts);
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

function compensation({ unmet }: WaitFacts, origin: StepId): readonly Wait[] {
  const turn: readonly Wait[] = unmet.length === 0 ? [] : [{ reason: "compensation_turn", steps: unmet }];
  return [{ reason: "compensation", steps: [origin] }, ...turn];
}

const DEFERRALS: Readonly<Record<string, WaitReason>> = {
  backpressure: "pressure",
  quota: "quota",
  concurrency_key: "concurrency_key",
  max_parallel: "max_parallel",
  retry: "retry",
};

/** What is over with its time: then the step is due. The others are looked at again and again, and last until it starts. */
const ENDS_WITH_ITS_TIME: ReadonlySet<WaitReason> = new Set<WaitReason>(["retry", "not_before"]);

function queued(facts: WaitFacts): readonly Wait[] {
  if (facts.isUnplaced) return [{ reason: "max_parallel", count: facts.maxParallel }];
  const waits = putBack(facts);
  if (facts.notBeforeMs !== undefined || facts.ahead === undefined) return waits;
  const alone: readonly Wait[] = facts.isAlone ? [{ reason: "alone" }] : [];
  return [...waits, ...alone, { reason: "rank", count: facts.ahead }];
}

/** What it was put back for, as long as that holds. */
function putBack({ deferredFor, deferredBy, notBeforeMs, maxParallel }: WaitFacts): readonly Wait[] {
  const reason = DEFERRALS[deferredFor ?? ""] ?? "not_before";
  if (notBeforeMs === undefined && ENDS_WITH_ITS_TIME.has(reason)) return [];
  if (reason === "max_parallel") return [{ reason, count: maxParallel }];
  return [
    {
      reason,
      ...(notBeforeMs === undefined ? {} : { untilMs: notBeforeMs }),
      ...(deferredBy === undefined ? {} : { of: deferredBy }),
    },
  ];
}
