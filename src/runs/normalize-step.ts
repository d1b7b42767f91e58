/**
 * Turns a submitted step into the step that runs: defaults filled, money in micro-USD, factors in ppm (spec 00, 01).
 *
 * In: a checked submission and the run's retry policy. Out: core's `StepSpec`. Not here: the plan's rules (plan.ts).
 */
import { StepgateError } from "../core/errors.ts";
import { parseGuardrailFlag } from "../core/guardrail-flag.ts";
import type { StepId } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { StepExecution, StepPackUse, StepPolicy, StepSlo, StepSpec } from "../core/step.ts";
import { readAmount, readPpm, readTokens, readUsd } from "./read-amount.ts";
import type { RetryPolicy } from "./run-config.ts";
import { DEFAULT_QUEUE_TARGET_MS } from "./slo.ts";
import type { StepSubmission } from "./step-submission.ts";

const HOOKS = ["pre", "post"] as const;
const DEFAULT_FACTOR_PPM = 2_000_000;

/**
 * Normalises one step. `field` is the pointer of the step in the request, for errors.
 *
 * A step's own `execution` wins over `retryPolicy`, which wins over the defaults (spec 08).
 *
 * @throws {StepgateError} FIELD_INVALID naming the field: unknown guardrail flag, a hook `mid`, money given twice or not exact,
 *   a factor finer than one millionth, an estimate in the inputs that is no number.
 */
export function normalizeStep(step: StepSubmission, retryPolicy: RetryPolicy | undefined, field: string): StepSpec {
  const inputs = step.inputs ?? {};
  checkEstimates(inputs, `${field}/inputs`);
  return {
    id: step.id as StepId,
    type: step.type,
    ...(step.slug !== undefined && { slug: step.slug }),
    inputs,
    policy: normalizePolicy(step.policy ?? {}, `${field}/policy`),
    execution: normalizeExecution(step.execution ?? {}, retryPolicy, `${field}/execution`),
  };
}

function normalizePolicy(policy: NonNullable<StepSubmission["policy"]>, field: string): StepPolicy {
  const guardrails = policy.guardrails ?? [];
  for (const [index, flag] of guardrails.entries()) {
    if (parseGuardrailFlag(flag) === undefined)
      throw new StepgateError("FIELD_INVALID", { field: `${field}/guardrails/${index}`, reason: "unknown flag" });
  }
  const budget = readAmount(policy.budget, `${field}/budget`);
  return {
    guardrails,
    packs: (policy.packs ?? []).map((pack, index) => normalizePack(pack, `${field}/packs/${index}`)),
    ...(budget !== undefined && { budget }),
    ...(policy.slo !== undefined && { slo: normalizeSlo(policy.slo) }),
    ...(policy.pack !== undefined && { pack: policy.pack }),
  };
}

function normalizePack(
  pack: NonNullable<NonNullable<StepSubmission["policy"]>["packs"]>[number],
  field: string,
): StepPackUse {
  const options = pack.options ?? {};
  return {
    name: pack.name,
    hooks: (pack.hooks ?? HOOKS).map((hook, index) => normalizeHook(hook, `${field}/hooks/${index}`)),
    options: pack.name === "budget_caps" ? normalizeBudgetCaps(options, `${field}/options`) : options,
  };
}

/** @throws {StepgateError} FIELD_INVALID for `mid`, which other systems have: a guardrail that never ran would read as one. */
function normalizeHook(hook: "pre" | "post" | "mid", field: string): (typeof HOOKS)[number] {
  if (hook !== "mid") return hook;
  throw new StepgateError("FIELD_INVALID", { field, reason: "there is no hook mid: a pack decides pre or post" });
}

/** The one built-in pack whose options are money and a ratio: packs and manifests see integers. */
function normalizeBudgetCaps(options: JsonObject, field: string): JsonObject {
  const { max_cost: maxCost, warn_ratio: warnRatio, ...others } = options;
  const units: Record<string, JsonValue> = {};
  if (maxCost !== undefined) units["max_usd_micros"] = readUsd(maxCost, `${field}/max_cost`);
  if (warnRatio !== undefined) units["warn_ratio_ppm"] = readPpm(warnRatio, `${field}/warn_ratio`);
  for (const name of Object.keys(units)) {
    if (Object.hasOwn(others, name))
      throw new StepgateError("FIELD_INVALID", { field: `${field}/${name}`, reason: "given in two units" });
  }
  return { ...others, ...units };
}

function normalizeSlo(slo: NonNullable<NonNullable<StepSubmission["policy"]>["slo"]>): StepSlo {
  return {
    tier: slo.tier,
    queue_target_ms: slo.queue_target_ms ?? DEFAULT_QUEUE_TARGET_MS,
    priority_boost: slo.priority_boost ?? 0,
    error_budget_ppm: slo.error_budget_ppm ?? 0,
  };
}

function normalizeExecution(
  execution: NonNullable<StepSubmission["execution"]>,
  retryPolicy: RetryPolicy | undefined,
  field: string,
): StepExecution {
  const costHint = readAmount(execution.cost_hint, `${field}/cost_hint`);
  const { compensation } = execution;
  return {
    max_attempts: execution.max_attempts ?? retryPolicy?.max_attempts ?? 1,
    ...normalizeBackoff(execution, retryPolicy, field),
    deadline_ms: execution.deadline_ms ?? 0,
    checkpoint: execution.checkpoint ?? false,
    ...(compensation !== undefined && {
      compensation: { step: compensation.step as StepId, on: compensation.on ?? "failure_of_step" },
    }),
    ...(costHint !== undefined && { cost_hint: costHint }),
    ...(execution.concurrency_key !== undefined && { concurrency_key: execution.concurrency_key }),
    ...(execution.facts !== undefined && { facts: execution.facts }),
  };
}

type Backoff = Pick<StepExecution, "retry_backoff_ms" | "retry_backoff_factor_ppm" | "retry_backoff_max_ms">;

/** Taken whole from the step if it sets any part of it, else whole from the run: halves of two policies make neither. */
function normalizeBackoff(
  execution: NonNullable<StepSubmission["execution"]>,
  retryPolicy: RetryPolicy | undefined,
  field: string,
): Backoff {
  const backoff = retryPolicy?.backoff;
  if (
    execution.retry_backoff_ms === undefined &&
    execution.retry_backoff_factor === undefined &&
    backoff !== undefined
  ) {
    return backoff.kind === "fixed"
      ? { retry_backoff_ms: backoff.delay_ms, retry_backoff_factor_ppm: 1_000_000 }
      : {
          retry_backoff_ms: backoff.base_ms,
          retry_backoff_factor_ppm: DEFAULT_FACTOR_PPM,
          retry_backoff_max_ms: backoff.max_ms,
        };
  }
  const factor = execution.retry_backoff_factor;
  return {
    retry_backoff_ms: execution.retry_backoff_ms ?? 0,
    retry_backoff_factor_ppm:
      factor === undefined ? DEFAULT_FACTOR_PPM : readPpm(factor, `${field}/retry_backoff_factor`),
  };
}

/**
 * Checks the amounts that inputs may estimate.
 *
 * @throws {StepgateError} FIELD_INVALID naming the estimate under `field`.
 */
export function checkEstimates(inputs: JsonObject, field: string): void {
  if (inputs["token_estimate"] !== undefined) readTokens(inputs["token_estimate"], `${field}/token_estimate`);
  if (inputs["cost_estimate"] !== undefined) readUsd(inputs["cost_estimate"], `${field}/cost_estimate`);
}
