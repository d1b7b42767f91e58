/**
 * `noop`: returns what its inputs tell it to return, fails when they tell it to fail; for tests, benches, first tries.
 *
 * In: `{result?, usage?, checkpoint?, fail?}` beside anything else. Out: `result`, or null. It verifies its token like any
 * adapter and touches nothing. Not here: real work.
 */
import Type, { type Static } from "typebox";
import type { ScopeDemand } from "../../core/capability.ts";
import { isAtLeast } from "../../core/isolation.ts";
import type { StepSpec } from "../../core/step.ts";
import type { AdapterCheck, ExecutionContext, ExecutorAdapter, ExecutorResult, WantedIsolation } from "../contract.ts";
import { executionError, stopped } from "../failure.ts";
import type { AdapterDeps } from "../ports.ts";
import { anyJson, closed, integer, makeReader, publishSchema, type Read } from "../schema.ts";
import { makeTokenGuard } from "../token-guard.ts";

export const NOOP_AUDIENCE = "adapter.noop";

const NoopSettings = Type.Object({}, closed);

/** Other members are allowed: steps that stand in for real ones carry the real ones' inputs. */
const NoopInputs = Type.Object({
  result: Type.Optional(anyJson("What the step returns. Default null.")),
  usage: Type.Optional(
    Type.Object(
      {
        tokens: Type.Optional(integer(0, Number.MAX_SAFE_INTEGER, "Tokens reported.")),
        usd_micros: Type.Optional(integer(0, Number.MAX_SAFE_INTEGER, "Money reported, in micro-USD.")),
      },
      { ...closed, description: "What the step reports as used. Default nothing." },
    ),
  ),
  checkpoint: Type.Optional(anyJson("Checkpoint handed to the next attempt.")),
  fail: Type.Optional(
    Type.Object(
      {
        code: Type.String({ pattern: "^[a-z][a-z0-9_]{0,63}$", description: "Code of the error." }),
        message: Type.String({ maxLength: 4096, description: "Text of the error." }),
        retryable: Type.Optional(Type.Boolean({ description: "Whether another attempt makes sense. Default true." })),
        times: Type.Optional(integer(1, 1000, "Fails on attempts 1 to this number. Default: on every attempt.")),
      },
      { ...closed, description: "Fails on purpose." },
    ),
  ),
});
type NoopInputs = Read<Static<typeof NoopInputs>>;

/** Makes the adapter. It runs inside the gateway's own process and gives no isolation, having nothing to isolate. */
export function makeNoopAdapter(deps: AdapterDeps): ExecutorAdapter {
  const guard = makeTokenGuard({ ...deps, audience: NOOP_AUDIENCE });
  const readInputs = makeReader(NoopInputs);
  const readSettings = makeReader(NoopSettings);
  return {
    type: "noop",
    audience: NOOP_AUDIENCE,
    settingsSchema: publishSchema(NoopSettings),
    inputsSchema: publishSchema(NoopInputs),
    secrets: undefined,
    defaultSettings: {},
    describe: () => ({
      type: "noop",
      version: "1.0.0",
      summary: "Returns inputs.result, or fails on purpose.",
      effects: "none",
      meters: [],
      isolation: "none",
    }),
    scope: noopScope,
    check: (spec, settings, wanted) => {
      if (readInputs(spec.inputs) === undefined) return refusal("invalid_request", "inputs_malformed");
      if (readSettings(settings) === undefined) return refusal("invalid_request", "settings_malformed");
      return checkIsolation(wanted);
    },
    selfTest: async () => ({ level: "none", checks: [], advice: undefined }),
    execute: async (context, signal) => {
      const guarded = guard(context, noopScope(context.spec));
      if (!guarded.ok) return guarded.result;
      if (signal.aborted) return stopped(signal);
      const inputs = readInputs(context.spec.inputs);
      if (inputs === undefined)
        return executionError({
          code: "inputs_malformed",
          message: "the inputs are not of the right form",
          isRetryable: false,
        });
      return answer(inputs, context);
    },
  };
}

function noopScope(_spec: StepSpec): ScopeDemand {
  return {
    action: "invoke",
    location: "adapter:noop",
    tool: "noop",
    arguments: {},
    limits: { calls: 1 },
    egress: [],
    data: [],
  };
}

function answer({ result, usage, checkpoint, fail }: NoopInputs, { attempt }: ExecutionContext): ExecutorResult {
  const reported = { tokens: usage?.tokens ?? 0, usdMicros: usage?.usd_micros ?? 0 };
  if (fail !== undefined && (fail.times === undefined || attempt <= fail.times)) {
    const { code, message, retryable = true } = fail;
    return { ok: false, kind: "execution_error", retryable, code, message, usage: reported, toolEvents: [] };
  }
  return {
    ok: true,
    output: result ?? null,
    usage: reported,
    toolEvents: [],
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

function checkIsolation({ minimum, weakerAllowed }: WantedIsolation): AdapterCheck {
  if (isAtLeast("none", minimum) || weakerAllowed) return { ok: true, isolation: "none" };
  return refusal("sandbox_unavailable", "isolation_too_weak");
}

function refusal(kind: Extract<AdapterCheck, { ok: false }>["kind"], reason: string): AdapterCheck {
  return { ok: false, kind, reasons: [reason] };
}
