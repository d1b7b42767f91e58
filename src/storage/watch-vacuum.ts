/**
 * Watches for transactions that hold back vacuum longer than they may, and says who it is and what to do.
 *
 * In: a look. Out: a warning while it lasts; a log line when it begins and when it ends; the time for a metric. Not here: the
 * look (vacuum-horizon.ts).
 */
import type { StoreLog } from "./log.ts";
import { lookEvery } from "./look-every.ts";
import { adviceOnHolder, nameHolder, type VacuumHolder } from "./vacuum-horizon.ts";

/** For anybody: what it is and for how long, without a name. */
export interface VacuumWarning {
  readonly name: "vacuum";
  readonly about: string;
  readonly advice: string;
}

export interface VacuumWatch {
  readonly warning: () => VacuumWarning | undefined;
  readonly stop: () => Promise<void>;
}

const WORDS: Readonly<Record<VacuumHolder["kind"], string>> = {
  session: "an open transaction",
  prepared: "a prepared transaction",
  slot: "a replication slot",
};

export interface VacuumWatchDeps {
  readonly find: () => Promise<VacuumHolder | undefined>;
  readonly warnMs: number;
  readonly everyMs: number;
  readonly log: StoreLog;
  /** Seconds for which vacuum has been held back, after each look. */
  readonly onLook: (heldSeconds: number) => void;
}

/** Looks at once and every `everyMs`; a database that does not answer leaves the last warning, since others tell that. */
export function watchVacuum({ find, warnMs, everyMs, log, onLook }: VacuumWatchDeps): VacuumWatch {
  let holder: VacuumHolder | undefined;
  const look = async (): Promise<void> => {
    try {
      const found = await find();
      onLook((found?.heldMs ?? 0) / 1000);
      const isHeld = found !== undefined && found.heldMs >= warnMs;
      if (isHeld && found.name !== holder?.name) {
        const { kind, name, application, owner, state, heldMs } = found;
        log.warn(
          { kind, holder: name, application, owner, state, heldMs, advice: adviceOnHolder(found) },
          `${nameHolder(found)} holds back vacuum: dead rows stay, and claims get slower`,
        );
      } else if (!isHeld && holder !== undefined) log.info({ holder: holder.name }, "vacuum is no longer held back");
      holder = isHeld ? found : undefined;
    } catch (caught) {
      log.warn({ err: caught }, "who holds back vacuum could not be seen");
    }
  };
  const stop = lookEvery({ everyMs, isAtOnce: true }, look);
  return {
    warning: () =>
      holder && {
        name: "vacuum",
        about: `${WORDS[holder.kind]} has held back vacuum for ${Math.floor(holder.heldMs / 1000)} s`,
        advice: "`npx stepgate doctor` and the log name it and say how to end it",
      },
    stop,
  };
}
