/**
 * S7: a worker that is stopped (SIGSTOP) past its lease and continued settles nothing, and what it was executing is aborted;
 * whatever happened to the step meanwhile.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { makeRebuildRun } from "../../src/runs/rebuild-run.ts";
import { makeRebuildStore } from "../../src/storage/rebuild-store.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { type Call, deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { done, makeSink, type Rig, startRig } from "./rig.ts";
import { startWorker, type WorkerProcess } from "./workers.ts";

const SHORT = { STEPGATE_LEASE_MS: "1000", STEPGATE_REAPER_INTERVAL_MS: "100" };

interface Scene {
  readonly rig: Rig;
  readonly alice: Call;
  readonly bob: Call;
  readonly start: () => Promise<WorkerProcess>;
  /** Submits one step; its executor notes each call and each abort. */
  readonly submit: (inputs: JsonObject) => Promise<RunUid>;
  readonly untilNoted: (worker: WorkerProcess, what: string) => Promise<void>;
  readonly mark: string;
  /** Each call of the executor is a line of it, which begins with its process. */
  readonly effects: string;
}

async function scene(t: Test): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-s7-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const database = await openTestDatabase(t);
  const rig = await startRig(t, {
    database,
    packs: { runtime: holdUntilApproved },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env: { STEPGATE_ROLE: "gateway" },
  });
  const effects = join(folder, "effects");
  const [alice, bob] = [await deskOf(rig, "alice", "submitter"), await deskOf(rig, "bob", "approver")];
  return {
    rig,
    alice,
    bob,
    mark: join(folder, "stopped"),
    effects,
    start: () => startWorker(t, { rig, database, env: SHORT }),
    submit: (inputs) =>
      submitAs(alice, { steps: [{ id: "a", type: "sink", inputs: { effects_file: effects, ...inputs } }] }),
    untilNoted: async ({ pid }, what) => {
      const isIt = (line: string): boolean => line.startsWith(`${pid} `) && line.endsWith(what);
      while (!(await readFile(effects, "utf8").catch(() => "")).split("\n").some(isIt)) await delay(20);
    },
  };
}

async function approve({ rig, bob }: Scene, runUid: RunUid, step = "a"): Promise<void> {
  const approvalId = await openApproval(rig, runUid, step);
  await bob("POST", `/v1/approvals/${approvalId}`, { decision: "approve", reason: "seen" });
}

/** It goes on, is seen to have given up, and has changed neither log, books nor evidence of the ended run. */
async function goesOnInVain(
  t: Test,
  { rig }: Scene,
  runUid: RunUid,
  stopped: WorkerProcess,
  seen: () => Promise<void>,
) {
  const state = async () =>
    await Promise.all([
      rig.events(runUid),
      rig.rows("select * from stepgate.step_attempts where run_uid = $1 order by lease_epoch", [runUid]),
      rig.rows("select * from stepgate.cost_ledger where run_uid = $1 order by lease_epoch, kind", [runUid]),
      rig.rows("select record_id from stepgate.records where run_uid = $1 order by record_id", [runUid]),
      rig.rows("select approval_id, state from stepgate.approvals where run_uid = $1 order by approval_id", [runUid]),
    ]);
  const before = await state();
  stopped.kill("SIGCONT");
  await seen();
  // it drains first: what it had in hand has come to its end
  await stopped.stop();
  t.same(await state(), before, "its late end changed nothing");
  await verifies(t, rig, runUid);
}

t.test("S7 stopped while it executes: aborted when it goes on, and its result counts for nothing", async (t) => {
  const here = await scene(t);
  const { rig, start, submit, untilNoted } = here;
  const stopped = await start();
  const runUid = await submit({ hang_until: 1 });
  await untilNoted(stopped, " 1");
  stopped.kill("SIGSTOP");
  const other = await start();
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.match(
    (await rig.events(runUid)).map(({ type }) => type),
    /step_attempt_lost/,
  );
  await goesOnInVain(t, here, runUid, stopped, () => untilNoted(stopped, " 1 aborted"));
  await other.stop();
});

t.test("S7 stopped between its claim and the hold it decides: another one holds, is approved, and runs", async (t) => {
  const here = await scene(t);
  const { rig, start, submit, mark } = here;
  const stopped = await start();
  const runUid = await submit({ hold: true, stop_once: mark });
  while (!existsSync(mark)) await delay(20);
  const other = await start();
  await approve(here, runUid);
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.equal((await rig.events(runUid)).filter(({ type }) => type === "step_held").length, 1);
  await goesOnInVain(t, here, runUid, stopped, async () => undefined);
  await other.stop();
});

t.test("M4 two workers write to one log: the late one's admission conflicts, and it calls no executor", async (t) => {
  const here = await scene(t);
  const { rig, alice, start, mark, effects } = here;
  const stopped = await start();
  // the run is not over when the late one goes on: nothing else stands in its way
  const runUid = await submitAs(alice, {
    steps: [
      { id: "a", type: "sink", inputs: { effects_file: effects, stop_once: mark } },
      { id: "b", type: "sink", inputs: { effects_file: effects, hold: true } },
    ],
  });
  while (!existsSync(mark)) await delay(20);
  const other = await start();
  while ((await rig.steps(runUid)).get("a")?.state !== "succeeded") await delay(50);
  await openApproval(rig, runUid, "b");
  const log = () =>
    rig.rows("select seq, type, data from stepgate.run_events where run_uid = $1 order by seq", [runUid]);
  const before = await log();
  stopped.kill("SIGCONT");
  await stopped.stop();
  t.same(await log(), before, "nothing was appended");
  t.same(
    before.map(({ seq }) => seq),
    before.map((_, index) => index + 1),
    "no number of the log was given twice or left out",
  );
  const calls = (await readFile(effects, "utf8")).split("\n").filter((line) => line !== "");
  t.same(
    calls.map((line) => line.split(" ")[0]),
    [String(other.pid)],
  );
  await approve(here, runUid, "b");
  t.equal((await rig.ended(runUid)).status, "succeeded");
  await verifies(t, rig, runUid);
  await other.stop();
});

t.test("S7 stopped while it executes what was approved: the next attempt is held and approved anew", async (t) => {
  const here = await scene(t);
  const { rig, start, submit, untilNoted } = here;
  const stopped = await start();
  const runUid = await submit({ hold: true, hang_until: 1 });
  await approve(here, runUid);
  await untilNoted(stopped, " 1");
  stopped.kill("SIGSTOP");
  const other = await start();
  await approve(here, runUid);
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.ok((await rig.events(runUid)).filter(({ type }) => type === "step_held").length >= 2, "each attempt has its own");
  await goesOnInVain(t, here, runUid, stopped, () => untilNoted(stopped, " 1 aborted"));
  await other.stop();
});

t.test("S7 stopped while its run is rebuilt from the log: what goes on is the rebuilt run alone", async (t) => {
  const here = await scene(t);
  const { rig, start, submit, untilNoted } = here;
  const { store, workerPool: pool } = rig.stepgate.rooms;
  const rebuild = makeRebuildRun({
    store: { ...store, ...makeRebuildStore(pool) },
    readManifest: makeReadManifest(),
    maxLostAttempts: 5,
  });
  const stopped = await start();
  const runUid = await submit({ hang_until: 1 });
  await untilNoted(stopped, " 1");
  stopped.kill("SIGSTOP");
  await rig.rows("delete from stepgate.ready_steps where run_uid = $1", [runUid]);
  await rebuild(rig.tenantUid, runUid, "test");
  const other = await start();
  t.equal((await rig.ended(runUid)).status, "succeeded");
  await goesOnInVain(t, here, runUid, stopped, () => untilNoted(stopped, " 1 aborted"));
  await other.stop();
});
