/**
 * Watches whether the database has room: one that denies every write is not ready, and nobody would write to find out that
 * it is again.
 *
 * In: word of a statement that found the disk full. Out: the verdict, until a try has found room. Here: when it is tried;
 * nothing is while there is room. Not here: what readiness is otherwise (watch-database.ts, main-gateway.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { StoreLog } from "./log.ts";
import { lookEvery } from "./look-every.ts";
import type { Connection } from "./pool.ts";
import { TAKE_ROOM } from "./statements/room.ts";
import type { DatabaseVerdict } from "./watch-database.ts";

export interface RoomWatch {
  /** Told by pools of each statement that found the disk full. */
  readonly foundFull: () => void;
  readonly verdict: () => DatabaseVerdict;
  readonly stop: () => Promise<void>;
}

const FULL = { ok: false, code: "STORE_FULL", advice: "make room on the database's disk" } as const;

/** Makes the watch; `pool` is the schema's owner's, and tells this watch nothing itself. */
export function watchRoom({
  pool,
  everyMs,
  log,
}: {
  readonly pool: Connection;
  readonly everyMs: number;
  readonly log: StoreLog;
}): RoomWatch {
  let stopLooking: (() => Promise<void>) | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    try {
      await pool.query(TAKE_ROOM);
    } catch {
      // as full as before, or the server is gone, which others tell
      return;
    }
    log.info({}, "the database has room again");
    // not waited for: it would wait for this look
    void stopLooking?.();
    stopLooking = undefined;
  };
  return {
    foundFull: () => {
      if (stopLooking !== undefined || isStopped) return;
      log.error({ err: new StepgateError("STORE_FULL") }, "the database denies what would need more of its disk");
      stopLooking = lookEvery({ everyMs, isAtOnce: false }, look);
    },
    verdict: () => (stopLooking === undefined ? { ok: true } : FULL),
    stop: async () => {
      isStopped = true;
      await stopLooking?.();
    },
  };
}
