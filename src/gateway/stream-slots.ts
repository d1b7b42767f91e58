/**
 * How many event streams this process serves, and how all of them end when it stops.
 *
 * In: the ceiling. Out: slots. Not here: what a stream sends (sse.ts).
 */
import { StepgateError } from "../core/errors.ts";

export interface StreamSlot {
  /** Called once when the process stops, at once if it has stopped already. */
  readonly onStop: (stop: () => void) => void;
  /** Gives the slot back; more than once changes nothing. */
  readonly release: () => void;
}

export interface StreamSlots {
  /** @throws {StepgateError} TOO_MANY_STREAMS. */
  readonly take: () => StreamSlot;
  readonly stopAll: () => void;
}

export function makeStreamSlots(maxStreams: number): StreamSlots {
  const stops = new Map<StreamSlot, () => void>();
  let isStopped = false;
  return {
    take: () => {
      if (stops.size >= maxStreams) throw new StepgateError("TOO_MANY_STREAMS", { limit: maxStreams });
      const slot: StreamSlot = {
        onStop: (stop) => {
          if (isStopped) stop();
          else stops.set(slot, stop);
        },
        release: () => void stops.delete(slot),
      };
      stops.set(slot, () => undefined);
      return slot;
    },
    stopAll: () => {
      isStopped = true;
      for (const stop of stops.values()) stop();
    },
  };
}
