/**
 * Snapshots: what a run has produced so far, as one digest (spec 08).
 *
 * In: keyed digests of outputs after *inspect*. Out: the canonical map and its id. Times, ids, usage and tokens are not
 * part of it, so an undisturbed run and a killed one end in the same id. Not here: keying the digests (evidence/).
 */
import { canonicalDigest } from "../core/canonical-json.ts";
import type { Digest, StepId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";

export interface Snapshot {
  readonly id: Digest;
  /** Step → keyed digest of its output, of the steps that succeeded. */
  readonly outputs: JsonObject;
}

/** The snapshot of what succeeded; in which order, how often tried and by whom makes no difference. */
export function snapshotOf(outputDigests: ReadonlyMap<StepId, Digest>): Snapshot {
  const outputs = Object.fromEntries(outputDigests);
  return { id: canonicalDigest(outputs), outputs };
}
