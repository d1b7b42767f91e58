/**
 * Rates in steady state: how much was done between a first share and a last share of the work, by polling a cheap counter.
 */
import type { Progress } from "./progress.ts";

export interface RateInput<Snapshot> {
  readonly name: string;
  readonly total: number;
  /** How many are done; asked every 50 ms. */
  readonly done: () => Promise<number>;
  /** Taken when the measurement begins and when it ends. */
  readonly snapshot: () => Promise<Snapshot>;
  readonly progress: Progress;
}

export interface Rate<Snapshot> {
  readonly perSecond: number;
  /** How many were done between the two snapshots. */
  readonly count: number;
  readonly first: Snapshot;
  readonly last: Snapshot;
}

const WARM_SHARE = 0.15;
const LAST_SHARE = 0.95;
const POLL_MS = 50;

export async function measureRate<Snapshot>(input: RateInput<Snapshot>): Promise<Rate<Snapshot>> {
  const warm = await waitFor(input, input.total * WARM_SHARE);
  const first = await input.snapshot();
  const startMs = performance.now();
  const end = await waitFor(input, input.total * LAST_SHARE);
  const endMs = performance.now();
  const last = await input.snapshot();
  const count = end - warm;
  return { perSecond: (count * 1000) / (endMs - startMs), count, first, last };
}

/** Waits until `wanted` are done; returns how many that were. */
async function waitFor({ done, name, total, progress }: RateInput<unknown>, wanted: number): Promise<number> {
  let before = -1;
  let idleMs = performance.now();
  for (;;) {
    const count = await done();
    progress.show(name, count / total);
    if (count >= wanted) return count;
    if (count > before) {
      before = count;
      idleMs = performance.now();
    }
    if (performance.now() - idleMs > 30_000) throw new TypeError(`${name}: nothing was done for 30 s at ${count}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
