/**
 * The first thing every adapter does: verify its token, for itself, before it touches anything (design §5).
 *
 * In: the call and the demand that the adapter worked out itself. Out: go on, or a finished refusal with all reasons.
 * Not here: verification (handed in with the call), counting (handed in as a port).
 */
import type { Scope, ScopeDemand, StepSubject, TokenReason, TokenVerdict } from "../core/capability.ts";
import type { ExecutionContext, ExecutorResult } from "./contract.ts";
import { NO_COST } from "./failure.ts";
import type { AdapterDeps } from "./ports.ts";

/** The scope may be wider than this call's demand; it bounds what the call finds out only later, such as a redirect. */
export type TokenGuardVerdict =
  | { readonly ok: true; readonly scope: Scope }
  | { readonly ok: false; readonly result: ExecutorResult };

export type TokenGuard = (context: ExecutionContext, demand: ScopeDemand) => TokenGuardVerdict;

/**
 * Makes the guard of one adapter: a token for any other audience, attempt, request or scope is refused, and so is the
 * call after the last that it allows. The demand's limits are those of the call, never wider than the token's.
 *
 * What `verifyToken` throws (KEYS_UNAVAILABLE) is passed on: then nothing can be proved and nothing is done.
 */
export function makeTokenGuard({
  calls,
  clockSkewSec,
  audience,
}: AdapterDeps & { readonly audience: string }): TokenGuard {
  const verify = makeTokenCheck({ calls, clockSkewSec, audience });
  return (context, demand) => {
    const verdict = verify(context, demand);
    if (!verdict.ok) return { ok: false, result: refusedToken(verdict.reasons) };
    // the gate proves no possession of `cnf`, so each token is good for one call (spec 10, tokens)
    const counted = calls.count(verdict.claims, { hasProof: false });
    return counted.ok ? { ok: true, scope: verdict.scope } : { ok: false, result: refusedToken(counted.reasons) };
  };
}

/** Verifies without counting: for whoever stands before the adapter that performs the call, and counts it. */
export function makeTokenCheck({
  calls,
  clockSkewSec,
  audience,
}: AdapterDeps & { readonly audience: string }): (context: ExecutionContext, demand: ScopeDemand) => TokenVerdict {
  return (context, demand) => {
    const { tenantUid, runUid, stepId, attempt } = context;
    const subject: StepSubject = { tenantUid, runUid, stepId, attempt };
    return context.verifyToken(context.token, {
      issuer: context.issuer,
      audience,
      subject,
      highestAttemptSeen: calls.highestAttempt(subject),
      request: context.request,
      demand: { ...demand, limits: context.limits },
      clockSkewSec,
    });
  };
}

/** The first reason is the code, which holds one word; the message names all. */
export function refusedToken(reasons: readonly TokenReason[]): ExecutorResult {
  return {
    ok: false,
    kind: "capability_denied",
    retryable: false,
    code: reasons[0] ?? "malformed",
    message: `the capability token does not allow this call: ${reasons.join(", ")}`,
    usage: NO_COST,
    toolEvents: [],
  };
}
