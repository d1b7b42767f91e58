/**
 * Claims as a compact JWS (RFC 7515 §3.1): written canonically, read back as a verifier reads them, signed.
 *
 * In: a key and claims. Out: the token, which has the form that verification wants, or nothing. Not here: what the claims
 * should say (mint-token.ts, attenuate-token.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { MAX_TOKEN_BYTES, TOKEN_TYPE, type TokenClaims } from "../core/capability.ts";
import { type ErrorDetail, StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Signer } from "../core/keys.ts";
import { parseStrictly } from "./parse-token.ts";
import type { UnscopedClaims } from "./read-claims.ts";
import { readAuthorizationDetails } from "./read-scope.ts";

const SIGNATURE_BYTES = 64;

/**
 * Signs claims under the key's own kid.
 *
 * `hasForm` is the reader that verification will use.
 *
 * @throws {StepgateError} SCOPE_INVALID for claims or a scope of the wrong form, or a token over 8 KiB;
 * SIGNER_UNAVAILABLE when the key gives no signature.
 */
export function signClaims(
  signer: Pick<Signer, "kid" | "sign">,
  claims: TokenClaims,
  hasForm: (value: unknown) => value is UnscopedClaims,
): string {
  const payload = canonicalOf(claims);
  const read: unknown = parseStrictly(Buffer.from(payload));
  if (!hasForm(read)) throw invalid("claims");
  if (!readAuthorizationDetails(read.authorization_details).ok) throw invalid("scope");
  const header = canonicalJson({ alg: "Ed25519", kid: signer.kid, typ: TOKEN_TYPE });
  const signingInput = `${base64url(header)}.${base64url(payload)}`;
  const token = `${signingInput}.${signatureOf(signer, signingInput)}`;
  if (token.length > MAX_TOKEN_BYTES) throw invalid("size", { bytes: token.length });
  return token;
}

function canonicalOf(claims: TokenClaims): string {
  try {
    return canonicalJson(claims as JsonObject & TokenClaims);
  } catch (cause) {
    throw new StepgateError("SCOPE_INVALID", { reason: "claims" }, { cause });
  }
}

function signatureOf(signer: Pick<Signer, "kid" | "sign">, signingInput: string): string {
  const signature = trySign(signer, Buffer.from(signingInput));
  if (signature.length !== SIGNATURE_BYTES) throw new StepgateError("SIGNER_UNAVAILABLE", { bytes: signature.length });
  return Buffer.from(signature).toString("base64url");
}

function trySign(signer: Pick<Signer, "kid" | "sign">, message: Uint8Array): Uint8Array {
  try {
    return signer.sign(message);
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
