/**
 * The database is killed again and again, all its processes with SIGKILL, while runs are submitted over HTTP and executed:
 * nothing that was acknowledged is lost, what was in doubt is read back by its id, nothing is settled or charged twice, every
 * run ends sealed and verifies, and readiness tells the truth meanwhile.
 *
 * A server of the test's own: the others share one. As a bench (5 000 runs, four workers of which two are killed):
 *   STEPGATE_KILL_RUNS=5000 STEPGATE_KILL_WORKERS=4 STEPGATE_KILL_EVERY_MS=7000 node test/attack/database-killed.test.ts
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { isRunEnded } from "../../src/core/state.ts";
import type { DatabaseTarget } from "../../src/storage/pool.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { done, makeSink, type Rig, redactCard, startRig } from "../acceptance/rig.ts";
import { startWorker, type WorkerProcess } from "../acceptance/workers.ts";

const RUNS = Number(process.env["STEPGATE_KILL_RUNS"] ?? 60);
const WORKERS = Number(process.env["STEPGATE_KILL_WORKERS"] ?? 0);
/** In the bench by time, in the test by progress: it must not depend on how fast the machine is. */
const EVERY_MS = Number(process.env["STEPGATE_KILL_EVERY_MS"] ?? 0);
const KILLS = 3;
const PATIENCE_MS = RUNS * 2000;
const STEPS = ["a", "b", "c"];

t.setTimeout(PATIENCE_MS * 3);

t.test(`PostgreSQL killed with SIGKILL again and again under ${RUNS} runs`, async (t) => {
  const sink = makeSink(async () => {
    await delay(20);
    return done(null, { tokens: 7, usdMicros: 3 });
  });
  const rig = await startRig(t, {
    database: undefined,
    packs: { runtime: redactCard },
    adapters: [sink.adapter],
    tenant: {
      runtime_pack: "runtime",
      required_guardrails: [],
      quotas: [{ id: "q", unit: "tokens", window: "lifetime", limit: 1_000_000_000 }],
    },
    env: { STEPGATE_LEASE_MS: "5000", STEPGATE_ROLE: WORKERS > 0 ? "gateway" : "all" },
    // what is refused while the server is away is of no interest here
    onLogLine: () => undefined,
  });
  const { embedded } = rig.stepgate.rooms;
  if (embedded === undefined) throw new TypeError("nothing to attack");
  const target: DatabaseTarget = { connection: embedded.connection };
  const env = { STEPGATE_LEASE_MS: "5000" };
  const workers: WorkerProcess[] = [];
  for (let one = 0; one < WORKERS; one += 1) workers.push(await startWorker(t, { rig, database: { target }, env }));

  let acknowledged = 0;
  const killing = killAgain(t, { rig, folder: embedded.dataDirectory, progress: () => acknowledged, workers });
  const runs = new Set<string>();
  const seen = new Set<string>();
  for (let index = 0; index < RUNS; index += 1) {
    runs.add(await submitUntilAcknowledged(rig, `run-${index}`, seen));
    acknowledged += 1;
  }
  await killing;
  await untilSealed(rig, runs, seen);
  t.equal(runs.size, RUNS, "every submission that was acknowledged is one run, also where its first answer was lost");
  t.ok(
    [...seen].some((answer) => answer.startsWith("503") || answer === "no answer") || WORKERS > 0,
    [...seen].join(" "),
  );
  for (const answer of seen) t.match(answer, /^(no answer|503 STORE_\w+|503 not ready|409 IDEMPOTENCY_IN_PROGRESS)$/);
  t.equal((await fetch(`${rig.stepgate.gateway?.url}/readyz`)).status, 200, "ready again");
  await booksAgree(t, rig);
  for (const runUid of RUNS > 200 ? [...runs].slice(0, 200) : runs) await verifies(t, rig, runUid as RunUid);
});

/** Sends the same submission under the same id until it is acknowledged; the run's uid. */
async function submitUntilAcknowledged(rig: Rig, id: string, seen: Set<string>): Promise<string> {
  const step = (name: string) => ({
    id: name,
    type: "sink",
    inputs: { tokens: 7 },
    execution: { max_attempts: 3, cost_hint: { tokens: 10 } },
  });
  const body = JSON.stringify({
    id,
    budget: { tokens: 1000 },
    steps: STEPS.map(step),
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
  });
  for (;;) {
    const answer = await ask(rig, "/v1/runs", seen, { method: "POST", body });
    if (answer !== undefined) return String(answer["run_uid"]);
    await delay(20);
  }
}

/** An answer of 2xx, or undefined with what was answered instead noted. */
async function ask(
  rig: Rig,
  path: string,
  seen: Set<string>,
  request: { readonly method?: string; readonly body?: string } = {},
): Promise<Record<string, unknown> | undefined> {
  const authorization = "Bearer acceptance-test-admin-key-0123456789";
  try {
    const answer = await fetch(`${rig.stepgate.gateway?.url}${path}`, {
      ...request,
      headers: { authorization, "content-type": "application/json" },
    });
    const view = (await answer.json()) as Record<string, unknown>;
    if (answer.ok) return view;
    seen.add(`${answer.status} ${String(view["code"] ?? "not ready")}`);
  } catch {
    seen.add("no answer");
  }
  return undefined;
}

async function untilSealed(rig: Rig, runs: ReadonlySet<string>, seen: Set<string>): Promise<void> {
  const open = new Set(runs);
  const endMs = performance.now() + PATIENCE_MS;
  while (open.size > 0) {
    if (performance.now() > endMs) throw new TypeError(`${open.size} runs do not end`);
    for (const run of open) {
      const view = await ask(rig, `/v1/runs/${run}`, seen);
      const outcome = view?.["outcome"] as { readonly seal_record_id?: string } | undefined;
      if (isRunEnded(view?.["status"] as Parameters<typeof isRunEnded>[0]) && outcome?.seal_record_id !== undefined)
        open.delete(run);
    }
    await delay(50);
  }
}

interface Attack {
  readonly rig: Rig;
  readonly folder: string;
  readonly progress: () => number;
  readonly workers: readonly WorkerProcess[];
}

/** Kills the server and all its children: three times over the submissions, or every so often until they are over. */
async function killAgain(t: Test, { rig, folder, progress, workers }: Attack): Promise<void> {
  let kills = 0;
  const isOver = (): boolean => (EVERY_MS > 0 ? progress() >= RUNS : kills >= KILLS);
  while (!isOver()) {
    if (EVERY_MS > 0) await delay(EVERY_MS);
    else while (progress() < ((kills + 1) * RUNS) / (KILLS + 1)) await delay(10);
    const pid = Number((await readFile(join(folder, "postmaster.pid"), "utf8")).split("\n")[0]);
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").map(Number);
    for (const one of [pid, ...children]) if (one > 0) killQuietly(one);
    kills += 1;
    // two of the workers die with it
    if (kills === 2) for (const worker of workers.slice(0, 2)) worker.kill("SIGKILL");
    const answer = await fetch(`${rig.stepgate.gateway?.url}/readyz`);
    if (kills === 1) t.equal(answer.status, 503, "not ready while the database is gone");
    await answer.body?.cancel();
    while (
      !(
        await fetch(`${rig.stepgate.gateway?.url}/readyz`).then(
          (ready) => ready.json() as Promise<{ checks: readonly { name: string; ok: boolean }[] }>,
        )
      ).checks.some(({ name, ok }) => name === "database" && ok)
    )
      await delay(50);
  }
  t.ok(kills >= KILLS, `${kills} kills`);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // a child that ended by itself
  }
}

async function booksAgree(t: Test, rig: Rig): Promise<void> {
  const [sums] = await rig.rows(`
    select (select sum(actual_tokens)::bigint from stepgate.cost_ledger) as ledger,
           (select sum(tokens_used)::bigint from stepgate.budgets) as budgets,
           (select sum(tokens_reserved)::bigint from stepgate.budgets) as held,
           (select sum(used)::bigint from stepgate.quota_usage) as quota,
           (select sum(reserved)::bigint from stepgate.quota_usage) as quota_held,
           (select sum(tokens)::bigint from stepgate.billing_usage) as billed,
           (select count(*)::integer from stepgate.ready_steps) as ready,
           (select count(*)::integer from stepgate.runs) as runs,
           (select count(*)::integer from stepgate.records where kind = 'seal') as seals,
           (select count(*)::integer from (select 1 from stepgate.run_events where type in ('step_succeeded', 'step_failed')
              group by run_uid, step_id having count(*) > 1) x) as twice`);
  for (const book of ["budgets", "quota", "billed"])
    t.equal(sums?.[book], sums?.["ledger"], `${book} and ledger agree`);
  t.match(sums, { held: 0, quota_held: 0, ready: 0, runs: RUNS, seals: RUNS, twice: 0 });
  t.ok(Number(sums?.["ledger"] ?? 0) >= RUNS * STEPS.length * 7, "every step was charged");
}
