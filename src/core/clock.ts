/**
 * Time, as a dependency.
 *
 * Wall time is for what people and other machines read; monotonic time is for durations and leases.
 * Leases and expiry in the database use the database's own clock (design §3).
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, an integer. */
  readonly nowMs: () => number;
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  readonly monotonicMs: () => number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
