/**
 * The keys an adapter trusts, read from a JWK set (RFC 7517 §5) as `/.well-known/jwks.json` gives it.
 *
 * In: the text, from a file or from a fetch that the adapter makes when it starts. Out: keys by kid. Strict: one bad entry
 * refuses the whole set. Not here: the root-signed trust bundle, which `stepgate verify` reads.
 */
import type { TokenKey, TokenKeys } from "../core/capability.ts";
import { ed25519Thumbprint, readEd25519Key } from "../core/ed25519.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { parseJson } from "../core/parse-json.ts";
import { hasFields, isText } from "./form.ts";

const JWK_FIELDS = ["kty", "crv", "x", "kid", "alg", "use"] as const;

/**
 * Reads a JWK set of Ed25519 signature keys, each named by its RFC 7638 thumbprint.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE with `reason`, and `index` of the entry, when the text is no strict JSON or no
 * key set, holds no key, one twice, one of another form (also a private one), or one under which signatures prove nothing.
 */
export function loadTrust(text: string | Uint8Array): TokenKeys {
  const set = parseSet(text);
  if (!hasFields(set, ["keys"]) || !Array.isArray(set["keys"])) throw unusable("not a key set");
  const keys = new Map<string, TokenKey>();
  for (const [index, jwk] of set["keys"].entries()) {
    const key = readJwk(jwk, index);
    if (keys.has(key.kid)) throw unusable("a key is there twice", index);
    keys.set(key.kid, key);
  }
  if (keys.size === 0) throw unusable("no key");
  return keys;
}

function readJwk(jwk: unknown, index: number): TokenKey {
  // exactly these members: `d` would be a private key that has leaked, any other is not what we publish
  if (!hasFields(jwk, JWK_FIELDS)) throw unusable("not one of our public keys", index);
  const { kty, crv, x, kid, alg, use } = jwk;
  if (kty !== "OKP" || crv !== "Ed25519" || alg !== "Ed25519" || use !== "sig")
    throw unusable("another algorithm", index);
  const publicKey = isText(x) ? readEd25519Key(x) : undefined;
  if (!isText(x) || publicKey === undefined) throw unusable("not a usable point", index);
  if (kid !== ed25519Thumbprint(x)) throw unusable("the kid is not the thumbprint", index);
  return { kid, alg, publicKey };
}

function parseSet(text: string | Uint8Array): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    if (!isStepgateError(cause)) throw cause;
    throw new StepgateError("KEYS_UNAVAILABLE", { reason: "not strict JSON" }, { cause });
  }
}

function unusable(reason: string, index?: number): StepgateError {
  return new StepgateError("KEYS_UNAVAILABLE", { reason, ...(index === undefined ? {} : { index }) });
}
