/**
 * Failed results, in the contract's shape.
 *
 * In: what went wrong. Out: a result of an adapter. Not here: successes, which each adapter writes itself.
 */
import type { JsonValue } from "../core/json.ts";
import type { ExecutorResult, Usage } from "./contract.ts";

/** Work that costs neither tokens nor money; an absent usage would charge the whole reservation. */
export const NO_COST: Usage = { tokens: 0, usdMicros: 0 };

interface ExecutionFault {
  readonly code: string;
  readonly message: string;
  readonly isRetryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly details?: JsonValue | undefined;
}

/** An execution error: the tool, or the way to it, failed. */
export function executionError({ code, message, isRetryable, retryAfterMs, details }: ExecutionFault): ExecutorResult {
  return {
    ok: false,
    kind: "execution_error",
    retryable: isRetryable,
    code,
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(details === undefined ? {} : { details }),
    usage: NO_COST,
    toolEvents: [],
  };
}

/** The step was stopped from outside: past its deadline when the reason is a `TimeoutError`, else cancelled. */
export function stopped(signal: AbortSignal, details?: JsonValue): ExecutorResult {
  const isPastDeadline = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
  return {
    ok: false,
    kind: isPastDeadline ? "deadline_exceeded" : "cancelled",
    retryable: false,
    code: isPastDeadline ? "deadline" : "aborted",
    message: isPastDeadline ? "the step's deadline passed while it ran" : "the step was stopped while it ran",
    ...(details === undefined ? {} : { details }),
    usage: NO_COST,
    toolEvents: [],
  };
}
