/**
 * Commitments: what a record says about a payload, so that nobody guesses a card number from a digest (spec 00).
 *
 * In: canonical text and randomness. Out: SHA-256(32 random bytes ‖ canonical form); the random bytes are sealed with
 * the payload. Not here: sealing (sealing.ts), keyed digests (tenant-keys.ts).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Digest, Ids } from "../core/ids.ts";

const COMMITMENT_NONCE_BYTES = 32;

export interface Commitment {
  readonly commitment: Digest;
  /** Whoever has nonce and payload can show that they match; without it the commitment says nothing. */
  readonly nonce: Uint8Array;
}

/** Commits to a canonical text under a fresh nonce. */
export function commit(canonical: string, random: Ids["random"]): Commitment {
  const nonce = random(COMMITMENT_NONCE_BYTES);
  return { commitment: commitmentOf(canonical, nonce), nonce };
}

/** The commitment to a canonical text under this nonce, lower-case hex. */
export function commitmentOf(canonical: string, nonce: Uint8Array): Digest {
  return createHash("sha256").update(nonce).update(canonical).digest("hex") as Digest;
}

/** Tells whether nonce and text are what the commitment was made of; a nonce of another length never is. */
export function isCommittedTo(commitment: Digest, canonical: string, nonce: Uint8Array): boolean {
  // a free length would let the border between nonce and text move
  if (nonce.length !== COMMITMENT_NONCE_BYTES) return false;
  const expected = Buffer.from(commitmentOf(canonical, nonce));
  const given = Buffer.from(commitment);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
