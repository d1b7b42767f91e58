/**
 * How a run proceeds: the part of the manifest that is neither plan nor software (spec 08).
 *
 * In: the submitted configuration. Out: the same with defaults. Not here: what the modes mean for scheduling.
 */
import { StepgateError } from "../core/errors.ts";
import type { RunConfigSubmission } from "./submission.ts";

export const EXECUTION_MODES = ["sequential", "fan_out"] as const;
export type ExecutionMode = (typeof EXECUTION_MODES)[number];
export const RUN_KINDS = ["dag"] as const;
export type RunKind = (typeof RUN_KINDS)[number];

/** Enough to keep several workers busy from one run, few enough that its hot rows stay few. */
const DEFAULT_MAX_PARALLEL = 256;

export interface RetryPolicy {
  readonly max_attempts?: number;
  readonly backoff?:
    | { readonly kind: "fixed"; readonly delay_ms: number }
    | { readonly kind: "exponential"; readonly base_ms: number; readonly max_ms: number };
}

export interface RunConfig {
  readonly execution_mode: ExecutionMode;
  /** Bounds a run's rows in `ready_steps`; 1 when sequential. */
  readonly max_parallel: number;
  /** For steps that set none themselves; steps in the manifest hold the result already. */
  readonly retry_policy?: RetryPolicy;
  readonly fail_fast: boolean;
  readonly pin_packs: boolean;
}

/**
 * Fills a run's configuration with its defaults.
 *
 * @throws {StepgateError} UNSUPPORTED_EXECUTION_MODE, FIELD_INVALID for a sequential run with `max_parallel` above 1.
 */
export function normalizeRunConfig(given: RunConfigSubmission = {}): RunConfig {
  const mode = readExecutionMode(given.execution_mode);
  if (mode === "sequential" && (given.max_parallel ?? 1) !== 1)
    throw new StepgateError("FIELD_INVALID", { field: "/run_config/max_parallel", reason: "sequential means 1" });
  return {
    execution_mode: mode,
    max_parallel: mode === "sequential" ? 1 : (given.max_parallel ?? DEFAULT_MAX_PARALLEL),
    ...(given.retry_policy !== undefined && { retry_policy: given.retry_policy }),
    fail_fast: given.fail_fast ?? false,
    pin_packs: given.pin_packs ?? false,
  };
}

/** @throws {StepgateError} UNSUPPORTED_EXECUTION_MODE for a mode that does not exist. */
export function readExecutionMode(mode: string = "fan_out"): ExecutionMode {
  const known = EXECUTION_MODES.find((one) => one === mode);
  if (known === undefined) throw new StepgateError("UNSUPPORTED_EXECUTION_MODE", { execution_mode: mode.slice(0, 64) });
  return known;
}

/** @throws {StepgateError} UNSUPPORTED_EXECUTION_MODE for a kind of run that this way in does not start. */
export function readRunKind(kind: string = "dag"): RunKind {
  const known = RUN_KINDS.find((one) => one === kind);
  if (known === undefined) throw new StepgateError("UNSUPPORTED_EXECUTION_MODE", { kind: kind.slice(0, 64) });
  return known;
}
