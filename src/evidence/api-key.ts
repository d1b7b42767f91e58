/**
 * API keys as text: `sg_<id>_<secret>`, and what of them is stored (spec 10, keys).
 *
 * In: randomness, or the text that a caller or operator gives. Out: the id to look up and the hash to compare.
 * Not here: rows, roles, revocation (storage/, gateway/).
 */
import { createHash } from "node:crypto";
import type { Ids } from "../core/ids.ts";

const FORM = /^sg_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export interface ApiKeyHash {
  readonly keyId: string;
  /** SHA-256 of the whole text, 32 bytes. */
  readonly secretHash: Uint8Array;
}

/** A new API key: 8 random bytes of id, 32 of secret. */
export function makeApiKey(random: Ids["random"]): string {
  const id = Buffer.from(random(8)).toString("hex");
  return `sg_${id}_${Buffer.from(random(32)).toString("base64url")}`;
}

/**
 * The id and hash of a key text. A text of another form, as an operator may choose for STEPGATE_ADMIN_KEY, gets an id of
 * its own from its hash, so that it is found the same way.
 */
export function hashApiKey(key: string): ApiKeyHash {
  const secretHash = createHash("sha256").update(key).digest();
  const keyId = FORM.exec(key)?.[1] ?? `own-${secretHash.toString("hex", 0, 8)}`;
  return { keyId, secretHash };
}
