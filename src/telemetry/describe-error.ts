/**
 * An error as a log line shows it: enough to find the place, never what it was working on.
 *
 * Messages of others can quote payload (a parser's excerpt, a database's key values), so only those that cannot are kept.
 * Not here: what callers see (gateway/errors.ts).
 */
import { isStepgateError } from "../core/errors.ts";

const MAX_CAUSES = 4;

export interface ErrorView {
  readonly name: string;
  readonly code?: string;
  readonly message?: string;
  readonly detail?: object;
  /** Frames alone: a stack's first lines repeat the message. */
  readonly stack?: readonly string[];
  readonly cause?: ErrorView;
}

/** Describes anything that was thrown, with its causes, at most four deep. */
export function describeError(thrown: unknown, depth = 1): ErrorView {
  if (!(thrown instanceof Error)) return { name: `thrown ${typeof thrown}` };
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
  return {
    name: thrown.name,
    ...(code !== undefined && { code }),
    ...(isMessageSafe(thrown, code) && { message: thrown.message }),
    ...(isStepgateError(thrown) && { detail: thrown.detail }),
    ...(thrown.stack !== undefined && { stack: framesOf(thrown.stack) }),
    ...(thrown.cause !== undefined && depth < MAX_CAUSES && { cause: describeError(thrown.cause, depth + 1) }),
  };
}

function isMessageSafe(error: Error, code: string | undefined): boolean {
  // the system's messages name calls, paths and addresses; the engine's own name variables and properties
  if (isStepgateError(error) || "syscall" in error) return true;
  return (error instanceof TypeError || error instanceof ReferenceError) && code === undefined;
}

function framesOf(stack: string): readonly string[] {
  return stack
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "));
}
