/**
 * What every adapter is handed by the composition root, in this room's own words (design §1).
 *
 * Not here: the adapters' own needs, which stand beside each adapter; `verifyToken`, which comes with every call.
 */
import type { StepSubject, TokenClaims, TokenReason } from "../core/capability.ts";

/** How often each token was used and which attempt of a step came last (spec 10, tokens; capability/call-counter.ts). */
export interface CallCounter {
  readonly highestAttempt: (subject: StepSubject) => number;
  /** Counts one call under a token that was just verified, or refuses it. */
  readonly count: (
    claims: TokenClaims,
    call: { readonly hasProof: boolean },
  ) => { readonly ok: true } | { readonly ok: false; readonly reasons: readonly TokenReason[] };
}

export interface AdapterDeps {
  readonly calls: CallCounter;
  /** Seconds tolerated on a token's times. */
  readonly clockSkewSec: number;
}
