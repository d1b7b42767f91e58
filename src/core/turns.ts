/**
 * Turns of the event loop: whoever works on many things at once stops now and then, so that timers, requests and answers of
 * the database are not kept waiting by a whole batch.
 *
 * In: a clock. Out: a function to call before each piece of work. Not here: what the pieces are (gate/, scheduler/).
 */
import type { Clock } from "./clock.ts";

/** Undefined where work may go on at once, otherwise what to wait for before asking again. */
export type TakeTurn = () => Promise<void> | undefined;

/**
 * Lets work go on for `sliceMs` from its first piece in a turn of the loop; what comes later waits for the next turn, in
 * order. A piece is not cut short: a turn lasts at most one slice and one piece.
 */
export function makeTurns({ monotonicMs }: Pick<Clock, "monotonicMs">, sliceMs: number): TakeTurn {
  let sliceEndMs: number | undefined;
  let nextTurn: Promise<void> | undefined;
  const endSlice = (): void => {
    sliceEndMs = undefined;
    nextTurn = undefined;
  };
  return () => {
    if (nextTurn !== undefined) return nextTurn;
    const nowMs = monotonicMs();
    if (sliceEndMs === undefined) {
      sliceEndMs = nowMs + sliceMs;
      setImmediate(endSlice);
      return undefined;
    }
    if (nowMs < sliceEndMs) return undefined;
    // after `endSlice`, which was asked for first
    nextTurn = new Promise((resolve) => setImmediate(resolve));
    return nextTurn;
  };
}
