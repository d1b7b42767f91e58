/**
 * Verification of a capability token: the one code path of gate and adapters (design §5, RFC 8725).
 *
 * In: a token, keys from outside it, what is expected, the time. Out: its claims and scope, or every reason against it.
 * Not here: counting calls per token (call-counter.ts), remembering what was read (make-verifier.ts).
 */
import { type KeyObject, verify as verifyEd25519 } from "node:crypto";
import {
  TOKEN_TYPE,
  type TokenExpectation,
  type TokenKey,
  type TokenKeys,
  type TokenReason,
  type TokenVerdict,
} from "../core/capability.ts";
import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { claimReasons } from "./check-claims.ts";
import { type ParsedToken, parseStrictly, parseToken } from "./parse-token.ts";
import { hasClaimsForm, type UnscopedClaims } from "./read-claims.ts";
import { orderedReasons, readAuthorizationDetails } from "./read-scope.ts";
import { demandFits } from "./scope.ts";

/** Whether the signature over a parsed token is one of this key. */
export type CheckSignature = (token: string, parsed: ParsedToken, key: TokenKey) => boolean;

/** Claims and scope of a signed token, not yet compared with what is expected. */
export type TokenReading =
  | {
      readonly ok: true;
      readonly claims: UnscopedClaims;
      readonly scope: ReturnType<typeof readAuthorizationDetails>;
    }
  | { readonly ok: false; readonly reasons: readonly TokenReason[] };
export type ReadToken = (token: string, keys: TokenKeys) => TokenReading;

const readInFull: ReadToken = (token, keys) => readToken(checkSignature, token, keys);

const HEADER_FIELDS: ReadonlySet<string> = new Set(["alg", "typ", "kid"]);

/**
 * Verifies one capability token and returns its claims and scope, or every reason why not.
 *
 * Order: size, shape, header, key, signature (Ed25519 only, RFC 8037), then claims, subject, request and scope together.
 * A token whose signature is not good is not interpreted: its reasons say nothing about its claims.
 * A refusal is a value, since the guard records all reasons; only broken keys throw.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE when no keys are loaded or the one named is not an Ed25519 public key,
 * JSON_INVALID when an argument of the demand is not JSON.
 */
export function verifyToken(token: string, keys: TokenKeys, expected: TokenExpectation, nowSec: number): TokenVerdict {
  return verifyTokenWith(readInFull, { token, keys, expected, nowSec });
}

/** `verifyToken` with the reading of the token given: everything that is expected of it is checked each time. */
export function verifyTokenWith(
  read: ReadToken,
  {
    token,
    keys,
    expected,
    nowSec,
  }: Readonly<{ token: string; keys: TokenKeys; expected: TokenExpectation; nowSec: number }>,
): TokenVerdict {
  const known = read(token, keys);
  if (!known.ok) return refuse(known.reasons);
  const { claims, scope } = known;
  const reasons = [
    ...claimReasons(claims, expected, nowSec),
    ...(scope.ok ? demandFits(scope.scope, expected.demand, expected.request.salt) : scope.reasons),
  ];
  if (!scope.ok || reasons.length > 0) return refuse(reasons, claims.jti);
  return { ok: true, claims: { ...claims, authorization_details: [scope.scope] }, scope: scope.scope };
}

/**
 * What a token that one of these keys signed says, whoever asks and whenever; every reason where it says nothing.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE as `verifyToken`.
 */
export function readToken(check: CheckSignature, token: string, keys: TokenKeys): TokenReading {
  const opened = openToken(check, token, keys);
  if (!opened.ok) return opened;
  const claims = opened.payload;
  if (!hasClaimsForm(claims)) return { ok: false, reasons: ["malformed"] };
  return { ok: true, claims, scope: readAuthorizationDetails(claims.authorization_details) };
}

/**
 * The payload of a token that one of these keys signed, parsed strictly but not read; undefined when it is no strict JSON.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE as `verifyToken`.
 */
export function openToken(
  check: CheckSignature,
  token: string,
  keys: TokenKeys,
): { readonly ok: true; readonly payload: unknown } | { readonly ok: false; readonly reasons: readonly TokenReason[] } {
  if (keys.size === 0) throw new StepgateError("KEYS_UNAVAILABLE");
  const verdict = parseToken(token);
  if (!verdict.ok) return { ok: false, reasons: [verdict.reason] };
  const { parsed } = verdict;
  const { key, reasons } = readHeader(parsed.header, keys);
  if (key === undefined || reasons.length > 0) return { ok: false, reasons };
  if (!check(token, parsed, key)) return { ok: false, reasons: ["signature"] };
  return { ok: true, payload: parseStrictly(parsed.payload) };
}

/**
 * Verifies the signature itself (RFC 8032 §5.1.7), synchronously: ~110 µs.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE when the key is not an Ed25519 public key.
 */
export function checkSignature(
  _token: string,
  { signingInput, signature }: ParsedToken,
  { publicKey }: TokenKey,
): boolean {
  requireEd25519(publicKey);
  return verifyEd25519(null, Buffer.from(signingInput, "latin1"), publicKey, signature);
}

/** The key that the header names, and every reason against the header. The algorithm is the key's, never the token's. */
function readHeader(
  header: JsonObject,
  keys: TokenKeys,
): { readonly key: TokenKey | undefined; readonly reasons: readonly TokenReason[] } {
  const { alg, typ, kid } = header;
  const key = typeof kid === "string" ? keys.get(kid) : undefined;
  const reasons: TokenReason[] = [];
  if (Object.keys(header).some((name) => !HEADER_FIELDS.has(name))) reasons.push("header");
  if (alg !== (key?.alg ?? "Ed25519")) reasons.push("algorithm");
  if (typ !== TOKEN_TYPE) reasons.push("type");
  if (key === undefined) reasons.push("unknown_key");
  return { key, reasons };
}

function requireEd25519(key: KeyObject): void {
  if (key.type !== "public" || key.asymmetricKeyType !== "ed25519") {
    throw new StepgateError("KEYS_UNAVAILABLE", { key_type: key.type, algorithm: key.asymmetricKeyType ?? "none" });
  }
}

function refuse(reasons: readonly TokenReason[], jti?: string): TokenVerdict {
  return { ok: false, reasons: orderedReasons(reasons), jti };
}
