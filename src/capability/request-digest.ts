/**
 * The digest that binds a token to one request without showing it: SHA-256(salt ‖ canonical text) (spec 10, tokens).
 *
 * The salt is random, made per attempt and given to the executor only. Not here: what the request consists of (gate/).
 */
import { createHash } from "node:crypto";
import { StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";

export const SALT_BYTES = 32;

/**
 * The digest of a canonical text under a salt, lower-case hex.
 *
 * @throws {StepgateError} FIELD_INVALID when the salt is not 32 bytes: a free length would let the border between salt
 * and text move.
 */
export function requestDigest(salt: Uint8Array, canonical: string): Digest {
  if (salt.length !== SALT_BYTES) throw new StepgateError("FIELD_INVALID", { field: "salt", bytes: salt.length });
  return createHash("sha256").update(salt).update(canonical).digest("hex") as Digest;
}

/** Whether a digest is that of this text under this salt; under a salt of another length it never is. */
export function isDigestOf(digest: string, salt: Uint8Array, canonical: string): boolean {
  return salt.length === SALT_BYTES && requestDigest(salt, canonical) === digest;
}
