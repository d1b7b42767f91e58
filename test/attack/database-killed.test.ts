/**
 * The database is killed in the middle of twenty runs: nothing that was acknowledged is lost, nothing is charged twice, every
 * run ends and is sealed, and readiness tells the truth meanwhile.
 *
 * A server of the test's own: the others share one.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { loadConfig } from "../../src/config/load-config.ts";
import { isRunEnded } from "../../src/core/state.ts";
import { startStepgate } from "../../src/main.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { allow, done, makeSink, packOf } from "../acceptance/rig.ts";

const RUNS = 20;
const PATIENCE_MS = 60_000;

t.test("PostgreSQL killed with SIGKILL in the middle of 20 runs", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "stepgate-killed-"));
  const key = "attack-test-admin-key-0123456789abcdef";
  const loaded = loadConfig({
    STEPGATE_HOME: home,
    STEPGATE_LISTEN: "127.0.0.1:0",
    STEPGATE_ADMIN_KEY: key,
    STEPGATE_LEASE_MS: "5000",
    STEPGATE_MAX_CONCURRENT_STEPS: "8",
  });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
  const sink = makeSink(async () => {
    await delay(60);
    return done(null, { tokens: 7, usdMicros: 3 });
  });
  const stepgate = await startStepgate({
    config: loaded.config,
    log: makeLog({ level: process.env["RIG_LOG"] === "1" ? "debug" : "silent" }),
    onProgress: () => undefined,
    parts: { packs: new Map([["open", packOf("open", allow)]]), adapters: [sink.adapter] },
  });
  t.teardown(async () => {
    await stepgate.stop();
    await rm(home, { recursive: true, force: true });
  });
  const { rooms, gateway } = stepgate;
  const url = gateway?.url ?? "";
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const tenantUid = (await rooms.tenants.find("default"))?.tenantUid;
  if (tenantUid === undefined || rooms.embedded === undefined) throw new TypeError("nothing to attack");
  const settings = { runtime_pack: "open", required_guardrails: [] };
  await rooms.tenants.put({
    tenantUid,
    tenantId: "default",
    weight: 1,
    isPaused: false,
    settings,
    quotas: [{ id: "q", unit: "tokens", window: "lifetime", limit: 1_000_000 }],
    actor: "test",
  });
  const step = (id: string) => ({
    id,
    type: "sink",
    inputs: {},
    execution: { max_attempts: 3, cost_hint: { tokens: 10 } },
  });
  const body = JSON.stringify({
    budget: { tokens: 1000 },
    steps: ["a", "b", "c"].map(step),
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
  });
  const submitted: string[] = [];
  for (let index = 0; index < RUNS; index += 1) {
    const answer = await fetch(`${url}/v1/runs`, { method: "POST", headers, body });
    t.equal(answer.status, 201);
    submitted.push(((await answer.json()) as { run_uid: string }).run_uid);
  }
  const pid = Number((await readFile(join(rooms.embedded.dataDirectory, "postmaster.pid"), "utf8")).split("\n")[0]);
  process.kill(pid, "SIGKILL");
  const seen = new Set<number>();
  const refused = new Set<string>();
  const endMs = performance.now() + PATIENCE_MS;
  let open = submitted;
  while (open.length > 0 && performance.now() < endMs) {
    seen.add((await fetch(`${url}/readyz`)).status);
    const left: string[] = [];
    for (const run of open) {
      const answer = await fetch(`${url}/v1/runs/${run}`, { headers });
      const view = (await answer.json()) as {
        status: string | number;
        code?: string;
        outcome?: { seal_record_id?: string };
      };
      if (answer.status !== 200) refused.add(`${answer.status} ${view.code}`);
      const isOver =
        answer.status === 200 &&
        isRunEnded(view.status as Parameters<typeof isRunEnded>[0]) &&
        view.outcome?.seal_record_id !== undefined;
      if (!isOver) left.push(run);
    }
    open = left;
    await delay(20);
  }
  t.equal(open.length, 0, "every run has ended and is sealed");
  t.ok(seen.has(503), "not ready while the database was gone");
  t.equal((await fetch(`${url}/readyz`)).status, 200, "ready again");
  for (const answer of refused) t.match(answer, /^503 STORE_/, "what could not be read was refused with a code");

  const { rows } = await rooms.workerPool.query<Record<string, number>>(`
    select (select sum(actual_tokens)::bigint from stepgate.cost_ledger) as ledger,
           (select sum(tokens_used)::bigint from stepgate.budgets) as budgets,
           (select sum(tokens_reserved)::bigint from stepgate.budgets) as held,
           (select sum(used)::bigint from stepgate.quota_usage) as quota,
           (select sum(reserved)::bigint from stepgate.quota_usage) as quota_held,
           (select count(*) from stepgate.ready_steps) as ready`);
  const [sums] = rows;
  t.equal(sums?.["ledger"], sums?.["budgets"], "ledger and budgets tell the same");
  t.equal(sums?.["ledger"], sums?.["quota"], "ledger and quota tell the same");
  t.match(sums, { held: 0, quota_held: 0, ready: 0 });
  t.ok((sums?.["ledger"] ?? 0) >= RUNS * 3 * 7, "every step was charged");
});
