/**
 * What becomes of steps whose worker is gone (spec 01 A11; spec 02 S4, S8; spec 03 B5).
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { RunUid, WorkerId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeClaimStore } from "../../src/storage/claim-store.ts";
import { forEachDatabase, openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { call, register } from "./tool-desk.ts";
import { DOLLAR, startTwoWorkers } from "./two-workers.ts";
import { startWorker } from "./workers.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
// most of it is starting worker processes, which a busy machine takes long for
t.setTimeout(600_000);

const SHORT = { STEPGATE_LEASE_MS: "1000", STEPGATE_REAPER_INTERVAL_MS: "100" };

async function withGateway(t: Test, database: TestDatabase): Promise<Rig> {
  return startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant,
    env: { STEPGATE_ROLE: "gateway" },
  });
}

async function effectsFile(
  t: Test,
): Promise<{ readonly path: string; readonly lines: () => Promise<readonly string[]> }> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-effects-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "effects");
  const lines = async () => (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  return { path, lines };
}

t.test("A11 a step leased by a worker that never started it is queued again and succeeds as attempt 1", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await withGateway(t, database);
    const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
    const dead = makeClaimStore({ pool: rig.stepgate.rooms.workerPool, workerId: "worker-that-died" as WorkerId });
    await dead.extendLease(200);
    const [held] = await dead.claim({ types: ["sink"], maxSteps: 1, isIdle: false, isDeep: false });
    t.equal(held?.attempt, 1);
    t.equal((await rig.steps(runUid)).get("a")?.state, "leased");
    const worker = await startWorker(t, { rig, database, env: SHORT });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.match((await rig.steps(runUid)).get("a"), { state: "succeeded", attemptsMade: 1 });
    t.notOk((await rig.events(runUid)).some(({ type }) => type === "step_attempt_lost"));
    t.equal(await dead.extendLease(200), true, "the dead one may come back, with nothing in its hands");
    await verifies(t, rig, runUid);
    await worker.stop();
  });
});

t.test("S4 two workers perform 1 000 steps, each exactly once, and both are at work", async (t) => {
  const database = await openTestDatabase(t);
  const rig = await withGateway(t, database);
  const effects = await effectsFile(t);
  const steps = Array.from({ length: 100 }, (_, index) => ({
    id: `step-${index}`,
    type: "sink",
    inputs: { effects_file: effects.path },
  }));
  const runs = await Promise.all(Array.from({ length: 10 }, () => rig.submit({ steps })));
  const workers = await Promise.all([
    startWorker(t, { rig, database, env: {} }),
    startWorker(t, { rig, database, env: {} }),
  ]);
  for (const runUid of runs) t.equal((await rig.ended(runUid)).status, "succeeded");
  const calls = (await effects.lines()).map((line) => line.split(" "));
  t.equal(calls.length, 1000);
  t.equal(new Set(calls.map(([, runUid, stepId]) => `${runUid}/${stepId}`)).size, 1000, "no step was called twice");
  const pids = new Set(calls.map(([pid]) => pid));
  t.same(pids, new Set(workers.map(({ pid }) => String(pid))), "both were at work");
  const [attempts] = await rig.rows(
    "select count(*) as attempts, count(distinct worker_id) as workers from stepgate.step_attempts where status = 'succeeded'",
  );
  t.same(attempts, { attempts: 1000, workers: 2 }, "and the attempts say so");
  for (const worker of workers) await worker.stop();
});

t.test(
  "A11 S4 a worker killed in the middle of a step: the attempt is lost and charged, the next succeeds",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await withGateway(t, database);
      const effects = await effectsFile(t);
      const operator = await deskOf(rig, "olga", "operator");
      await register({ operator }, "effect", {
        executor: "sink",
        config: { $arguments: true },
        input_schema: { type: "object" },
        idempotent: true,
      });
      const runUid = await rig.submit({
        steps: [
          {
            id: "a",
            ...call("effect", { effects_file: effects.path, hang_until: 1, tokens: 3 }),
            execution: { cost_hint: { tokens: 10 }, max_attempts: 1 },
          },
          { id: "b", type: "sink", inputs: { effects_file: effects.path } },
        ],
        edges: [["a", "b"]],
        budget: { tokens: 100 },
      });
      const doomed = await startWorker(t, { rig, database, env: SHORT });
      await rig.until(runUid, (steps) => steps.get("a")?.state === "running");
      while ((await effects.lines()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      doomed.kill("SIGKILL");
      t.equal(await doomed.ended, "SIGKILL");
      const other = await startWorker(t, { rig, database, env: SHORT });
      const run = await rig.ended(runUid);
      t.equal(run.status, "succeeded", "a lost attempt is none of max_attempts");
      t.match((await rig.steps(runUid)).get("a"), { state: "succeeded", attemptsMade: 2 });
      t.match(
        run.budget,
        { tokens: { used: 13, reserved: 0 } },
        "B5 used is what the ledger says: 10 as reserved, 3 as reported",
      );
      t.match(
        await rig.rows(
          "select kind, actual_tokens, usage_source from stepgate.cost_ledger where run_uid = $1 and step_id = 'a' order by lease_epoch",
          [runUid],
        ),
        [
          { kind: "lost", actual_tokens: 10, usage_source: "assumed" },
          { kind: "succeeded", actual_tokens: 3, usage_source: "reported" },
        ],
      );
      t.same(
        (await effects.lines()).map((line) => line.replace(` ${runUid}`, "")),
        [`${doomed.pid} a 1`, `${other.pid} a 2`, `${other.pid} b 1`],
        "what ran, and where",
      );
      t.match(
        await rig.rows(
          "select attempt, status, worker_pid from stepgate.step_attempts where run_uid = $1 and step_id = 'a' order by attempt",
          [runUid],
        ),
        [
          { attempt: 1, status: "lost", worker_pid: doomed.pid },
          { attempt: 2, status: "succeeded", worker_pid: other.pid },
        ],
      );
      await verifies(t, rig, runUid, "a run with a lost attempt verifies, its effect sealed as open");
      await other.stop();
    });
  },
);

t.test(
  "of tools that lost their worker in the middle, one that writes and is not idempotent is not called again",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await withGateway(t, database);
      const effects = await effectsFile(t);
      const operator = await deskOf(rig, "olga", "operator", "reader");
      const tool = { executor: "sink", config: { $arguments: true }, input_schema: { type: "object" } };
      const kinds = { pays: {}, puts: { idempotent: true }, looks: { effects: "read" } };
      for (const [name, kind] of Object.entries(kinds)) await register({ operator }, name, { ...tool, ...kind });
      const inputs = { effects_file: effects.path, hang_until: 1 };
      const steps = Object.keys(kinds).map((name) => ({
        id: name,
        ...call(name, inputs),
        execution: name === "pays" ? { compensation: { step: "undo" }, max_attempts: 9 } : {},
      }));
      const runUid = await rig.submit({ steps: [...steps, { id: "undo", type: "sink", inputs: {} }] });
      const doomed = await startWorker(t, { rig, database, env: SHORT });
      while ((await effects.lines()).length < steps.length) await new Promise((resolve) => setTimeout(resolve, 20));
      doomed.kill("SIGKILL");
      await doomed.ended;
      const other = await startWorker(t, { rig, database, env: SHORT });
      t.equal((await rig.ended(runUid)).status, "failed");
      const seen = await rig.steps(runUid);
      const end = { state: "failed", errorKind: "lease_exhausted", reasons: ["attempt_in_doubt"], attemptsMade: 1 };
      t.match(seen.get("pays"), end);
      t.equal(seen.get("undo")?.state, "succeeded", "what may have been done is undone");
      for (const name of ["puts", "looks"]) t.match(seen.get(name), { state: "succeeded", attemptsMade: 2 }, name);
      const calls = (await effects.lines()).map((line) => line.split(" ").slice(2).join(" ")).sort();
      t.same(calls, ["looks 1", "looks 2", "pays 1", "puts 1", "puts 2"]);
      await verifies(t, rig, runUid);
      const redriven = await operator("POST", `/v1/dead-letters/${runUid}/pays/redrive`, {
        inputs: call("pays", { effects_file: effects.path })["inputs"] ?? {},
      });
      t.equal(redriven.status, 201, "a person may have it done again");
      t.equal((await rig.ended(String(redriven.json["run_uid"]) as RunUid)).status, "succeeded");
      await other.stop();
    });
  },
);

t.test("M12 the time until a retry goes on while no worker is there", async (t) => {
  const database = await openTestDatabase(t);
  const rig = await withGateway(t, database);
  const effects = await effectsFile(t);
  const first = await startWorker(t, { rig, database, env: SHORT });
  const inputs = { effects_file: effects.path, fail_until: 1 };
  const execution = { max_attempts: 2, retry_backoff_ms: 6000 };
  const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs, execution }] });
  // not while it still runs: then it would be lost, and no retry of an error
  await rig.untilEvent(runUid, ({ type }) => type === "step_retry_scheduled");
  first.kill("SIGKILL");
  const second = await startWorker(t, { rig, database, env: SHORT });
  const [restart] = await rig.rows("select clock_timestamp()::text as at");
  t.equal((await rig.ended(runUid)).status, "succeeded");
  const [times] = await rig.rows(
    `select s.at - r.at >= interval '6 s' as is_waited_for, s.at < $2::timestamptz + interval '5.5 s' as is_remainder
       from stepgate.run_events r join stepgate.run_events s using (run_uid)
      where r.run_uid = $1 and r.type = 'step_retry_scheduled' and s.type = 'step_started' and s.seq > r.seq`,
    [runUid, String(restart?.["at"])],
  );
  t.same(times, { is_waited_for: true, is_remainder: true }, "neither at once nor anew from the restart on");
  t.equal((await effects.lines()).length, 2);
  await second.stop();
});

t.test(
  "S8 a step that kills its worker five times ends lease_exhausted, dead-lettered, compensated; others lose time at most",
  async (t) => {
    const database = await openTestDatabase(t);
    const two = await startTwoWorkers(t, database, { ...SHORT, STEPGATE_MAX_IN_FLIGHT_USD: "1.0" });
    const { rig } = two;
    const held = new Map<string, (result: ExecutorResult) => void>();
    const killed: number[] = [];
    const calls = two.play(({ stepId, attempt, pid }) => {
      if (stepId === "deadly") {
        killed.push(pid);
        process.kill(pid, "SIGKILL");
      }
      if (attempt > 1 || (stepId !== "calm" && stepId !== "beside")) return done(null);
      return new Promise((resolve) => held.set(stepId, resolve));
    });
    const submit = (id: string, usd_micros: number, more: JsonObject = {}) =>
      rig.submit({
        steps: [{ id, type: "sink", inputs: {}, execution: { cost_hint: { usd_micros }, max_attempts: 1 } }],
        ...more,
      });
    const isHeld = (runUid: RunUid, id: string) => rig.until(runUid, () => held.has(id));
    // one worker has its hands full, so the others share the other one
    const calm = await submit("calm", DOLLAR);
    await isHeld(calm, "calm");
    const beside = await submit("beside", DOLLAR / 2);
    await isHeld(beside, "beside");
    const runUid = await rig.submit({
      steps: [
        {
          ...{ id: "deadly", type: "sink", inputs: {} },
          execution: { cost_hint: { usd_micros: DOLLAR / 2 }, compensation: { step: "undo" } },
        },
        { id: "undo", type: "sink", inputs: {} },
      ],
    });
    const passing: RunUid[] = [];
    for (let deaths = 1; deaths <= 5; deaths += 1) {
      await rig.until(runUid, () => killed.length === deaths);
      if (deaths < 5) await two.startAnother();
      passing.push(await submit("passing", 0));
    }
    // the one worker that is left has never had it: it is idle again for what must run alone
    held.get("calm")?.(done(null));
    const run = await rig.ended(runUid);
    t.equal(run.status, "failed");
    const steps = await rig.steps(runUid);
    t.match(steps.get("deadly"), { state: "failed", errorKind: "lease_exhausted", attemptsMade: 5 });
    t.match(steps.get("undo"), { state: "succeeded", attemptsMade: 1 });
    t.equal(new Set(killed).size, 5);
    t.match(
      await rig.rows(
        "select status, worker_pid from stepgate.step_attempts where run_uid = $1 and step_id = 'deadly' order by attempt",
        [runUid],
      ),
      killed.map((pid) => ({ status: "lost", worker_pid: pid })),
    );
    const desk = await deskOf(rig, "rita", "reader");
    t.match(await desk("GET", "/v1/dead-letters"), {
      json: { items: [{ run_uid: runUid, step_id: "deadly", error_kind: "lease_exhausted", attempt: 5 }] },
    });

    for (const neighbour of [calm, beside, ...passing]) t.equal((await rig.ended(neighbour)).status, "succeeded");
    const attempts = async (neighbour: RunUid) =>
      (
        await rig.rows("select status from stepgate.step_attempts where run_uid = $1 order by attempt", [neighbour])
      ).map(({ status }) => status);
    t.same(await attempts(beside), ["lost", "succeeded"], "what shared its worker once runs again");
    for (const neighbour of [calm, ...passing]) t.same(await attempts(neighbour), ["succeeded"], "the others go on");
    const pidsOf = (id: string) => calls.filter(({ stepId }) => stepId === id).map(({ pid }) => pid);
    t.equal(pidsOf("beside")[0], killed[0]);
    t.same(
      pidsOf("calm").filter((pid) => killed.includes(pid)),
      [],
    );
    for (const each of [runUid, beside]) await verifies(t, rig, each);
  },
);

t.test("a run that is cancelled while a dead worker holds its steps ends all the same", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await withGateway(t, database);
    const { store, workerPool: pool } = rig.stepgate.rooms;
    const leased = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
    const dead = makeClaimStore({ pool, workerId: "worker-that-died" as WorkerId });
    await dead.extendLease(300);
    await dead.claim({ types: ["sink"], maxSteps: 1, isIdle: false, isDeep: false });
    t.equal(await store.cancel(rig.tenantUid, leased, "test"), true);
    const running = await rig.submit({
      steps: [
        { id: "a", type: "sink", inputs: { hang_until: 1 }, execution: { compensation: { step: "undo" } } },
        { id: "undo", type: "sink", inputs: {} },
      ],
    });
    const doomed = await startWorker(t, { rig, database, env: { ...SHORT, STEPGATE_REAPER_INTERVAL_MS: "60000" } });
    await rig.until(running, (steps) => steps.get("a")?.state === "running");
    doomed.kill("SIGSTOP");
    t.equal(await store.cancel(rig.tenantUid, running, "test"), true);
    doomed.kill("SIGKILL");
    const other = await startWorker(t, { rig, database, env: SHORT });
    t.equal((await rig.ended(leased)).status, "cancelled");
    t.equal((await rig.ended(running)).status, "cancelled");
    t.match(
      [...(await rig.steps(running)).values()].map(({ state }) => state),
      ["cancelled", "succeeded"],
    );
    for (const runUid of [leased, running]) await verifies(t, rig, runUid);
    await other.stop();
  });
});

t.test(
  "a step that meets a failure of our own before it starts is taken again by the same living worker",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => done(null));
      let checks = 0;
      const adapter: typeof sink.adapter = {
        ...sink.adapter,
        check: (...given) => {
          checks += 1;
          if (checks === 1) throw new TypeError("a fault of ours");
          return sink.adapter.check(...given);
        },
      };
      const rig = await startRig(t, {
        database,
        packs: { runtime: allow },
        adapters: [adapter],
        tenant,
        onLogLine: () => undefined,
      });
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
      t.equal((await rig.ended(runUid)).status, "succeeded");
      t.match((await rig.steps(runUid)).get("a"), { state: "succeeded", attemptsMade: 1 });
      t.equal(checks, 2);
    });
  },
);
