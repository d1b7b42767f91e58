/**
 * `stepgate/verify`: all that a tool adapter needs to accept capability tokens offline, and nothing else.
 *
 * An adapter loads the gateway's public keys once, verifies each call's token against what it is about to do, counts the
 * call, and refuses everything else. No network, no configuration, no package from outside.
 */
import type { ScopeDemand, StepSubject } from "./core/capability.ts";
import type { RunUid, StepId, TenantUid } from "./core/ids.ts";

export { type AttenuationInput, attenuateToken } from "./capability/attenuate-token.ts";
export {
  type CallCounter,
  type CallCounterDeps,
  type CallVerdict,
  makeCallCounter,
} from "./capability/call-counter.ts";
export { loadTrust } from "./capability/load-trust.ts";
export { verifyChain } from "./capability/verify-chain.ts";
export { verifyToken } from "./capability/verify-token.ts";
export { canonicalJson } from "./core/canonical-json.ts";
export {
  type ChainVerdict,
  type ChildClaims,
  type Constraint,
  DEFAULT_AUDIENCE,
  type Scope,
  type ScopeDemand,
  type ScopeLimits,
  type StepSubject,
  TOKEN_REASONS,
  type TokenClaims,
  type TokenContext,
  type TokenExpectation,
  type TokenKey,
  type TokenKeys,
  type TokenReason,
  type TokenVerdict,
} from "./core/capability.ts";
export { type ErrorCode, isStepgateError, StepgateError } from "./core/errors.ts";
export type { RunUid, StepId, TenantUid } from "./core/ids.ts";
export type { JsonObject, JsonValue } from "./core/json.ts";
export { parseJson } from "./core/parse-json.ts";

/**
 * The demand of one call of one tool that carries no labelled data.
 *
 * `egress` is every host the call will reach, `host` or `host:port`; an empty list says that it reaches none.
 */
export function callDemand(
  call: Pick<ScopeDemand, "action" | "location" | "tool" | "arguments" | "egress">,
): ScopeDemand {
  return { ...call, limits: { calls: 1 }, data: [] };
}

/** The step that a call says it belongs to; whether it does is what the token proves. `attempt` counts from 1. */
export function stepSubject(tenantUid: string, runUid: string, stepId: string, attempt: number): StepSubject {
  return { tenantUid: tenantUid as TenantUid, runUid: runUid as RunUid, stepId: stepId as StepId, attempt };
}
