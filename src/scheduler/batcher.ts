/**
 * Gathers single items into batches under one acknowledgement: each caller waits for the commit that holds its item.
 *
 * While one batch is under way the next one fills, so batches grow with load and a lone item waits for nobody. A batch that
 * fails is tried again item by item: one poisoned item cannot hurt the others (spec 01, settle).
 */
import { within } from "../core/within.ts";

export interface BatcherDeps<Item, Outcome> {
  /** Commits a batch; outcomes in the order of the items. */
  readonly commit: (items: readonly Item[]) => Promise<readonly Outcome[]>;
  /** How long a commit may take; one that never answers must not keep its place for ever. */
  readonly commitMaxMs: number;
  readonly maxItems: number;
  /** Batches under way at once. */
  readonly maxInFlight: number;
  /** Whether a failed batch may be taken apart: not when the store itself is away. */
  readonly canSplit: (caught: unknown) => boolean;
}

interface Waiting<Item, Outcome> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (reason: unknown) => void;
}

/** Makes a batcher; `add` resolves with the item's own outcome once its batch is committed, or rejects with its error. */
export function makeBatcher<Item, Outcome>(deps: BatcherDeps<Item, Outcome>): (item: Item) => Promise<Outcome> {
  const waiting: Waiting<Item, Outcome>[] = [];
  let inFlight = 0;
  let isScheduled = false;
  let seen = 0;

  const flush = (): void => {
    isScheduled = false;
    // the steps of one claim come over several turns of the loop: a batch is closed by the first turn that brings none
    const isGrowing = waiting.length > seen && waiting.length < deps.maxItems;
    seen = isGrowing ? waiting.length : 0;
    if (isGrowing) {
      schedule();
      return;
    }
    while (waiting.length > 0 && inFlight < deps.maxInFlight) {
      const batch = waiting.splice(0, deps.maxItems);
      inFlight += 1;
      void commitBatch(deps, batch).finally(() => {
        inFlight -= 1;
        schedule();
      });
    }
  };
  const schedule = (): void => {
    if (isScheduled || waiting.length === 0) return;
    isScheduled = true;
    // after the other steps of this turn of the loop have added theirs
    setImmediate(flush);
  };
  return (item) =>
    new Promise<Outcome>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}

async function commitBatch<Item, Outcome>(
  deps: BatcherDeps<Item, Outcome>,
  batch: readonly Waiting<Item, Outcome>[],
): Promise<void> {
  try {
    const outcomes = await within(deps.commitMaxMs, "commit", deps.commit(batch.map(({ item }) => item)));
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] as Outcome);
  } catch (caught) {
    if (batch.length === 1 || !deps.canSplit(caught)) {
      for (const { reject } of batch) reject(caught);
      return;
    }
    for (const one of batch) await commitBatch(deps, [one]);
  }
}
