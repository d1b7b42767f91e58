/**
 * A verifier with keys and clock bound, which may remember signatures it has seen to be good (spec 10, tokens).
 *
 * Only the signature check is remembered, under SHA-256 of the token and kid; every other check runs each time. For the
 * process that mints tokens; adapters elsewhere verify in full. Not here: the checks (verify-token.ts).
 */
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical-json.ts";
import type { TokenKeys, VerifyToken } from "../core/capability.ts";
import type { Clock } from "../core/clock.ts";
import { type CheckSignature, checkSignature, verifyTokenWith } from "./verify-token.ts";

export interface VerifierDeps {
  /** Asked for every token, so that a key removed is gone at once. */
  readonly keys: () => TokenKeys;
  readonly clock: Pick<Clock, "nowMs">;
  /** How many good signatures are remembered; 0 remembers none. */
  readonly memoSize: number;
}

/**
 * Makes the `verifyToken` that executors are handed.
 *
 * The function it returns throws KEYS_UNAVAILABLE as `verifyToken` does.
 */
export function makeVerifier({ keys, clock, memoSize }: VerifierDeps): VerifyToken {
  const check = memoSize > 0 ? rememberGood(checkSignature, memoSize) : checkSignature;
  return (token, expected) =>
    verifyTokenWith(check, { token, keys: keys(), expected, nowSec: Math.floor(clock.nowMs() / 1000) });
}

/** Remembers up to `size` good answers, the oldest goes first; a bad one is worked out again each time. */
export function rememberGood(check: CheckSignature, size: number): CheckSignature {
  const good = new Map<string, KeyObject>();
  return (token, parsed, key) => {
    // a digest, since a memory of tokens themselves would be a store of credentials
    const memo = `${sha256Hex(token)} ${key.kid}`;
    if (good.get(memo) === key.publicKey) return true;
    if (!check(token, parsed, key)) return false;
    for (const oldest of good.keys()) {
      if (good.size < size) break;
      good.delete(oldest);
    }
    good.set(memo, key.publicKey);
    return true;
  };
}
