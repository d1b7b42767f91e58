/**
 * The two transactions of a batch: sign all its records once per key, then hand everything to the store (performance.md).
 *
 * Nothing runs under an unsigned record: the batch statement is part of the same transaction. Not here: how batches form
 * (scheduler/), SQL (storage/).
 */
import { StepgateError } from "../core/errors.ts";
import type { Batch, SignBatch } from "../evidence/batch.ts";
import type { AdmitOutcome, PipelineStore, SettleOutcome } from "./ports.ts";
import type { Admission, Settlement } from "./settlement.ts";

export interface CommitDeps {
  readonly store: PipelineStore;
  readonly signBatch: SignBatch;
}

export type CommitAdmissions = (admissions: readonly Admission[]) => Promise<readonly AdmitOutcome[]>;
export type CommitSettlements = (
  settlements: readonly Settlement[],
  isReaping?: boolean,
) => Promise<readonly SettleOutcome[]>;

/** Admits a batch: one signature, one round trip; outcomes in the order given. */
export function makeCommitAdmissions({ store, signBatch }: CommitDeps): CommitAdmissions {
  return async (admissions) => {
    const batch = signBatch(
      "decision",
      admissions.map((admission) => admission.record.id),
    );
    return sameLength(await store.admit(admissions, batch), admissions.length);
  };
}

/** Settles a batch: at most one signature per key, one round trip; outcomes in the order given. */
export function makeCommitSettlements({ store, signBatch }: CommitDeps): CommitSettlements {
  return async (settlements, isReaping = false) => {
    const recordIds = settlements.flatMap((settlement) => settlement.records.map((record) => record.id));
    const manifests = settlements.flatMap((settlement) =>
      settlement.artifact === undefined ? [] : [settlement.artifact.metadataDigest],
    );
    const batches: Batch[] = [];
    if (recordIds.length > 0) batches.push(signBatch("decision", recordIds));
    if (manifests.length > 0) batches.push(signBatch("artifact", manifests));
    return sameLength(await store.settle(settlements, batches, isReaping), settlements.length);
  };
}

/** A store that answers for other steps than asked must not start any of them. */
function sameLength<T>(outcomes: readonly T[], wanted: number): readonly T[] {
  if (outcomes.length !== wanted)
    throw new StepgateError("STORE_REFUSED", { reason: "outcomes", wanted, given: outcomes.length });
  return outcomes;
}
