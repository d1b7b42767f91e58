/**
 * Minting: the capability token of one attempt as a compact JWS (design §5, RFC 7515).
 *
 * In: signer, subject, context, scope, times. Out: the token and its claims. What is minted passes the same readers that
 * verification uses. Not here: what the scope should be (narrow-scope.ts).
 */
import {
  MAX_TOKEN_LIFETIME_SEC,
  type Scope,
  type StepSubject,
  subjectUrn,
  type TokenClaims,
  type TokenContext,
} from "../core/capability.ts";
import { readEd25519Key } from "../core/ed25519.ts";
import { StepgateError } from "../core/errors.ts";
import type { Signer } from "../core/keys.ts";
import { hasClaimsForm } from "./read-claims.ts";
import { signClaims } from "./sign-claims.ts";

export interface MintInput {
  readonly signer: Signer;
  readonly issuer: string;
  /** The adapter's id. */
  readonly audience: string;
  readonly subject: StepSubject;
  /** A UUIDv7. */
  readonly jti: string;
  readonly nowSec: number;
  /** 1 to 900. */
  readonly ttlSec: number;
  /** Must name the same subject. */
  readonly context: TokenContext;
  readonly scope: Scope;
  /** The holder's key, if calls are to prove possession (RFC 7800). */
  readonly confirmationJwk?: NonNullable<TokenClaims["cnf"]>["jwk"];
}

export interface MintedToken {
  readonly token: string;
  readonly claims: TokenClaims;
}

/**
 * Signs a token for exactly this attempt.
 *
 * @throws {StepgateError} SCOPE_INVALID when the result would not verify: lifetime over 900 s, a scope or context of the
 * wrong form, a holder's key that proves nothing, more than 8 KiB; SIGNER_UNAVAILABLE when the signer cannot sign tokens.
 */
export function mintToken(input: MintInput): MintedToken {
  const { signer } = input;
  if (signer.purpose !== "token") throw new StepgateError("SIGNER_UNAVAILABLE", { purpose: signer.purpose });
  const claims = claimsOf(input);
  return { token: signClaims(signer, claims, hasClaimsForm), claims };
}

function claimsOf(input: MintInput): TokenClaims {
  const { issuer, audience, subject, jti, nowSec, ttlSec, context, scope, confirmationJwk } = input;
  if (!(Number.isSafeInteger(ttlSec) && ttlSec >= 1 && ttlSec <= MAX_TOKEN_LIFETIME_SEC)) throw invalid("lifetime");
  if (!isContextOf(context, subject)) throw invalid("context");
  if (confirmationJwk !== undefined && readEd25519Key(confirmationJwk.x) === undefined) throw invalid("confirmation");
  return {
    // in canonical order, which spares sorting
    aud: audience,
    authorization_details: [scope],
    ...(confirmationJwk === undefined ? {} : { cnf: { jwk: confirmationJwk } }),
    exp: nowSec + ttlSec,
    iat: nowSec,
    iss: issuer,
    jti,
    nbf: nowSec,
    sub: subjectUrn(subject),
    tctx: context,
  };
}

function isContextOf(context: TokenContext, { tenantUid, runUid, stepId, attempt }: StepSubject): boolean {
  return (
    context.tenant === tenantUid && context.run_uid === runUid && context.step === stepId && context.attempt === attempt
  );
}

function invalid(reason: string): StepgateError {
  return new StepgateError("SCOPE_INVALID", { reason });
}
