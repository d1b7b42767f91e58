/**
 * The database is stopped again and again, all its processes with SIGKILL, while runs are submitted over HTTP and worker
 * processes die too: nothing that was acknowledged is lost, what was in doubt is read back by its id, nothing is settled or
 * charged twice, every run ends sealed and verifies, and readiness tells the truth meanwhile.
 *
 * A server of the test's own: the others share one. At full size (5 000 runs, a stop every 5 to 10 s): `npm run faults`.
 */
import { existsSync } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import type { DatabaseTarget } from "../../src/storage/pool.ts";
import { done, makeSink, type Rig, redactCard, startRig } from "../acceptance/rig.ts";
import { startWorker, type WorkerProcess } from "../acceptance/workers.ts";
import { keptPromises, makePatientClient } from "./submit-through-faults.ts";

const RUNS = Number(process.env["STEPGATE_FAULT_RUNS"] ?? 300);
/** In the large one by time, in the small one by progress: it must not depend on how fast the machine is. */
const STOP_EVERY_MS = Number(process.env["STEPGATE_FAULT_EVERY_MS"] ?? 0);
const MAX_DOWN_MS = 2000;
const SUBMITTERS = 8;
const PATIENCE_MS = 120_000 + RUNS * 400;
const LEASE = { STEPGATE_LEASE_MS: "5000" };

t.setTimeout(PATIENCE_MS * 3);

t.test(`S4 PostgreSQL stopped again and again, two of four workers killed, under ${RUNS} runs`, async (t) => {
  const rig = await startRig(t, {
    database: undefined,
    packs: { runtime: redactCard },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: {
      runtime_pack: "runtime",
      required_guardrails: [],
      quotas: [{ id: "q", unit: "tokens", window: "lifetime", limit: 1_000_000_000 }],
    },
    env: { ...LEASE, STEPGATE_ROLE: "gateway" },
    // what is refused while the server is away is of no interest here
    onLogLine: () => undefined,
  });
  const { embedded } = rig.stepgate.rooms;
  if (embedded === undefined) throw new TypeError("nothing to attack");
  const target: DatabaseTarget = { connection: embedded.connection };
  const workers = await Promise.all([1, 2, 3, 4].map(() => startWorker(t, { rig, database: { target }, env: LEASE })));
  const client = makePatientClient(rig, { patienceMs: PATIENCE_MS });
  const attack = attackAgain(t, { rig, folder: embedded.dataDirectory, progress: () => client.runs.size, workers });
  let next = 0;
  const submitOne = (): Promise<void> => {
    next += 1;
    return client.submit(`run-${next}`);
  };
  const submit = async (): Promise<void> => {
    while (next < RUNS) await submitOne();
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submit));
  const mendedAt = await attack;
  const survivors = workers.slice(2).map(({ pid }) => pid);
  const atWork = async (): Promise<readonly unknown[]> => {
    const rows = await rig.rows(
      "select distinct worker_pid from stepgate.step_attempts where status = 'succeeded' and started_at > $1::timestamptz",
      [mendedAt],
    );
    return rows.map(({ worker_pid }) => worker_pid);
  };
  // both get something to do after the last stop; the test's own time is the bound
  for (let seen = await atWork(); survivors.some((pid) => !seen.includes(pid)); seen = await atWork())
    await submitOne();
  await client.untilSealed();
  for (const refusal of client.refusals) t.match(refusal, /^(503 STORE_\w+|409 IDEMPOTENCY_IN_PROGRESS)$/);
  t.equal((await fetch(`${rig.stepgate.gateway?.url}/readyz`)).status, 200, "ready again");
  for (const pid of survivors) t.doesNotThrow(() => process.kill(pid, 0), "no process that was not killed has died");
  t.same(
    (await atWork()).filter((pid) => !survivors.includes(Number(pid))),
    [],
    "who was killed works no more",
  );
  await keptPromises(t, rig, client, { runs: next, verified: STOP_EVERY_MS > 0 ? next : 100 });
});

interface Attack {
  readonly rig: Rig;
  readonly folder: string;
  readonly progress: () => number;
  readonly workers: readonly WorkerProcess[];
}

/** How it is stopped: killed with all its children, as by a power cut; at once; in good order. */
const WAYS = ["SIGKILL", "SIGQUIT", "SIGINT"] as const;

/** Stops the server twice over the submissions, or every so often until they are over; a worker dies with each of the first two. Answers when the database was back for good, by its own clock. */
async function attackAgain(t: Test, { rig, folder, progress, workers }: Attack): Promise<string> {
  const url = `${rig.stepgate.gateway?.url}/readyz`;
  let stops = 0;
  const isOver = (): boolean => (STOP_EVERY_MS > 0 ? progress() >= RUNS : stops >= WAYS.length);
  while (!isOver()) {
    if (STOP_EVERY_MS > 0) await delay(STOP_EVERY_MS * (1 + Math.random()));
    else while (progress() < ((stops + 1) * RUNS) / (WAYS.length + 1)) await delay(10);
    // without this file no start succeeds, so that the server stays down for as long as we like
    const [file, aside] = [join(folder, "PG_VERSION"), join(folder, "PG_VERSION.aside")];
    await rename(file, aside);
    await stopServer(folder, WAYS[stops % WAYS.length] ?? "SIGKILL");
    if (stops < 2) workers[stops]?.kill("SIGKILL");
    const answer = await fetch(url);
    t.equal(answer.status, 503, "not ready while the database is gone");
    await answer.body?.cancel();
    await delay(Math.random() * MAX_DOWN_MS);
    await rename(aside, file);
    stops += 1;
    while (!(await fetch(url)).ok) await delay(50);
  }
  t.ok(stops >= 2, `${stops} stops`);
  const [row] = await rig.rows("select clock_timestamp()::text as now");
  return String(row?.["now"]);
}

async function stopServer(folder: string, way: (typeof WAYS)[number]): Promise<void> {
  const pid = Number((await readFile(join(folder, "postmaster.pid"), "utf8")).split("\n")[0]);
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").map(Number);
  for (const one of way === "SIGKILL" ? [pid, ...children] : [pid]) killQuietly(one, way);
  while (existsSync(`/proc/${pid}`)) await delay(10);
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // a child that ended by itself
  }
}
