/**
 * Minting: the capability token of one attempt as a compact JWS (design §5, RFC 7515).
 *
 * In: signer, subject, context, scope, times. Out: the token and its claims. What is minted passes the same readers that
 * verification uses. Not here: what the scope should be (narrow-scope.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import {
  MAX_TOKEN_BYTES,
  MAX_TOKEN_LIFETIME_SEC,
  type Scope,
  type StepSubject,
  subjectUrn,
  TOKEN_TYPE,
  type TokenClaims,
  type TokenContext,
} from "../core/capability.ts";
import { readEd25519Key } from "../core/ed25519.ts";
import { type ErrorDetail, StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Signer } from "../core/keys.ts";
import { parseStrictly } from "./parse-token.ts";
import { hasClaimsForm } from "./read-claims.ts";
import { readAuthorizationDetails } from "./read-scope.ts";

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

const SIGNATURE_BYTES = 64;

/**
 * Signs a token for exactly this attempt.
 *
 * @throws {StepgateError} SCOPE_INVALID when the result would not verify: lifetime over 900 s, a scope or context of the
 * wrong form, a holder's key that proves nothing, more than 8 KiB; SIGNER_UNAVAILABLE when the signer cannot sign tokens.
 */
export function mintToken(input: MintInput): MintedToken {
  const claims = claimsOf(input);
  const payload = payloadOf(claims);
  const header = canonicalJson({ alg: "Ed25519", kid: input.signer.kid, typ: TOKEN_TYPE });
  const signingInput = `${base64url(header)}.${base64url(payload)}`;
  const token = `${signingInput}.${Buffer.from(sign(input.signer, signingInput)).toString("base64url")}`;
  if (token.length > MAX_TOKEN_BYTES) throw invalid("size", { bytes: token.length });
  return { token, claims };
}

function claimsOf(input: MintInput): TokenClaims {
  const { issuer, audience, subject, jti, nowSec, ttlSec, context, scope, confirmationJwk } = input;
  if (!(Number.isSafeInteger(ttlSec) && ttlSec >= 1 && ttlSec <= MAX_TOKEN_LIFETIME_SEC)) throw invalid("lifetime");
  if (!isContextOf(context, subject)) throw invalid("context");
  if (confirmationJwk !== undefined && readEd25519Key(confirmationJwk.x) === undefined) throw invalid("confirmation");
  return {
    iss: issuer,
    aud: audience,
    sub: subjectUrn(subject),
    jti,
    iat: nowSec,
    nbf: nowSec,
    exp: nowSec + ttlSec,
    ...(confirmationJwk === undefined ? {} : { cnf: { jwk: confirmationJwk } }),
    tctx: context,
    authorization_details: [scope],
  };
}

/** The claims as they are signed, after they were read as a verifier reads them: 8 µs beside 50 for the signature. */
function payloadOf(claims: TokenClaims): string {
  const payload = canonicalOf(claims);
  const read: unknown = parseStrictly(Buffer.from(payload));
  if (!hasClaimsForm(read)) throw invalid("claims");
  const { ok } = readAuthorizationDetails(read.authorization_details);
  if (!ok) throw invalid("scope");
  return payload;
}

function canonicalOf(claims: TokenClaims): string {
  try {
    return canonicalJson(claims as JsonObject & TokenClaims);
  } catch (cause) {
    throw new StepgateError("SCOPE_INVALID", { reason: "claims" }, { cause });
  }
}

function isContextOf(context: TokenContext, { tenantUid, runUid, stepId, attempt }: StepSubject): boolean {
  return (
    context.tenant === tenantUid && context.run_uid === runUid && context.step === stepId && context.attempt === attempt
  );
}

function sign(signer: Signer, signingInput: string): Uint8Array {
  if (signer.purpose !== "token") throw new StepgateError("SIGNER_UNAVAILABLE", { purpose: signer.purpose });
  const signature = signatureOf(signer, signingInput);
  if (signature.length !== SIGNATURE_BYTES) throw new StepgateError("SIGNER_UNAVAILABLE", { bytes: signature.length });
  return signature;
}

function signatureOf(signer: Signer, signingInput: string): Uint8Array {
  try {
    return signer.sign(Buffer.from(signingInput));
  } catch (cause) {
    throw new StepgateError("SIGNER_UNAVAILABLE", { kid: signer.kid }, { cause });
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function invalid(reason: string, detail: ErrorDetail = {}): StepgateError {
  return new StepgateError("SCOPE_INVALID", { reason, ...detail });
}
