/**
 * Claims against what the one who checks expects: issuer, audience, times, subject, request.
 *
 * In: claims of a token whose signature is good. Out: every reason against it. Every comparison is written as what must
 * hold, so that a NaN refuses. Not here: the scope (scope.ts).
 */
import { MAX_TOKEN_LIFETIME_SEC, subjectUrn, type TokenExpectation, type TokenReason } from "../core/capability.ts";
import { readEd25519Key } from "../core/ed25519.ts";
import type { UnscopedClaims } from "./read-claims.ts";
import { isDigestOf } from "./request-digest.ts";

/** More tolerance than this is a mistake in the settings, not a clock that is off. */
const MAX_CLOCK_SKEW_SEC = 60;

/** Every reason why these claims are not what is expected at `nowSec`. */
export function claimReasons(
  claims: UnscopedClaims,
  expected: TokenExpectation,
  nowSec: number,
): readonly TokenReason[] {
  const reasons: TokenReason[] = [];
  if (claims.iss !== expected.issuer) reasons.push("issuer");
  if (claims.aud !== expected.audience) reasons.push("audience");
  if (!isSubject(claims, expected)) reasons.push("subject");
  if (!(claims.tctx.attempt >= expected.highestAttemptSeen)) reasons.push("superseded");
  const { salt, canonical } = expected.request;
  if (!isDigestOf(claims.tctx.request_digest, salt, canonical)) reasons.push("request_digest");
  return [...reasons, ...ownReasons(claims, expected.clockSkewSec, nowSec)];
}

/** Every reason against these claims that lies in themselves: their times, and the holder's key. */
export function ownReasons(claims: UnscopedClaims, clockSkewSec: number, nowSec: number): readonly TokenReason[] {
  const reasons = timeReasons(claims, clockSkewSec, nowSec);
  return isConfirmationStrong(claims) ? reasons : [...reasons, "confirmation"];
}

/** `exp` is exact, only the beginning is tolerant (RFC 7519 §4.1.4): an expired token is never stretched. */
function timeReasons({ iat, nbf, exp }: UnscopedClaims, skewSec: number, nowSec: number): readonly TokenReason[] {
  const latestStart = nowSec + Math.min(skewSec, MAX_CLOCK_SKEW_SEC);
  const reasons: TokenReason[] = [];
  if (!(nowSec < exp)) reasons.push("expired");
  if (!(nbf <= latestStart && iat <= latestStart)) reasons.push("not_yet_valid");
  if (!(exp > iat && exp - iat <= MAX_TOKEN_LIFETIME_SEC)) reasons.push("lifetime");
  return reasons;
}

/** The subject is written twice, as text and as fields; both must be the expected one. */
function isSubject({ sub, tctx }: UnscopedClaims, { subject }: TokenExpectation): boolean {
  return (
    sub === subjectUrn(subject) &&
    tctx.tenant === subject.tenantUid &&
    tctx.run_uid === subject.runUid &&
    tctx.step === subject.stepId &&
    tctx.attempt === subject.attempt
  );
}

function isConfirmationStrong({ cnf }: UnscopedClaims): boolean {
  return cnf === undefined || readEd25519Key(cnf.jwk.x) !== undefined;
}
