/**
 * The process's log: pino lines of JSON, fields first, redacted.
 *
 * In: ids, counts and codes. Out: one line each. Not here: what is hidden (redact-fields.ts), how errors look
 * (describe-error.ts).
 */
import { type DestinationStream, pino } from "pino";
import { describeError } from "./describe-error.ts";
import { standardOutput } from "./log-destination.ts";
import { redactFields } from "./redact-fields.ts";

export type LogFields = Readonly<Record<string, unknown>>;
type Write = (fields: object, message: string) => void;

export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  /** The same log with fields in every line. */
  readonly with: (fields: LogFields) => Log;
}

export interface LogOptions {
  readonly level: "silent" | "fatal" | "error" | "warn" | "info" | "debug" | "trace";
  /** Default: standard output (log-destination.ts). */
  readonly destination?: DestinationStream;
}

/** Makes the log. A field named `err` or `cause` is described without what an error's message may quote. */
export function makeLog({ level, destination = standardOutput() }: LogOptions): Log {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // a logged error must go through describeError, never through pino's own view of it
    serializers: { err: (value: unknown) => value },
  };
  return wrap(pino(options, destination), {});
}

function wrap(lines: pino.Logger, bound: LogFields): Log {
  const write =
    (level: "debug" | "info" | "warn" | "error"): Write =>
    (fields, message) => {
      if (lines.isLevelEnabled(level)) lines[level]({ ...bound, ...shownFields(fields) }, message);
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: (fields) => wrap(lines, { ...bound, ...shownFields(fields) }),
  };
}

/** What is thrown need not be an error. */
const ERROR_FIELDS: ReadonlySet<string> = new Set(["err", "cause"]);

function shownFields(fields: object): LogFields {
  if (fields instanceof Error) return { err: describeError(fields) };
  const plain: Record<string, unknown> = {};
  const errors: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error || ERROR_FIELDS.has(name)) errors[name] = describeError(value);
    else plain[name] = value;
  }
  return { ...redactFields(plain), ...errors };
}
