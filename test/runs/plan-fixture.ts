/**
 * Small plans for tests, written as callers write them.
 *
 * Not here: tests.
 */
import type { JsonObject } from "../../src/core/json.ts";
import { normalizeSubmission, type Plan } from "../../src/runs/normalize-submission.ts";
import { DEFAULT_PLAN_LIMITS, type PlanRules, type ValidPlan, validatePlan } from "../../src/runs/plan.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";

/** A noop step; `more` overrides its fields. */
export function step(id: string, more: Partial<StepSubmission> = {}): StepSubmission {
  return { id, type: "noop", ...more };
}

/** A noop step that takes a value of another by reference. */
export function stepTaking(id: string, from: string, pointer = ""): StepSubmission {
  return step(id, { inputs: { value: { $from: from, pointer } } satisfies JsonObject });
}

/** A noop step with a compensation. */
export function undoing(id: string, target: string): StepSubmission {
  return step(id, { execution: { compensation: { step: target } } });
}

export function planOf(steps: readonly StepSubmission[], edges: readonly (readonly [string, string])[] = []): Plan {
  const { plan } = normalizeSubmission({ steps, edges });
  if (plan === undefined) throw new Error("a submission with steps has a plan");
  return plan;
}

export const openRules: PlanRules = {
  types: new Set(["noop", "process", "http"]),
  limits: DEFAULT_PLAN_LIMITS,
  defaultRequest: new Map(),
  takenOver: new Set(),
  ceilings: [],
  findPackFault: () => undefined,
  areToolsNamed: true,
};

export function validPlan(
  steps: readonly StepSubmission[],
  edges: readonly (readonly [string, string])[] = [],
  rules: Partial<PlanRules> = {},
): ValidPlan {
  return validatePlan(planOf(steps, edges), { ...openRules, ...rules });
}
