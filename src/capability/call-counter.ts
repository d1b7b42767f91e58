/**
 * How often each token was used, and which attempt of a step came last: what verification leaves to the adapter.
 *
 * In memory, for one process; an adapter that runs as several counts in a store they share. A restart forgets: an adapter
 * with effects then waits out one token lifetime, or counts durably. Not here: verification itself (verify-token.ts).
 */
import {
  type ChainVerdict,
  MAX_TOKEN_LIFETIME_SEC,
  type StepSubject,
  subjectUrn,
  type TokenClaims,
  type TokenReason,
} from "../core/capability.ts";

export type CallVerdict =
  | { readonly ok: true; readonly callsLeft: number }
  | { readonly ok: false; readonly reasons: readonly [Extract<TokenReason, "limit_calls" | "superseded">] };

export interface CallCounter {
  /** The highest attempt of this step that was counted, 0 before the first: `highestAttemptSeen` of an expectation. */
  readonly highestAttempt: (subject: StepSubject) => number;
  /**
   * Counts one call under a token that was just verified, or refuses it. Call it before the first effect.
   *
   * `hasProof`: the caller proved for this call that it holds the key in `cnf`. Without proof a token is good for one
   * call, whatever its limit says (spec 10, tokens).
   */
  readonly count: (claims: TokenClaims, call: { readonly hasProof: boolean }) => CallVerdict;
  /**
   * Counts one call under a verified chain. A derived token is good for one call, and is the proof of possession for it;
   * all that come from one gateway's token are counted on that one. A chain of one has no proof.
   */
  readonly countChain: (chain: Pick<Extract<ChainVerdict, { ok: true }>, "claims" | "root">) => CallVerdict;
}

export interface CallCounterDeps {
  readonly nowSec: () => number;
  /** How many unexpired tokens are kept apart; when there are more, new ones are refused. */
  readonly maxTokens: number;
}

/** A number that may be forgotten once its token cannot be valid any more. */
interface Tally {
  readonly value: number;
  readonly untilSec: number;
}
type Tallies = Map<string, Tally>;

/** Makes an empty counter. */
export function makeCallCounter({ nowSec, maxTokens }: CallCounterDeps): CallCounter {
  const calls: Tallies = new Map();
  const attempts: Tallies = new Map();
  const count: CallCounter["count"] = (claims, { hasProof }) => {
    const token = `${claims.iss} ${claims.jti}`;
    const step = stepKey(claims.sub);
    const made = calls.get(token)?.value ?? 0;
    const allowed = callsAllowed(claims, hasProof);
    if (claims.tctx.attempt < (attempts.get(step)?.value ?? 0)) return { ok: false, reasons: ["superseded"] };
    const hasRoom = makeRoom(calls, token) && makeRoom(attempts, step);
    if (made >= allowed || !hasRoom) return { ok: false, reasons: ["limit_calls"] };
    calls.set(token, { value: made + 1, untilSec: claims.exp });
    // an older attempt's token was minted before now, so it is dead one lifetime from now
    attempts.set(step, { value: claims.tctx.attempt, untilSec: nowSec() + MAX_TOKEN_LIFETIME_SEC });
    return { ok: true, callsLeft: allowed - made - 1 };
  };

  return {
    count,
    highestAttempt: (subject) => attempts.get(stepKey(subjectUrn(subject)))?.value ?? 0,
    countChain: ({ claims, root }) => {
      // the child first: sent again, it must not use up a call of the gateway's token
      const child = count(claims, { hasProof: false });
      return child.ok && claims.iss !== root.iss ? count(root, { hasProof: true }) : child;
    },
  };

  /** Whether `key` has a place; what has expired is forgotten only when there is none. */
  function makeRoom(tallies: Tallies, key: string): boolean {
    if (tallies.has(key) || tallies.size < maxTokens) return true;
    for (const [old, { untilSec }] of tallies) if (untilSec <= nowSec()) tallies.delete(old);
    return tallies.size < maxTokens;
  }
}

function callsAllowed({ cnf, authorization_details: [{ limits }] }: TokenClaims, hasProof: boolean): number {
  return hasProof && cnf !== undefined ? limits.calls : Math.min(limits.calls, 1);
}

/** The subject without its attempt. */
function stepKey(subject: string): string {
  return subject.slice(0, subject.lastIndexOf(":"));
}
