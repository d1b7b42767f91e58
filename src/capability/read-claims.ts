/**
 * The claims of a token as they must look, field by field; a claim that is not in the profile is refused (design §5).
 *
 * In: parsed JSON. Out: the claims, typed, with the authorization details still unread. Not here: whether they are the
 * ones that somebody expects (check-claims.ts), the scope (read-scope.ts).
 */
import type { ChildClaims, TokenClaims, TokenContext } from "../core/capability.ts";
import { DIGEST_PATTERN } from "../core/ids.ts";
import { hasFields, hasOnlyIntegers, isCount, isText, type UnknownRecord } from "./form.ts";

type Unscoped<Claims> = Omit<Claims, "authorization_details"> & { readonly authorization_details: unknown };
export type UnscopedClaims = Unscoped<TokenClaims>;
export type UnscopedChildClaims = Unscoped<ChildClaims>;

const CLAIMS = ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "tctx", "authorization_details"] as const;
const CONTEXT = [
  "tenant",
  "run_uid",
  "step",
  "attempt",
  "spec_digest",
  "request_digest",
  "pack",
  "admission_uid",
] as const;
const DIGEST = new RegExp(DIGEST_PATTERN);

/** Whether a parsed payload has the form of a gateway's claims, every number an integer within 2^53 − 1. */
export function hasClaimsForm(value: unknown): value is UnscopedClaims {
  return hasFields(value, CLAIMS, ["cnf"]) && areClaims(value);
}

/** Whether it has the form of claims that a holder derived: those of a gateway, and where they come from. */
export function hasChildForm(value: unknown): value is UnscopedChildClaims {
  if (!hasFields(value, [...CLAIMS, "par_hash", "depth"], ["cnf"]) || !areClaims(value)) return false;
  return isDigest(value["par_hash"]) && isCount(value["depth"]) && value["depth"] > 0;
}

function areClaims(value: UnknownRecord): boolean {
  const { iss, aud, sub, jti, iat, nbf, exp, tctx, cnf } = value;
  return (
    hasOnlyIntegers(value) &&
    // one audience as a text: a token for several could be carried from one to the next (RFC 8725 §3.9)
    [iss, aud, sub, jti].every(isText) &&
    [iat, nbf, exp].every(isCount) &&
    isTokenContext(tctx) &&
    (cnf === undefined || isConfirmation(cnf))
  );
}

function isTokenContext(value: unknown): value is TokenContext {
  if (!hasFields(value, CONTEXT)) return false;
  const { tenant, run_uid: runUid, step, attempt, spec_digest: spec, request_digest: request, pack } = value;
  return (
    [tenant, runUid, step, value["admission_uid"]].every(isText) &&
    isCount(attempt) &&
    attempt > 0 &&
    isDigest(spec) &&
    isDigest(request) &&
    hasFields(pack, ["id", "version", "digest"]) &&
    isText(pack["id"]) &&
    isText(pack["version"]) &&
    isDigest(pack["digest"])
  );
}

/** RFC 7800 §3.2 with an RFC 8037 key; whether the key can be believed is checked with the other claims. */
function isConfirmation(value: unknown): value is TokenClaims["cnf"] {
  if (!hasFields(value, ["jwk"]) || !hasFields(value["jwk"], ["kty", "crv", "x"])) return false;
  const { kty, crv, x } = value["jwk"];
  return kty === "OKP" && crv === "Ed25519" && isText(x);
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}
