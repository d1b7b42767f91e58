/**
 * Time, as a dependency.
 *
 * Wall time is for what people and other machines read; monotonic time is for durations and leases.
 * Leases and expiry in the database use the database's own clock (design §3).
 */
import { StepgateError } from "./errors.ts";

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

/** A clock whose time is looked at: one that says no time must neither start a step nor end one. @throws ANSWER_MALFORMED. */
export function checkedTime(clock: Pick<Clock, "nowMs">): Pick<Clock, "nowMs"> {
  return {
    nowMs: () => {
      const nowMs = clock.nowMs();
      if (!Number.isSafeInteger(nowMs)) throw new StepgateError("ANSWER_MALFORMED", { part: "clock" });
      return nowMs;
    },
  };
}
