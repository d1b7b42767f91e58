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
    const recordIds = admissions.map((admission) => admission.record.id);
    const batch = signed(signBatch("decision", recordIds), recordIds.length);
    await retainRuns(store, admissions);
    const outcomes = await store.admit(admissions, batch);
    return answersOf(outcomes, admissions.length, (outcome) => typeof outcome?.kind === "string");
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
    if (recordIds.length > 0) batches.push(signed(signBatch("decision", recordIds), recordIds.length));
    if (manifests.length > 0) batches.push(signed(signBatch("artifact", manifests), manifests.length));
    await retainRuns(store, settlements);
    const outcomes = await store.settle(settlements, batches, isReaping);
    return answersOf(outcomes, settlements.length, (outcome) => typeof outcome?.isSettled === "boolean");
  };
}

/** Before what asks for it is durable: a run that is kept too long is the lesser fault. */
async function retainRuns(
  store: PipelineStore,
  items: readonly Pick<Admission | Settlement, "address" | "retainDays">[],
): Promise<void> {
  const wanted = items.filter(({ retainDays }) => retainDays > 0);
  if (wanted.length === 0) return;
  await store.retain(wanted.map(({ address, retainDays: days }) => ({ ...address, days })));
}

/** A store that answers for other steps than asked, or in another form, must neither start nor end any of them. */
function answersOf<T>(outcomes: readonly T[], wanted: number, isAnswer: (outcome: T) => boolean): readonly T[] {
  if (!Array.isArray(outcomes) || outcomes.length !== wanted || !outcomes.every(isAnswer))
    throw new StepgateError("STORE_REFUSED", { reason: "outcomes", wanted });
  return outcomes;
}

/** Nothing may run under records that are not signed, all of them and with one signature. */
function signed(batch: Batch, size: number): Batch {
  if (batch?.size !== size || typeof batch.statement !== "string" || !(batch.signature instanceof Uint8Array))
    throw new StepgateError("SIGNER_UNAVAILABLE", { reason: "the batch is not signed", size });
  return batch;
}
