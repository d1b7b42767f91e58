/** Quantiles of a list of durations, in the unit of the list. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly least: number;
}

export function quantilesOf(durations: readonly number[]): Quantiles {
  const sorted = [...durations].sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), least: at(0) };
}
