/**
 * Lookups of one turn of the loop as one query: under load a credential costs a share of a round trip, and no more.
 *
 * Nothing is remembered: each lookup is read after it was asked for, so a key that was just revoked is not found. Not here:
 * what is looked up (the stores).
 */
import { makeBatcher } from "../scheduler/batcher.ts";

const MAX_KEYS = 256;
const MAX_IN_FLIGHT = 4;
/** Longer than any bound of the pool. */
const READ_MAX_MS = 120_000;

/** Makes the lookup of one key from the reading of many; a failed query fails every lookup that was in it. */
export function findTogether<Row>(
  read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Row>>,
): (key: string) => Promise<Row | undefined> {
  return makeBatcher<string, Row | undefined>({
    commit: async (keys) => {
      const rows = await read([...new Set(keys)]);
      return keys.map((key) => rows.get(key));
    },
    commitMaxMs: READ_MAX_MS,
    maxItems: MAX_KEYS,
    maxInFlight: MAX_IN_FLIGHT,
    canSplit: () => false,
  });
}
