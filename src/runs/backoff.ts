/**
 * How long a step waits before its next attempt (spec 02, retry).
 *
 * In: integers of the step and the platform, one random number. Out: integer milliseconds. Not here: whether there is a
 * next attempt, what a deadline does to it (gate/settle-attempt.ts).
 */

export interface RetryDelay {
  /** Attempts that ended in an error, this one included: at least 1. Lost attempts are not counted. */
  readonly failedAttempts: number;
  /** Delay after the first of them. */
  readonly baseMs: number;
  /** Growth × 1 000 000, at least 1 000 000. */
  readonly factorPpm: number;
  readonly maxMs: number;
  /** In [0, 1): 0 shortens the delay by 20 %, 0.5 leaves it, 1 would lengthen it by 20 %. */
  readonly jitter: number;
  /** What the executor asked for; it wins where it is longer, also above `maxMs`. */
  readonly retryAfterMs: number | undefined;
}

const JITTER_SHARE = 0.2;

/**
 * base × factor^(n − 1), never above the cap, spread by ±20 %, or what the executor asked for if that is longer.
 *
 * Saturates: any n up to 2^32 gives at most the cap. Base 100, factor 2, cap 1000: 100, 200, 400, 800, 1000.
 */
export function retryDelayMs(delay: RetryDelay): number {
  const growth = (delay.factorPpm / 1_000_000) ** (delay.failedAttempts - 1);
  // 0 × infinity is no number: no base, no delay
  const grownMs = delay.baseMs === 0 ? 0 : delay.baseMs * growth;
  const cappedMs = Math.min(grownMs, delay.maxMs);
  const spreadMs = cappedMs * (1 + JITTER_SHARE * (2 * delay.jitter - 1));
  return Math.max(Math.min(Math.round(spreadMs), delay.maxMs), delay.retryAfterMs ?? 0);
}
