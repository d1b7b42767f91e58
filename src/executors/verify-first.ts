/**
 * What every adapter does before it touches anything: verify its token, and count its calls (design §8, spec 10 tokens).
 *
 * In: the execution context. Out: nothing, or the refusal that the adapter returns. Not here: the checks (capability/).
 */
import type { ScopeDemand } from "../core/capability.ts";
import type { ExecutionContext, ExecutorResult } from "./contract.ts";

const CLOCK_SKEW_SEC = 30;

export type VerifyFirst = (context: ExecutionContext, demand: ScopeDemand) => ExecutorResult | undefined;

/**
 * Makes the check of one adapter; `audience` is its own.
 *
 * Calls are counted per token id for as long as any token may live: call `limits.calls` + 1 is refused.
 */
export function makeVerifyFirst({
  audience,
  nowMs,
}: {
  readonly audience: string;
  readonly nowMs: () => number;
}): VerifyFirst {
  const calls = new Map<string, { count: number; readonly endsMs: number }>();
  return (context, demand) => {
    const verdict = context.verifyToken(context.token, {
      issuer: context.issuer,
      audience,
      subject: {
        tenantUid: context.tenantUid,
        runUid: context.runUid,
        stepId: context.stepId,
        attempt: context.attempt,
      },
      highestAttemptSeen: context.attempt,
      request: context.request,
      demand: { ...demand, limits: context.demand.limits },
      clockSkewSec: CLOCK_SKEW_SEC,
    });
    if (!verdict.ok) return refused(verdict.reasons);
    for (const [jti, call] of calls) {
      if (call.endsMs > nowMs()) break;
      calls.delete(jti);
    }
    const call = calls.get(verdict.claims.jti) ?? { count: 0, endsMs: verdict.claims.exp * 1000 };
    call.count += 1;
    calls.set(verdict.claims.jti, call);
    return call.count > verdict.scope.limits.calls ? refused(["limit_calls"]) : undefined;
  };
}

function refused(reasons: readonly string[]): ExecutorResult {
  return {
    ok: false,
    kind: "capability_denied",
    retryable: false,
    code: reasons[0] ?? "missing",
    message: `the token was refused: ${reasons.join(", ")}`,
    usage: { tokens: 0, usdMicros: 0 },
    toolEvents: [],
  };
}
