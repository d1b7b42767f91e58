/**
 * The embedded PostgreSQL on a disk that is filled under load: first so that tables cannot grow, then so that the log of
 * the database cannot either, which ends the server and keeps it from starting. Argument: the disk (small-disk.ts).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { startEmbedded } from "../../src/storage/embedded/embedded-server.ts";
import { done, makeSink, redactCard, startRig } from "../acceptance/rig.ts";
import { silentLog } from "../storage/test-database.ts";
import { makeBallast } from "./small-disk.ts";
import { keptPromises, makePatientClient } from "./submit-through-faults.ts";

const [, , disk = ""] = process.argv;
const PATIENCE_MS = 60_000;
t.setTimeout(PATIENCE_MS * 4);

t.test("filled under load, given back, and nothing was lost", async (t) => {
  const home = join(disk, "home");
  await mkdir(home, { mode: 0o700 });
  // the place of the data is chosen once: for root it is not in the home
  await (await startEmbedded({ home, log: silentLog, rootParents: [disk] })).stop();
  const ballast = makeBallast(disk);
  const sink = makeSink(() => done({ text: "x".repeat(2000) }, { tokens: 7, usdMicros: 3 }));
  const lines: string[] = [];
  const rig = await startRig(t, {
    database: undefined,
    packs: { runtime: redactCard },
    adapters: [sink.adapter],
    tenant: {
      runtime_pack: "runtime",
      required_guardrails: [],
      quotas: [{ id: "q", unit: "tokens", window: "lifetime", limit: 1_000_000_000 }],
    },
    env: { STEPGATE_HOME: home, STEPGATE_LEASE_MS: "5000" },
    onLogLine: (line) => {
      lines.push(line);
    },
  });
  const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
      if (performance.now() > endMs) throw new TypeError(`${what}: not in ${PATIENCE_MS} ms`);
      await delay(20);
    }
  };
  const readiness = async () => {
    const answer = await fetch(`${rig.stepgate.gateway?.url}/readyz`);
    return {
      status: answer.status,
      ...((await answer.json()) as { readonly checks: readonly { readonly name: string }[] }),
    };
  };
  const client = makePatientClient(rig, { patienceMs: PATIENCE_MS });
  let submitted = 0;
  let isOver = false;
  t.teardown(async () => {
    isOver = true;
    await ballast.drop();
  });
  const submitUntilOver = async (): Promise<void> => {
    while (!isOver) {
      submitted += 1;
      await client.submit(`run-${submitted}`);
    }
  };
  // a connection of the owner: on a full disk no further one may come about
  await rig.rows("select 1");
  const load = Promise.all([submitUntilOver(), submitUntilOver(), submitUntilOver()]);
  await until("under load", () => sink.calls.length > 15);
  t.same([...client.refusals], [], "the control: nothing is refused while there is room");
  t.match(await readiness(), { status: 200, ready: true }, "the control: and it is ready");

  await ballast.fill();
  await until("refused", () => client.refusals.has("503 STORE_FULL"));
  t.equal(rig.stepgate.rooms.embedded?.isReady, true, "the server itself runs on");
  const { status, checks } = await readiness();
  t.equal(status, 503, "and whoever asks is told to send writes elsewhere");
  t.match(
    checks.find(({ name }) => name === "database"),
    { ok: true },
  );
  t.match(
    checks.find(({ name }) => name === "room"),
    { ok: false, code: "STORE_FULL" },
  );
  await ballast.drop();
  await until("ready as soon as there is room", async () => (await readiness()).status === 200);
  await ballast.fill();
  await until("refused again", async () => (await readiness()).status === 503);
  // more than the segments that its log has room for
  while (rig.stepgate.rooms.embedded?.isReady)
    await rig.rows("select pg_logical_emit_message(true, 'test', repeat('x', 8000000))").catch(() => undefined);
  t.equal((await readiness()).status, 503, "not ready while the database is down");
  await until("a start that fails", () => lines.some((line) => line.includes("does not start")));
  t.match(
    lines.find((line) => line.includes("does not start")),
    /DISK_FULL/,
    "the log says what keeps it from starting",
  );

  const acknowledged = client.runs.size;
  await ballast.drop();
  await until("acknowledged again", () => client.runs.size > acknowledged + 3);
  isOver = true;
  await load;
  await client.untilSealed();
  await until("ready again", async () => (await readiness()).status === 200);
  for (const refusal of client.refusals) t.match(refusal, /^503 STORE_(FULL|UNAVAILABLE|BUSY)$/);
  await keptPromises(t, rig, client, { runs: submitted, verified: 30 });

  const calls = sink.calls.map(({ runUid, stepId, attempt }) => `${runUid} ${stepId} ${attempt}`);
  const started = await rig.rows(
    "select run_uid || ' ' || step_id || ' ' || (data->>'attempt') as call from stepgate.run_events where type = 'step_started'",
  );
  const admitted = new Set(started.map(({ call }) => call));
  t.same(
    calls.filter((call) => !admitted.has(call)),
    [],
    "no executor was called without a durable admission",
  );
  t.equal(new Set(calls).size, calls.length, "nor twice under one");
});
