/**
 * Policy and execution blocks in canonical form, written once for each block however often it is asked for.
 *
 * Steps of one run often share them (storage/claim-store.ts), and each is part of pack inputs, requests and digests.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { executionJson, policyJson, type StepExecution, type StepPolicy } from "../core/step.ts";

const executions = new WeakMap<StepExecution, string>();
const policies = new WeakMap<StepPolicy, string>();

export function executionText(execution: StepExecution): string {
  const known = executions.get(execution);
  if (known !== undefined) return known;
  const text = canonicalJson(executionJson(execution));
  executions.set(execution, text);
  return text;
}

export function policyText(policy: StepPolicy): string {
  const known = policies.get(policy);
  if (known !== undefined) return known;
  const text = canonicalJson(policyJson(policy));
  policies.set(policy, text);
  return text;
}
