/**
 * A step as it runs: the submitted form after validation, money in micro-USD, ratios in parts per million.
 *
 * Field names are those of the API, since packs see and patch exactly this form. Not here: the submission schema (runs/).
 */
import type { StepId } from "./ids.ts";
import type { JsonObject } from "./json.ts";
import type { ToolRef } from "./tool.ts";

export interface StepSpec {
  readonly id: StepId;
  readonly type: string;
  readonly slug?: string;
  /** The version of the tool that the step is bound to since its submission; a step of type `tool` has one. */
  readonly tool?: ToolRef;
  /** Untrusted. References (`$from`) are resolved before the packs see it. */
  readonly inputs: JsonObject;
  readonly policy: StepPolicy;
  readonly execution: StepExecution;
}

export interface StepPolicy {
  /** Flags of design §2: `redact_pii`, `block_injection`, `egress_http_allowlist:<domain>` … */
  readonly guardrails: readonly string[];
  readonly packs: readonly StepPackUse[];
  /** The step's own cap; it also narrows the token. */
  readonly budget?: { readonly tokens?: number; readonly usd_micros?: number };
  readonly slo?: StepSlo;
  readonly pack?: string;
}

export interface StepPackUse {
  readonly name: string;
  readonly hooks: readonly ("pre" | "post")[];
  readonly options: JsonObject;
}

export interface StepSlo {
  readonly tier: string;
  readonly queue_target_ms: number;
  readonly priority_boost: number;
  readonly error_budget_ppm: number;
}

export interface StepExecution {
  /** At least 1; counts made attempts that ended in an error. */
  readonly max_attempts: number;
  readonly retry_backoff_ms: number;
  /** Factor × 1 000 000, at least 1 000 000. */
  readonly retry_backoff_factor_ppm: number;
  /** From the run's retry policy: a cap below the platform's own. */
  readonly retry_backoff_max_ms?: number;
  /** 0 = none. */
  readonly deadline_ms: number;
  readonly checkpoint: boolean;
  readonly compensation?: { readonly step: StepId; readonly on: "failure_of_step" | "failure_of_run" };
  readonly cost_hint?: { readonly tokens?: number; readonly usd_micros?: number };
  readonly concurrency_key?: string;
  readonly facts?: boolean;
}

/** The policy block as packs see it: plain JSON, absent fields left out. */
export function policyJson({ guardrails, packs, budget, slo, pack }: StepPolicy): JsonObject {
  return {
    guardrails,
    packs: packs.map(({ name, hooks, options }) => ({ name, hooks, options })),
    ...(budget === undefined ? {} : { budget }),
    ...(slo === undefined ? {} : { slo: { ...slo } }),
    ...(pack === undefined ? {} : { pack }),
  };
}

/** The execution block as packs see and patch it. */
export function executionJson(execution: StepExecution): JsonObject {
  const { compensation, cost_hint: costHint, concurrency_key: concurrencyKey, facts, ...rest } = execution;
  return {
    ...rest,
    ...(compensation === undefined ? {} : { compensation: { ...compensation } }),
    ...(costHint === undefined ? {} : { cost_hint: costHint }),
    ...(concurrencyKey === undefined ? {} : { concurrency_key: concurrencyKey }),
    ...(facts === undefined ? {} : { facts }),
  };
}
