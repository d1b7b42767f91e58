/**
 * The database's time as this process knows it: what it last said, and what has passed here since.
 *
 * Leases, deadlines, retries and tokens are judged by one clock, the database's; asking it each time would cost a round
 * trip. Whatever the machine's own clock says or does, it moves nothing: after the first reading only the monotonic one
 * counts. In: a reading at the start, with every claim and every few seconds.
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";

export interface DatabaseClock {
  /** Milliseconds since the Unix epoch; this machine's own time until the database was heard once. */
  readonly nowMs: () => number;
  /** What the database answered to a question of `askedMs`, by the monotonic clock. */
  readonly observe: (databaseNowMs: number, askedMs: number) => void;
}

export function makeDatabaseClock(clock: Clock): DatabaseClock {
  let offsetMs = clock.nowMs() - clock.monotonicMs();
  return {
    nowMs: () => Math.round(clock.monotonicMs() + offsetMs),
    observe: (databaseNowMs, askedMs) => {
      if (!Number.isSafeInteger(databaseNowMs)) throw new StepgateError("ANSWER_MALFORMED", { part: "database_clock" });
      // it said so at some moment between the question and now: a process that stood still meanwhile learns little
      const [least, most] = [databaseNowMs - clock.monotonicMs(), databaseNowMs - askedMs];
      offsetMs = Math.min(Math.max(offsetMs, least), most);
    },
  };
}
