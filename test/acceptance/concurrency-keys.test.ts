/** Limits per concurrency key: they hold across workers, wait instead of failing, and nothing has to be given back (spec 02). */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [], concurrency_limits: { crm: 2, ledger: 1 } };
const keyed = (id: string, key: string, inputs = {}) => ({
  id,
  type: "sink",
  inputs,
  execution: { concurrency_key: key, max_attempts: 3, retry_backoff_ms: 10 },
});

/** Most attempts of steps with this key that were under way at one moment. */
async function mostAtOnce(rig: Rig, key: string): Promise<number> {
  const [row] = await rig.rows(
    `with of_key as (
       select a.started_at, a.ended_at from stepgate.step_attempts a
         join stepgate.steps s using (tenant_uid, run_uid, step_id)
        where s.spec::jsonb -> 'execution' ->> 'concurrency_key' = $1)
     select coalesce(max(n), 0)::integer as most from (
       select (select count(*) from of_key o where o.started_at <= k.started_at and o.ended_at > k.started_at) as n
         from of_key k) as counts`,
    [key],
  );
  return Number(row?.["most"]);
}

const waiting = async (rig: Rig, runUid: RunUid) =>
  (await rig.events(runUid)).filter(({ type, data }) => type === "step_queued" && data["reason"] === "concurrency_key");

t.test("a limit of two holds over two worker processes, and after both are killed", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [makeSink(() => done(null)).adapter],
      tenant,
      env: { STEPGATE_ROLE: "gateway" },
    });
    const env = { STEPGATE_BATCH_SIZE: "2" };
    const workers = await Promise.all([startWorker(t, { rig, database, env }), startWorker(t, { rig, database, env })]);
    const isRunning = (found: Awaited<ReturnType<Rig["steps"]>>) =>
      [...found.values()].every(({ state }) => state === "running");
    const holders = await rig.submit({
      steps: [
        ...["crm0", "crm1"].map((id) => keyed(id, "crm", { hang_until: 1 })),
        ...["free0", "free1", "free2"].map((id) => keyed(id, "unlimited", { hang_until: 1 })),
      ],
    });
    await rig.until(holders, isRunning);
    const others = await rig.submit({ steps: ["crm2", "crm3", "crm4", "crm5"].map((id) => keyed(id, "crm")) });
    let told = new Set<string | undefined>();
    while (told.size < 4) {
      await rig.untilEvent(others, ({ stepId, data }) => data["reason"] === "concurrency_key" && !told.has(stepId));
      told = new Set((await waiting(rig, others)).map(({ stepId }) => stepId));
    }
    t.same(
      await rig.rows("select distinct deferred_for, deferred_by from stepgate.ready_steps where run_uid = $1", [
        others,
      ]),
      [{ deferred_for: "concurrency_key", deferred_by: "crm" }],
      "which key it is stands where people look",
    );
    t.same(await rig.rows("select 1 from stepgate.step_attempts where run_uid = $1", [others]), [], "none of them ran");
    for (const worker of workers) worker.kill("SIGKILL");
    await Promise.all(workers.map(({ ended }) => ended));
    await rig.rows("update stepgate.workers set lease_until = now() - interval '1 second'");
    await startWorker(t, { rig, database });
    for (const runUid of [holders, others])
      t.equal((await rig.ended(runUid)).status, "succeeded", "the places of what was lost are free again");
    t.equal(await mostAtOnce(rig, "crm"), 2);
    t.equal((await waiting(rig, others)).length, 4, "said once per step");
  });
});

t.test("a place is free again after success, failure, retry and cancel", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let isHanging = (): void => undefined;
    const hangs = new Promise<void>((resolve) => {
      isHanging = resolve;
    });
    const sink = makeSink(({ stepId, attempt }, _call, signal) => {
      if (stepId === "hangs") {
        isHanging();
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(done(null))));
      }
      if ((stepId === "retried" && attempt === 1) || stepId === "fails") throw new TypeError("no");
      return done(null);
    });
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const first = await rig.submit({
      steps: ["one", "fails", "retried", "two"].map((id) => keyed(id, "ledger")),
    });
    t.equal((await rig.ended(first)).status, "failed");
    t.match(
      [...(await rig.steps(first)).values()].map(({ stepId, state, attemptsMade }) => ({
        stepId,
        state,
        attemptsMade,
      })),
      [
        { stepId: "one", state: "succeeded", attemptsMade: 1 },
        { stepId: "fails", state: "failed", attemptsMade: 3 },
        { stepId: "retried", state: "succeeded", attemptsMade: 2 },
        { stepId: "two", state: "succeeded", attemptsMade: 1 },
      ],
    );
    t.equal(await mostAtOnce(rig, "ledger"), 1);
    const holder = await rig.submit({ steps: [keyed("hangs", "ledger")] });
    await hangs;
    const next = await rig.submit({ steps: [keyed("next", "ledger")] });
    await rig.untilEvent(next, ({ type, data }) => type === "step_queued" && data["reason"] === "concurrency_key");
    t.equal(sink.calls.filter(({ stepId }) => stepId === "next").length, 0);
    await rig.stepgate.rooms.store.cancel(rig.tenantUid, holder, "test");
    t.equal((await rig.ended(next)).status, "succeeded");
    t.equal((await rig.ended(holder)).status, "cancelled");
    t.same(await rig.rows("select 1 from stepgate.ready_steps"), [], "nothing is left of either");
  });
});
