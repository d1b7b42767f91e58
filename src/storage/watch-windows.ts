/**
 * Watches how long windows of history are prepared for, and says so when nobody could make the next one: what is written then
 * stays outside of every window, and goes row by row.
 *
 * In: a pool. Out: a warning while it lasts; a log line when it begins and when it ends; the time for a metric. Not here: making
 * windows (scheduler/retention.ts), why that failed, which the log of the worker that tried says.
 */
import type { StoreLog } from "./log.ts";
import { lookEvery } from "./look-every.ts";
import type { Connection } from "./pool.ts";
import { READ_PREPARED } from "./statements/retention.ts";

/** For anybody: what it is and for how long. */
export interface HistoryWarning {
  readonly name: "history";
  readonly about: string;
  readonly advice: string;
}

export interface WindowsWatch {
  readonly warning: () => HistoryWarning | undefined;
  readonly stop: () => Promise<void>;
}

export interface WindowsWatchDeps {
  /** Seconds until the last prepared window ends; below zero once it has. */
  readonly findLeft: () => Promise<number>;
  readonly everyMs: number;
  readonly log: StoreLog;
  readonly onLook: (leftSeconds: number) => void;
}

const ADVICE =
  "let a worker run whose user of STEPGATE_DATABASE_URL owns the schema; its log says what keeps it from making windows";

export function makeFindWindowsLeft(pool: Connection): () => Promise<number> {
  return async () => (await pool.query<{ readonly seconds: number }>(READ_PREPARED, [])).rows[0]?.seconds ?? 0;
}

/** Looks at once and every `everyMs`; a database that does not answer leaves the last warning, since others tell that. */
export function watchWindows({ findLeft, everyMs, log, onLook }: WindowsWatchDeps): WindowsWatch {
  let endedSeconds: number | undefined;
  const look = async (): Promise<void> => {
    try {
      const leftSeconds = await findLeft();
      onLook(leftSeconds);
      const isOver = leftSeconds <= 0;
      if (isOver && endedSeconds === undefined)
        log.warn(
          { endedSeconds: -leftSeconds, advice: ADVICE },
          "no window of history is prepared: nobody could make one",
        );
      else if (!isOver && endedSeconds !== undefined)
        log.info({ leftSeconds }, "windows of history are prepared again");
      endedSeconds = isOver ? -leftSeconds : undefined;
    } catch (caught) {
      log.warn({ err: caught }, "how long windows of history are prepared for could not be seen");
    }
  };
  const stop = lookEvery({ everyMs, isAtOnce: true }, look);
  return {
    warning: () =>
      endedSeconds === undefined
        ? undefined
        : {
            name: "history",
            about: `the last window of history ended ${Math.floor(endedSeconds)} s ago, and nobody made another`,
            advice: ADVICE,
          },
    stop,
  };
}
