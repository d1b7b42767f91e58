/**
 * Step and run states with every allowed transition (spec 00, step states and run states).
 *
 * The same two tables stand in the database (migration 0001); a test compares them and tries all pairs.
 * Not here: who causes a transition (runs/, scheduler/).
 */
export const STEP_STATES = [
  "blocked",
  "queued",
  "leased",
  "running",
  "held",
  "waiting",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
] as const;
export type StepState = (typeof STEP_STATES)[number];

export const STEP_TRANSITIONS: Readonly<Record<StepState, readonly StepState[]>> = {
  blocked: ["queued", "skipped", "cancelled"],
  queued: ["leased", "failed", "skipped", "cancelled"],
  leased: ["queued", "held", "failed", "running", "cancelled"],
  running: ["waiting", "succeeded", "failed", "queued", "cancelled"],
  held: ["queued", "failed", "skipped", "cancelled"],
  waiting: ["queued", "succeeded", "failed", "cancelled"],
  failed: ["queued"],
  succeeded: [],
  skipped: [],
  cancelled: [],
};

export const RUN_STATES = [
  "pending",
  "running",
  "paused_at_step",
  "cancelling",
  "compensating",
  "succeeded",
  "failed",
  "cancelled",
] as const;
export type RunState = (typeof RUN_STATES)[number];

export const RUN_TRANSITIONS: Readonly<Record<RunState, readonly RunState[]>> = {
  pending: ["running", "paused_at_step", "cancelling", "failed", "cancelled"],
  running: ["succeeded", "failed", "compensating", "paused_at_step", "cancelling", "pending"],
  paused_at_step: ["pending", "running", "compensating", "cancelling", "succeeded", "failed"],
  cancelling: ["compensating", "cancelled"],
  compensating: ["failed", "cancelled", "paused_at_step"],
  succeeded: [],
  failed: [],
  cancelled: [],
};

const ENDED_STEPS: ReadonlySet<StepState> = new Set(["succeeded", "failed", "skipped", "cancelled"]);
const ENDED_RUNS: ReadonlySet<RunState> = new Set(["succeeded", "failed", "cancelled"]);

export function isStepEnded(state: StepState): boolean {
  return ENDED_STEPS.has(state);
}

export function isRunEnded(state: RunState): boolean {
  return ENDED_RUNS.has(state);
}

/** Tells whether the step table has this transition. */
export function canStepMove(from: StepState, to: StepState): boolean {
  return STEP_TRANSITIONS[from].includes(to);
}

/** Tells whether the run table has this transition. */
export function canRunMove(from: RunState, to: RunState): boolean {
  return RUN_TRANSITIONS[from].includes(to);
}
