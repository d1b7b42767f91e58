/**
 * The database's time as this process knows it: its last word plus what has passed here since.
 *
 * Leases, deadlines and retries are judged by one clock, the database's; asking it each time would cost a round trip.
 * In: a reading with every claim. Not here: wall time for tokens (core/clock.ts).
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";

export interface DatabaseClock {
  /** Milliseconds since the Unix epoch; this machine's own time until the database was heard once. */
  readonly nowMs: () => number;
  readonly observe: (databaseNowMs: number) => void;
}

export function makeDatabaseClock(clock: Clock): DatabaseClock {
  let offsetMs = clock.nowMs() - clock.monotonicMs();
  return {
    nowMs: () => Math.round(clock.monotonicMs() + offsetMs),
    observe: (databaseNowMs) => {
      if (!Number.isSafeInteger(databaseNowMs)) throw new StepgateError("ANSWER_MALFORMED", { part: "database_clock" });
      offsetMs = databaseNowMs - clock.monotonicMs();
    },
  };
}
