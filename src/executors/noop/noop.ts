/**
 * The no-op executor: returns what it is given, or fails as it is told; for tests, benches and first tries (spec 09).
 *
 * It touches nothing outside, and still verifies its token like every adapter.
 */
import { DEFAULT_AUDIENCE, type ScopeDemand } from "../../core/capability.ts";
import type { Clock } from "../../core/clock.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import type { ExecutionContext, ExecutorAdapter, ExecutorResult, Usage } from "../contract.ts";
import { makeVerifyFirst } from "../verify-first.ts";

const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;

const inputsSchema: JsonObject = {
  type: "object",
  properties: {
    result: { description: "What the step returns; null when absent." },
    usage: {
      type: "object",
      properties: { tokens: count, usd_micros: count },
      additionalProperties: false,
      description: "What the step says it used; nothing when absent.",
    },
    checkpoint: { description: "Kept for the next attempt." },
    delay_ms: { type: "integer", minimum: 0, maximum: 3_600_000, description: "How long it takes." },
    fail: {
      type: "object",
      properties: {
        code: { type: "string", pattern: "^[a-z][a-z0-9_]{0,63}$" },
        message: { type: "string", maxLength: 4096 },
        retryable: { type: "boolean" },
        times: { type: "integer", minimum: 1, description: "Fails on attempts 1 to this one; always when absent." },
      },
      additionalProperties: false,
      description: "Fails instead of returning.",
    },
  },
};

/** Makes the adapter of type `noop`. */
export function makeNoop({ clock }: { readonly clock: Clock }): ExecutorAdapter {
  const verifyFirst = makeVerifyFirst({ audience: DEFAULT_AUDIENCE, nowMs: clock.nowMs });
  return {
    type: "noop",
    audience: DEFAULT_AUDIENCE,
    settingsSchema: { type: "object", additionalProperties: false },
    inputsSchema,
    defaultSettings: {},
    describe: () => ({
      type: "noop",
      version: "1.0.0",
      summary: "Returns its inputs' result; touches nothing.",
      effects: "none",
      isolation: "process",
    }),
    scope: scopeOf,
    check: () => ({ ok: true, isolation: "process" }),
    selfTest: async () => ({ level: "process", checks: [], advice: undefined }),
    execute: async (context, signal) => {
      const refusal = verifyFirst(context, scopeOf(context.spec));
      if (refusal !== undefined) return refusal;
      const { delay_ms: delayMs } = context.spec.inputs;
      if (typeof delayMs === "number" && !(await pause(delayMs, signal))) return aborted();
      return perform(context);
    },
  };
}

function scopeOf(spec: StepSpec): ScopeDemand {
  return {
    action: "execute",
    location: "noop",
    tool: "noop",
    arguments: { inputs: spec.inputs },
    limits: { calls: 1 },
    egress: [],
    data: [],
  };
}

function perform({ spec, attempt }: ExecutionContext): ExecutorResult {
  const { result, checkpoint, fail } = spec.inputs;
  const usage = usageOf(spec.inputs["usage"]);
  if (isJsonObject(fail) && attempt <= (typeof fail["times"] === "number" ? fail["times"] : Number.POSITIVE_INFINITY)) {
    return {
      ok: false,
      kind: "execution_error",
      retryable: fail["retryable"] !== false,
      code: typeof fail["code"] === "string" ? fail["code"] : "failed",
      message: typeof fail["message"] === "string" ? fail["message"] : "the step was told to fail",
      usage,
      toolEvents: [],
    };
  }
  return {
    ok: true,
    output: result ?? null,
    usage,
    toolEvents: [],
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

function usageOf(usage: StepSpec["inputs"][string] | undefined): Usage {
  const { tokens, usd_micros: usdMicros } = isJsonObject(usage) ? usage : {};
  return { tokens: typeof tokens === "number" ? tokens : 0, usdMicros: typeof usdMicros === "number" ? usdMicros : 0 };
}

function aborted(): ExecutorResult {
  return {
    ok: false,
    kind: "cancelled",
    retryable: false,
    code: "aborted",
    message: "aborted",
    usage: { tokens: 0, usdMicros: 0 },
    toolEvents: [],
  };
}

/** True after `ms`, false as soon as the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = (isWhole: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(isWhole);
    };
    const onAbort = (): void => end(false);
    const timer = setTimeout(() => end(true), ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
