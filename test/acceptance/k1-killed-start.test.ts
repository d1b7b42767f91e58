/**
 * K1: the whole of `stepgate serve` killed in the middle of its first start, again and again on one home, every second time
 * together with its database: what stood stands, and in the end one key set serves.
 *
 * Each start goes on from where the last one was killed and is killed a little later. Every single step of the key ring's
 * first start: crash/first-start.test.ts; every part of the embedded server's: storage/embedded/crash.test.ts.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import { findPlace } from "../../src/storage/embedded/place.ts";
import { connectionOf } from "../../src/storage/embedded/presence.ts";
import { makePool } from "../../src/storage/pool.ts";
import { isKept, isWhole, type Standing, standing } from "../crash/key-set.ts";
import { killServer, makeTestHome } from "../storage/embedded/home.ts";
import { silentLog } from "../storage/test-database.ts";
import { type Start, serve } from "./serve-process.ts";

const KILL = new URL("kill-start.ts", import.meta.url);
const PATIENCE = { timeout: 300_000 };
const ANSWER_MS = 60_000;

/** Before there is a schema, there are no keys to look at. */
const BEFORE_KEYS = ["data in place", "migration 12 row"];
/** While keys are made and sealed, and after the last of them. */
const AMONG_KEYS = [
  "instance.key in place",
  "instance check row",
  ...[SIGNING_PURPOSES[0], SIGNING_PURPOSES.at(-1)].map((purpose) => `${purpose} key row`),
  "trust bundle row",
  "admin-key in place",
  "default tenant row",
];

/** What stands of the keys, read beside the server that a killed start left running: nobody joins or stops it. */
async function look(home: string): Promise<Standing> {
  const place = await findPlace(home);
  if (place === undefined) throw new TypeError("there is no server");
  const connection = connectionOf(place);
  const pool = makePool({ connection, maxConnections: 1, applicationName: "stepgate test", log: silentLog });
  try {
    return await standing(home, pool);
  } finally {
    await pool.close();
  }
}

/** As the holder of the admin key that the first start wrote. */
async function ask(start: Start, home: string, path: string, body?: object): Promise<Response> {
  const key = (await readFile(join(home, "keys", "admin-key"), "utf8")).trim();
  return fetch(`${await start.listening}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": "one" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
}

t.test(
  "K1 a first start of the whole product, killed at every turn, ends with one key set that serves",
  PATIENCE,
  async (t) => {
    const { home } = await makeTestHome(t);
    // compiled once, not by each of the starts
    const env = { STEPGATE_HOME: home, NODE_COMPILE_CACHE: join(dirname(home), "compiled") };
    let before: Standing | undefined;
    for (const [turn, moment] of [...BEFORE_KEYS, ...AMONG_KEYS].entries()) {
      const start = serve(t, env, ["--import", `${KILL.href}?at=${encodeURIComponent(moment)}`]);
      t.equal(await start.ended, "SIGKILL", `killed at: ${moment}`);
      t.notMatch(start.text(), /listening|"level":"(error|fatal)"/);
      if (AMONG_KEYS.includes(moment)) {
        const now = await look(home);
        if (before !== undefined) isKept(t, before, now);
        before = now;
      }
      if (turn % 2 === 1) await killServer(home);
    }

    const serving = serve(t, env);
    t.ok(await serving.listening, "the next start serves");
    const made = await look(home);
    if (before !== undefined) isKept(t, before, made);
    isWhole(t, made);
    const { keys } = (await (await ask(serving, home, "/.well-known/jwks.json")).json()) as { keys: { kid: string }[] };
    t.same(keys.map(({ kid }) => kid).sort(), made.keys.map((row) => row["key_id"]).sort());
    const run = { kind: "dag", steps: [{ id: "one", type: "noop", inputs: { result: "kept" } }], edges: [] };
    const accepted = await ask(serving, home, "/v1/runs", run);
    t.equal(accepted.status, 201, "its admin key is the one in the file");
    const { run_uid: uid } = (await accepted.json()) as { run_uid: string };

    serving.child.kill("SIGKILL");
    await serving.ended;
    const again = serve(t, env);
    await again.listening;
    t.equal((await ask(again, home, `/v1/runs/${uid}`)).status, 200, "what was accepted is there, under the same keys");
    t.same(await look(home), made, "nothing was made again");
    again.child.kill("SIGINT");
    t.equal(await again.ended, 0);
  },
);
