/**
 * How long a look at everything that waits is not repeated: by what it costs, so that it never takes much of a worker's time.
 *
 * Not here: what is looked at, and what else asks for a look (worker.ts).
 */
import type { Clock } from "../core/clock.ts";

/**
 * How many times as long as a look took the next one waits: behind 100 000 steps of types that nobody serves, or that are
 * paused, a deep claim takes 60 to 90 ms, and one a second by each worker would be a tenth of its time. What cannot run for
 * other reasons stands apart, and no look comes by it (storage/functions/apart.sql).
 */
const LOOK_PAUSE = 40;

export interface LookPause {
  /** Whether the pause is over; at first there is none. */
  readonly isOver: () => boolean;
  /** A look that was asked for at `askedMs`, by the monotonic clock, has just been answered. */
  readonly looked: (askedMs: number) => void;
}

/**
 * Pauses by the shorter of the last two looks: one that was held up once, by a session that had to be opened or a row that
 * somebody held, says nothing of what looking costs. (A first look of 0.3 s put the next one off for 11 s.)
 */
export function makeLookPause({ monotonicMs }: Pick<Clock, "monotonicMs">): LookPause {
  let lastMs = 0;
  let overMs = Number.NEGATIVE_INFINITY;
  return {
    isOver: () => monotonicMs() >= overMs,
    looked: (askedMs) => {
      const endMs = monotonicMs();
      overMs = endMs + LOOK_PAUSE * Math.min(lastMs, endMs - askedMs);
      lastMs = endMs - askedMs;
    },
  };
}
