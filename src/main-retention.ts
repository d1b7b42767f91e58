/**
 * Retention's wiring: how often this process maintains windows of history, and what it says of it (main.ts).
 *
 * Any number of processes may: one at a time does something. Not here: what is done (scheduler/retention.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isStepgateError } from "./core/errors.ts";
import type { Rooms } from "./main-rooms.ts";
import { makeMaintain, type RetentionReport } from "./scheduler/retention.ts";
import { makeHistoryStore } from "./storage/retention-store.ts";

/** Rows that must stay: so many are moved in about a second, and for so long a table waits. */
const MAX_MOVED = 10_000;

/** The configured user changes no table: somebody else must run retention, with one who does. */
const NOT_OWNER = "42501";

/** Starts the loop, at once and then at intervals; returns what stops it after the round that is under way. */
export function startRetention({ config, log, clock, ownerPool }: Rooms): () => Promise<void> {
  const { retention, retentionWindowDays: windowDays, retentionIntervalMs } = config.storage;
  const stopping = new AbortController();
  const { signal } = stopping;
  const maintain = makeMaintain({
    store: makeHistoryStore(ownerPool),
    windowDays,
    maxMoved: MAX_MOVED,
    isDropping: retention === "on",
    isStopping: () => signal.aborted,
    clock,
    pause: (ms) => sleep(ms, undefined, { signal }).catch(() => undefined),
    onProgress: (progress) => log.debug({ ...progress }, "retention goes on"),
  });
  let round: Promise<void> | undefined;
  const start = (): void => {
    round ??= maintain(undefined)
      .then((report) => {
        if (hasActed(report)) log.info({ ...report }, "history was maintained");
      })
      .catch((caught: unknown) => {
        const isForeign = isStepgateError(caught) && caught.detail["sqlState"] === NOT_OWNER;
        log.warn(
          { err: caught },
          isForeign
            ? "history cannot be maintained: the user of STEPGATE_DATABASE_URL must own the schema"
            : "history was not maintained; it is tried again",
        );
      })
      .finally(() => {
        round = undefined;
      });
  };
  start();
  const timer = setInterval(start, retentionIntervalMs);
  return async () => {
    clearInterval(timer);
    stopping.abort();
    await round;
  };
}

function hasActed({ made, runs, decisions, inputs, leftovers, dropped }: RetentionReport): boolean {
  return made + runs + decisions + inputs + leftovers + dropped > 0;
}
