/**
 * A process that maintains history as of 60 days from now and kills itself after AFTER transactions that removed something.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { makeMaintain } from "../../src/scheduler/retention.ts";
import { type DatabaseTarget, makePool } from "../../src/storage/pool.ts";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const target = JSON.parse(process.env["TARGET"] ?? "") as DatabaseTarget;
let left = Number(process.env["AFTER"]);
const pool = makePool({ ...target, maxConnections: 1, applicationName: "stepgate test", log });
const maintain = makeMaintain({
  store: makeHistoryStore(pool),
  windowDays: 100,
  maxMoved: 1000,
  isDropping: true,
  isStopping: () => false,
  clock: systemClock,
  pause: (ms) => sleep(ms),
  onProgress: () => {
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  },
});
await maintain(Date.now() + 60 * 86_400_000);
await pool.close();
