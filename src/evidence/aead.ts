/**
 * AES-256-GCM as this room packs it: `version (1 byte) ‖ nonce (12) ‖ ciphertext ‖ tag (16)` (NIST SP 800-38D).
 *
 * In: a KeyObject, never raw bytes: 6 µs a kilobyte instead of 25 (performance.md). Nonces are random, so one key may
 * seal at most 2^32 texts. Not here: what the additional data says (key-wrap.ts, sealing.ts).
 */
import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEALED_OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** Seals `plaintext` under a fresh 12-byte nonce. */
export function seal(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  const body = cipher.update(plaintext);
  const rest = cipher.final();
  return Buffer.concat([Uint8Array.of(VERSION), nonce, body, rest, cipher.getAuthTag()]);
}

/** Opens what `seal` made; undefined when key, additional data or any byte differs. */
export function unseal(key: KeyObject, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < SEALED_OVERHEAD_BYTES || sealed[0] !== VERSION) return undefined;
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(aad)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  const body = decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([body, decipher.final()]);
  } catch {
    // final() throws for one reason only: the tag does not fit
    return undefined;
  }
}
