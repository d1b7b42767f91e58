/**
 * Signing keys: Ed25519 as KeyObjects, named by their RFC 7638 thumbprint (RFC 8032, RFC 8037).
 *
 * In: a 32-byte seed, or a public JWK. Out: a Signer (core/keys.ts), synchronous; or a public key.
 * Not here: where seeds are kept (key-wrap.ts, key-files.ts), which key may sign what (trust-bundle.ts).
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { ed25519Thumbprint, readEd25519Key } from "../core/ed25519.ts";
import { StepgateError } from "../core/errors.ts";
import type { PublicJwk, Signer, SigningPurpose } from "../core/keys.ts";
import { fields, oneOf, pattern } from "./shape.ts";

export const SEED_BYTES = 32;
/** RFC 8410 §7: the PKCS#8 form of an Ed25519 seed is this prefix and the 32 bytes. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

const thumbprintText = pattern("^[A-Za-z0-9_-]{43}$", "a base64url SHA-256");

/** Exactly the members of PublicJwk: a key with any other (`d`, `jku`, `x5u` …) is refused. */
export const jwkFields = {
  alg: oneOf(["Ed25519"]),
  crv: oneOf(["Ed25519"]),
  kid: thumbprintText,
  kty: oneOf(["OKP"]),
  use: oneOf(["sig"]),
  x: pattern("^[A-Za-z0-9_-]{43}$", "32 bytes as base64url"),
} as const;
export const publicJwkShape = fields(jwkFields);

export interface SigningKey {
  readonly publicJwk: PublicJwk;
  readonly publicKey: KeyObject;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Makes the key of a seed. @throws {StepgateError} KEY_FILE_INVALID when it is not 32 bytes. */
export function signingKeyOf(seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES) throw new StepgateError("KEY_FILE_INVALID", { wantedBytes: SEED_BYTES });
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(privateKey);
  const x = publicKey.export({ format: "jwk" }).x ?? "";
  const publicJwk = { kty: "OKP", crv: "Ed25519", x, kid: ed25519Thumbprint(x), alg: "Ed25519", use: "sig" } as const;
  return { publicJwk, publicKey, sign: (message) => sign(null, message, privateKey) };
}

/** The signer of one purpose. */
export function makeSigner(purpose: SigningPurpose, { publicJwk, sign }: SigningKey): Signer {
  return { kid: publicJwk.kid, purpose, publicJwk, sign };
}

/**
 * The public key of a JWK whose `kid` is its thumbprint.
 *
 * @throws {StepgateError} EVIDENCE_MALFORMED when the kid is another, or `x` is no canonical point of large order.
 */
export function publicKeyOf({ kid, x }: PublicJwk): KeyObject {
  const key = readEd25519Key(x);
  if (key === undefined || ed25519Thumbprint(x) !== kid) {
    throw new StepgateError("EVIDENCE_MALFORMED", { where: "kid", wanted: "a strong key under its own thumbprint" });
  }
  return key;
}
