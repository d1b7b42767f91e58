/**
 * How soon others go on with what a worker process had in hand, killed or stopped (spec 02, loop).
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

/** One worker performs a step that hangs at its first attempt, another is there and has nothing to do. */
async function twoWorkers(t: Test, env: Readonly<Record<string, string>>) {
  const database = await openTestDatabase(t);
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env: { STEPGATE_ROLE: "gateway" },
  });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-effects-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "effects");
  const lines = async () => (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const worker = await startWorker(t, { rig, database, env });
  const runUid = await rig.submit({
    steps: [{ id: "a", type: "sink", inputs: { effects_file: path, hang_until: 1 }, execution: { max_attempts: 1 } }],
  });
  while ((await lines()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const other = await startWorker(t, { rig, database, env });
  return { rig, runUid, lines, worker, other };
}

t.test("what a killed worker had started is closed within a second of its lease's end, by one that runs", async (t) => {
  const env = { STEPGATE_LEASE_MS: "1500", STEPGATE_REAPER_INTERVAL_MS: "200" };
  const { rig, runUid, worker, other } = await twoWorkers(t, env);
  worker.kill("SIGKILL");
  t.equal((await rig.ended(runUid)).status, "succeeded");
  const [lost] = await rig.rows(
    `select extract(epoch from e.at - w.lease_until)::float as late, w.pid from stepgate.run_events e
       join stepgate.workers w on w.worker_id = e.data ->> 'worker' where e.run_uid = $1 and e.type = 'step_attempt_lost'`,
    [runUid],
  );
  t.equal(lost?.["pid"], worker.pid);
  const late = Number(lost?.["late"]);
  t.ok(late >= 0 && late <= 1, `${late} s after the lease's end`);
  await other.stop();
});

t.test("a worker that is stopped drains, aborts what still runs and hands it on before its lease ends", async (t) => {
  const env = { STEPGATE_LEASE_MS: "120000", STEPGATE_REAPER_INTERVAL_MS: "200", STEPGATE_DRAIN_MS: "500" };
  const { rig, runUid, lines, worker, other } = await twoWorkers(t, env);
  const askedMs = performance.now();
  await worker.stop();
  t.ok(performance.now() - askedMs >= 500, "it was given the time to end by itself");
  t.equal(await worker.ended, 0);
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.same(
    (await lines()).map((line) => line.replace(` ${runUid}`, "")),
    [`${worker.pid} a 1`, `${worker.pid} a 1 aborted`, `${other.pid} a 2`],
  );
  t.match(
    await rig.rows("select status, worker_pid from stepgate.step_attempts where run_uid = $1 order by attempt", [
      runUid,
    ]),
    [{ status: "lost" }, { status: "succeeded", worker_pid: other.pid }],
    "a result that came after the abort counts for nothing",
  );
  t.same(await rig.rows("select 1 from stepgate.workers where pid = $1", [worker.pid]), [], "its lease is given up");
  await other.stop();
});
