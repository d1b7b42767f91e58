/**
 * The first start of a key ring in a process of its own, which a SIGKILL ends after a step.
 *
 * In: a JSON argument {home, target, role, killAfter}. Out: one line per step, written before the next one begins. Steps
 * are what lasts: folders and files as the file system was asked for them, rows as the database has acknowledged them.
 */
import { writeSync } from "node:fs";
import type { KeyStore } from "../../src/evidence/ports.ts";
import { type DatabaseTarget, makePool } from "../../src/storage/pool.ts";
import { openKeyRingAt } from "./key-ring-at.ts";
import { watchFiles } from "./watch-files.ts";

interface Arguments {
  readonly home: string;
  readonly target: DatabaseTarget;
  readonly role: string;
  readonly killAfter?: string;
}

// written by first-start.test.ts in exactly this form
const { home, target, role, killAfter } = JSON.parse(process.argv[2] ?? "") as Arguments;

function reached(step: string): void {
  writeSync(1, `${step}\n`);
  if (step === killAfter) process.kill(process.pid, "SIGKILL");
}

const watched = (store: KeyStore): KeyStore => {
  const then = <Given, Row>(insert: (given: Given) => Promise<Row>, stepOf: (given: Given) => string) => {
    return async (given: Given): Promise<Row> => {
      const row = await insert(given);
      reached(stepOf(given));
      return row;
    };
  };
  return {
    ...store,
    exclusively: (act) =>
      store.exclusively(() => {
        reached("lock");
        return act();
      }),
    insertInstanceCheck: then(store.insertInstanceCheck, () => "instance check row"),
    insertActiveKey: then(store.insertActiveKey, ({ purpose }) => `${purpose} key row`),
    insertTrustBundle: then(store.insertTrustBundle, () => "trust bundle row"),
    insertAdminKey: then(store.insertAdminKey, () => "admin key row"),
  };
};

watchFiles(reached);
const pool = makePool({
  ...target,
  role,
  isFenced: true,
  maxConnections: 2,
  applicationName: "stepgate first start",
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
});
await openKeyRingAt(home, pool, watched);
await pool.close();
