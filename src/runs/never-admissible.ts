/**
 * Steps that could never be admitted: they ask for more than the whole of a limit (spec 02, 03).
 *
 * In: the plan's steps and the limits over them. Out: nothing, or a refusal. Not here: what is left of a limit (tenancy/).
 */
import { type Amount, NOTHING } from "../core/amount.ts";
import { StepgateError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import type { StepSpec } from "../core/step.ts";
import type { GivenAmount } from "./read-amount.ts";
import { requestOf } from "./step-request.ts";

/** The tenant's default request by step type; a type that is not in it asks for nothing. */
export type TenantDefaults = ReadonlyMap<string, Amount>;

/** The whole of one limit; an absent unit is unlimited. */
export interface Ceiling extends GivenAmount {
  /** `run_budget`, or the id of a quota. */
  readonly name: string;
  /** A compensation may overdraw its run's budget by its own hint, never a tenant's quota. */
  readonly bindsCompensations: boolean;
}

/** @throws {StepgateError} PLAN_NEVER_ADMISSIBLE {step, ceiling, unit, requested, limit} for the first such step. */
export function refuseNeverAdmissible(plan: {
  readonly steps: readonly StepSpec[];
  readonly origins: ReadonlyMap<StepId, StepId>;
  readonly ceilings: readonly Ceiling[];
  readonly defaultRequest: TenantDefaults;
}): void {
  for (const spec of plan.steps) {
    const { tokens, usdMicros } = requestOf(spec, plan.defaultRequest.get(spec.type) ?? NOTHING);
    for (const ceiling of plan.ceilings) {
      const mayOverdraw = plan.origins.has(spec.id) && !ceiling.bindsCompensations;
      const hint = mayOverdraw ? spec.execution.cost_hint : undefined;
      if (hint?.tokens === undefined) refuseAbove(spec.id, ceiling, "tokens", tokens);
      if (hint?.usd_micros === undefined) refuseAbove(spec.id, ceiling, "usd_micros", usdMicros);
    }
  }
}

function refuseAbove(step: StepId, ceiling: Ceiling, unit: "tokens" | "usd_micros", requested: number): void {
  const limit = ceiling[unit];
  if (limit !== undefined && requested > limit)
    throw new StepgateError("PLAN_NEVER_ADMISSIBLE", { step, ceiling: ceiling.name, unit, requested, limit });
}
