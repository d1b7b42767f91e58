/**
 * What one step asks of budgets and quotas (spec 03).
 *
 * In: a step as it runs, the tenant's default for its type. Out: tokens and micro-USD. Not here: limits (plan.ts, tenancy/).
 */
import type { Amount } from "../core/amount.ts";
import type { StepSpec } from "../core/step.ts";
import { readTokens, readUsd } from "./read-amount.ts";

/**
 * Request of a step: `execution.cost_hint`, else `policy.budget`, else `inputs.token_estimate` and `cost_estimate`,
 * else the tenant's default; tokens and money each on their own.
 *
 * @throws {StepgateError} FIELD_INVALID when an estimate in the inputs is no valid number, even where a hint wins.
 */
export function requestOf(spec: StepSpec, tenantDefault: Amount): Amount {
  const { token_estimate: tokenEstimate, cost_estimate: costEstimate } = spec.inputs;
  const tokens =
    tokenEstimate === undefined ? tenantDefault.tokens : readTokens(tokenEstimate, "/inputs/token_estimate");
  const usdMicros =
    costEstimate === undefined ? tenantDefault.usdMicros : readUsd(costEstimate, "/inputs/cost_estimate");
  const hint = spec.execution.cost_hint;
  const cap = spec.policy.budget;
  return {
    tokens: hint?.tokens ?? cap?.tokens ?? tokens,
    usdMicros: hint?.usd_micros ?? cap?.usd_micros ?? usdMicros,
  };
}
