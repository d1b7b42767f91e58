/**
 * A verifier with keys and clock bound, which may remember signatures it has seen to be good (spec 10, tokens).
 *
 * Only the signature check is remembered, under SHA-256 of the token and kid; every other check runs each time. For the
 * process that mints tokens: what it signed itself with a key whose signature it has checked once is good. Adapters
 * elsewhere verify in full. Not here: the checks (verify-token.ts).
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

export interface OwnVerifier {
  /** The `verifyToken` that executors are handed; it throws KEYS_UNAVAILABLE as that does. */
  readonly verifyToken: VerifyToken;
  /** A token that this process has just signed under `kid`. */
  readonly vouch: (token: string, kid: string) => void;
}

/** Makes the verifier of a process that mints tokens. */
export function makeVerifier({ keys, clock, memoSize }: VerifierDeps): OwnVerifier {
  const memory = rememberGood(checkSignature, memoSize);
  return {
    verifyToken: (token, expected) =>
      verifyTokenWith(memory.check, { token, keys: keys(), expected, nowSec: Math.floor(clock.nowMs() / 1000) }),
    vouch: memory.vouch,
  };
}

/** Remembers up to `size` good answers, the oldest goes first; a bad one is worked out again each time. */
export function rememberGood(
  check: CheckSignature,
  size: number,
): { readonly check: CheckSignature; readonly vouch: OwnVerifier["vouch"] } {
  const good = new Map<string, KeyObject>();
  // keys whose signature was checked in full: their private half is the one we sign with
  const proven = new Map<string, KeyObject>();
  // a digest, since a memory of tokens themselves would be a store of credentials
  const memoOf = (token: string, kid: string): string => `${sha256Hex(token)} ${kid}`;
  const remember = (memo: string, publicKey: KeyObject): void => {
    for (const oldest of good.keys()) {
      if (good.size < size) break;
      good.delete(oldest);
    }
    if (size > 0) good.set(memo, publicKey);
  };
  return {
    check: (token, parsed, key) => {
      const memo = memoOf(token, key.kid);
      if (good.get(memo) === key.publicKey) return true;
      if (!check(token, parsed, key)) return false;
      proven.set(key.kid, key.publicKey);
      remember(memo, key.publicKey);
      return true;
    },
    vouch: (token, kid) => {
      const publicKey = proven.get(kid);
      if (publicKey !== undefined) remember(memoOf(token, kid), publicKey);
    },
  };
}
