/**
 * What a program's end means for the step: output, or an execution error with a stable code.
 *
 * In: how the program ended. Out: the adapter's result. Text that is not UTF-8, or holds U+0000, is no output.
 * Not here: running it (launch.ts).
 */
import { StepgateError } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { ExecutorResult } from "../contract.ts";
import { executionError, NO_COST, stopped } from "../failure.ts";
import type { LaunchResult, Printed } from "./launch.ts";

/** Exit codes by which rlimits end a program: 128 + SIGXCPU, 128 + SIGXFSZ. */
const LIMIT_CODES: ReadonlyMap<number, string> = new Map([
  [152, "cpu_limit"],
  [153, "file_limit"],
]);

/** The result of a run. `parse` is what the inputs ask for beside the text. */
export function processResult(result: LaunchResult, parse: "json" | undefined, signal: AbortSignal): ExecutorResult {
  switch (result.kind) {
    case "not_started":
      return executionError({ code: "sandbox_failed", message: result.message, isRetryable: true });
    case "stopped":
      return stoppedResult(result, signal);
    case "exited":
      return result.exitCode === 0 ? success(result, parse) : exitError(result);
  }
}

function stoppedResult(result: Extract<LaunchResult, { kind: "stopped" }>, signal: AbortSignal): ExecutorResult {
  const details = lossy(result);
  switch (result.cause) {
    case "aborted":
      return stopped(signal, details);
    case "timeout":
      return executionError({
        code: "timeout",
        message: "the program ran longer than its wall_ms",
        isRetryable: true,
        details,
      });
    case "output":
      return executionError({
        code: "output_too_large",
        message: "the program printed more than its output_bytes",
        isRetryable: false,
        details,
      });
  }
}

function exitError({ exitCode, ...printed }: Printed & { readonly exitCode: number }): ExecutorResult {
  const limit = LIMIT_CODES.get(exitCode);
  return executionError({
    code: limit ?? "exit_code",
    message: `the program ended with exit code ${exitCode}`,
    isRetryable: limit === undefined,
    details: { exit_code: exitCode, ...lossy(printed) },
  });
}

function success(
  { exitCode, ...printed }: Printed & { readonly exitCode: number },
  parse: "json" | undefined,
): ExecutorResult {
  const stdout = exactText(printed.stdout);
  const details = lossy(printed);
  if (stdout === undefined)
    return executionError({
      code: "output_not_text",
      message: "stdout is not UTF-8 text",
      isRetryable: false,
      details,
    });
  const output = { stdout, stderr: lossyText(printed.stderr), exit_code: exitCode };
  if (parse === undefined) return { ok: true, output, usage: NO_COST, toolEvents: [] };
  const json = strictJson(stdout);
  return json.ok
    ? { ok: true, output: { ...output, json: json.value }, usage: NO_COST, toolEvents: [] }
    : executionError({ code: "output_not_json", message: "stdout is not strict JSON", isRetryable: false, details });
}

/** UTF-8 without U+0000, which no text column can hold; else undefined. */
function exactText(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** For people: what is not text is replaced. */
function lossyText(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll("\u0000", "\ufffd");
}

function lossy({ stdout, stderr }: Printed): JsonObject {
  return { stdout: lossyText(stdout), stderr: lossyText(stderr) };
}

function strictJson(text: string): { readonly ok: true; readonly value: JsonValue } | { readonly ok: false } {
  try {
    return { ok: true, value: parseJson(text) };
  } catch (caught) {
    if (caught instanceof StepgateError) return { ok: false };
    throw caught;
  }
}
