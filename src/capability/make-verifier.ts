/**
 * A verifier with keys and clock bound, which may remember signatures it has seen to be good (spec 10, tokens).
 *
 * Remembered, under the token's SHA-256: that its signature is good, and for a while what it says, which is the same for
 * the same text. Everything that is expected of a token is checked each time. For the process that mints tokens: what it
 * signed itself with a key whose signature it has checked once is good. Adapters elsewhere verify in full. Not here: the
 * checks (verify-token.ts).
 */
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical-json.ts";
import type { TokenKeys, VerifyToken } from "../core/capability.ts";
import type { Clock } from "../core/clock.ts";
import { keepNewest } from "../core/keep-newest.ts";
import {
  type CheckSignature,
  checkSignature,
  type ReadToken,
  readToken,
  type TokenReading,
  verifyTokenWith,
} from "./verify-token.ts";

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

/** Of tokens on their way from the guard to their executor, which reads them again. */
const MAX_READINGS = 256;

/** Makes the verifier of a process that mints tokens. */
export function makeVerifier({ keys, clock, memoSize }: VerifierDeps): OwnVerifier {
  const memory = rememberGood(checkSignature, memoSize);
  return {
    verifyToken: (token, expected) =>
      verifyTokenWith(memory.read, { token, keys: keys(), expected, nowSec: Math.floor(clock.nowMs() / 1000) }),
    vouch: memory.vouch,
  };
}

/** Who signed a token. */
interface Signed {
  readonly kid: string;
  readonly publicKey: KeyObject;
}

/** Remembers up to `size` good tokens, the oldest goes first; a bad one is worked out again each time. */
export function rememberGood(
  check: CheckSignature,
  size: number,
): { readonly read: ReadToken; readonly vouch: OwnVerifier["vouch"] } {
  // by digests, since a memory of tokens themselves would be a store of credentials
  const good = new Map<string, Signed>();
  const readings = new Map<string, TokenReading>();
  // keys whose signature was checked in full: their private half is the one we sign with
  const proven = new Map<string, KeyObject>();
  const read: ReadToken = (token, keys) => {
    const digest = sha256Hex(token);
    const known = good.get(digest);
    const isCurrent = known !== undefined && keys.get(known.kid)?.publicKey === known.publicKey;
    const reading = isCurrent ? readings.get(digest) : undefined;
    if (reading !== undefined) return reading;
    let signed: Signed | undefined;
    const fresh = readToken(
      (_, parsed, key) => {
        const isKnown = isCurrent && key.kid === known.kid;
        if (!isKnown && !check(token, parsed, key)) return false;
        if (!isKnown) proven.set(key.kid, key.publicKey);
        signed = key;
        return true;
      },
      token,
      keys,
    );
    if (signed !== undefined && fresh.ok && size > 0) {
      keepNewest(good, digest, { kid: signed.kid, publicKey: signed.publicKey }, size);
      keepNewest(readings, digest, freeze(fresh), Math.min(size, MAX_READINGS));
    }
    return fresh;
  };
  return {
    read,
    vouch: (token, kid) => {
      const publicKey = proven.get(kid);
      if (publicKey !== undefined && size > 0) keepNewest(good, sha256Hex(token), { kid, publicKey }, size);
    },
  };
}

/** For whoever is handed it after others: none of them can change what the next one is told. */
function freeze<Part>(part: Part): Part {
  if (typeof part !== "object" || part === null) return part;
  for (const inner of Object.values(part)) freeze(inner);
  return Object.freeze(part);
}
