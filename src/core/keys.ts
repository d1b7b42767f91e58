/**
 * Keys as other rooms see them: who can sign, and what for.
 *
 * One purpose and one algorithm per key (spec 10). Not here: where keys are kept and how they are wrapped (evidence/).
 */
import type { Digest } from "./ids.ts";

export const SIGNING_PURPOSES = ["token", "decision", "artifact", "checkpoint", "status", "pack", "bundle"] as const;
export type SigningPurpose = (typeof SIGNING_PURPOSES)[number];

export const KEY_STATES = ["announced", "active", "verify_only", "removed"] as const;
export type KeyState = (typeof KEY_STATES)[number];

export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly alg: "Ed25519";
  readonly use: "sig";
}

/** Signs with one key. Synchronous: ~50 µs an Ed25519 signature in node:crypto, far less than a thread hop costs. */
export interface Signer {
  /** RFC 7638 thumbprint. */
  readonly kid: Digest | string;
  readonly purpose: SigningPurpose;
  readonly publicJwk: PublicJwk;
  readonly sign: (message: Uint8Array) => Uint8Array;
}
