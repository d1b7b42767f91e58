/**
 * A median with the bounds between which it surely is, whatever the figures' distribution: order statistics, as in a sign test.
 */
export interface BoundedMedian {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Most chance that the median lies below the lower bound, and as much that it lies above the upper one. */
const TAIL = 0.025;

/** The k-th figure from either end bounds the median, for the largest k with P(fewer than k of n below it) ≤ 2.5 %. */
export function boundedMedian(figures: readonly number[]): BoundedMedian {
  const sorted = figures.toSorted((one, other) => one - other);
  const count = sorted.length;
  const at = (place: number): number => sorted[place] ?? Number.NaN;
  let place = 0;
  let [term, below] = [0.5 ** count, 0.5 ** count];
  while (place < count / 2 - 1) {
    term *= (count - place) / (place + 1);
    below += term;
    if (below > TAIL) break;
    place += 1;
  }
  const median = (at(Math.floor((count - 1) / 2)) + at(Math.ceil((count - 1) / 2))) / 2;
  return { median, least: at(place), most: at(count - 1 - place) };
}

/** Shares as `3.1 % (1.0 to 5.2)`. */
export function formatBounds({ median, least, most }: BoundedMedian): string {
  const percent = (share: number): string => (share * 100).toFixed(1);
  return `${percent(median)} % (${percent(least)} to ${percent(most)})`;
}
