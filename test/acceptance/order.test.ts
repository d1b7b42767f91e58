/**
 * Who is served first (spec 02, order: S2, S8), as a worker's claim answers it.
 */
import t from "tap";
import type { WorkerId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { makeClaimStore } from "../../src/storage/claim-store.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { gold } from "./contracts.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string, slo?: JsonObject) => ({
  id,
  type: "sink",
  inputs: {},
  ...(slo === undefined ? {} : { policy: { slo } }),
});

async function gatewayRig(t: Parameters<typeof startRig>[0], database: Parameters<typeof startRig>[1]["database"]) {
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant,
    env: { STEPGATE_ROLE: "gateway" },
  });
  const queue = makeClaimStore({ pool: rig.stepgate.rooms.workerPool, workerId: "worker-of-the-test" as WorkerId });
  await queue.extendLease(60_000);
  return { rig, queue };
}

t.test("S2 a boost counts on top of the run's priority, and a wish is clamped to its tier", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, queue } = await gatewayRig(t, database);
    const runUid = await rig.submit({
      steps: [
        step("a-bronze", { ...gold, tier: "bronze", queue_target_ms: 1, priority_boost: 30_000 }),
        step("b-silver", { ...gold, tier: "silver", queue_target_ms: 1, priority_boost: 30_000 }),
        step("c-gold", { ...gold, queue_target_ms: 1, priority_boost: 30_000 }),
      ],
    });
    const claimed = await queue.claim({ types: ["sink"], maxSteps: 3, isIdle: false, isDeep: false });
    t.equal(claimed.length, 3);
    t.match(
      await rig.rows(
        "select step_id, priority, queue_target_ms from stepgate.steps where run_uid = $1 order by step_id",
        [runUid],
      ),
      [
        { step_id: "a-bronze", priority: 0, queue_target_ms: 30_000 },
        { step_id: "b-silver", priority: 1, queue_target_ms: 5000 },
        { step_id: "c-gold", priority: 3, queue_target_ms: 1000 },
      ],
    );
  });
});

t.test("S8 a step that was lost once is leased alone, to a worker with nothing else in hand", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, queue } = await gatewayRig(t, database);
    const lost = await rig.submit({ steps: [step("a")], priority: 100 });
    await rig.rows("update stepgate.ready_steps set is_alone = true where run_uid = $1", [lost]);
    const others = await rig.submit({ steps: [step("a"), step("b")] });
    const store = (name: string) => makeClaimStore({ pool: rig.stepgate.rooms.workerPool, workerId: name as WorkerId });
    const [another, third] = [store("another worker"), store("a third worker")];
    for (const worker of [another, third]) await worker.extendLease(60_000);
    const claim = async (worker: typeof queue, isIdle: boolean) =>
      (await worker.claim({ types: ["sink"], maxSteps: 8, isIdle, isDeep: false })).map(({ runUid, isAlone }) => ({
        runUid,
        isAlone,
      }));
    t.equal(await queue.shouldEmpty(["another type"]), false);
    t.equal(await queue.shouldEmpty(["sink"]), true);
    t.equal(await queue.shouldEmpty(["sink"]), true, "for as long as it takes");
    t.equal(await another.shouldEmpty(["sink"]), false, "one worker empties its hands, the others go on");
    t.same(
      await claim(queue, false),
      [
        { runUid: others, isAlone: false },
        { runUid: others, isAlone: false },
      ],
      "a busy worker takes all but it",
    );
    t.same(await claim(queue, true), [{ runUid: lost, isAlone: true }]);
    t.equal(await queue.shouldEmpty(["sink"]), false);

    const second = await rig.submit({ steps: [step("a")], priority: 100 });
    await rig.rows("update stepgate.ready_steps set is_alone = true where run_uid = $1", [second]);
    const ordinary = await rig.submit({ steps: [step("a")] });
    t.equal(await another.shouldEmpty(["sink"]), false, "nor while one is in hand");
    t.same(await claim(another, true), [{ runUid: ordinary, isAlone: false }], "one runs alone at a time");
    await rig.rows(
      "update stepgate.ready_steps set state = 'queued', lease_owner = null, not_before = 'infinity' where run_uid = $1",
      [lost],
    );
    t.equal(await another.shouldEmpty(["sink"]), true, "the right to it is given back by a claim with empty hands");
    t.same(await claim(third, true), [{ runUid: second, isAlone: true }], "whoever is idle first has it");
  });
});

t.test(
  "S8 retention, which may take minutes, keeps nobody from a step that must run alone, nor the other way round",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, queue } = await gatewayRig(t, database);
      const lost = await rig.submit({ steps: [step("a")] });
      await rig.rows("update stepgate.ready_steps set is_alone = true where run_uid = $1", [lost]);
      await database.pool.transaction(async (retention) => {
        const { rows } = await retention.query<{ may: boolean }>("select stepgate.may_maintain() as may", []);
        t.same(rows, [{ may: true }]);
        t.equal(await queue.shouldEmpty(["sink"]), true);
        const input = { types: ["sink"], maxSteps: 8, isIdle: true, isDeep: false };
        t.match(await queue.claim(input), [{ runUid: lost, isAlone: true }]);
      });
      await t.rejects(database.pool.query("select stepgate.lock_number('another')", []), "every lock has a number");
    });
  },
);

t.test("what a stopping worker had leased and not started is claimed by another at once", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, queue } = await gatewayRig(t, database);
    await rig.submit({ steps: [step("a"), step("b")] });
    const input = { types: ["sink"], maxSteps: 8, isIdle: false, isDeep: false };
    t.equal((await queue.claim(input)).length, 2);
    const other = makeClaimStore({ pool: rig.stepgate.rooms.workerPool, workerId: "another worker" as WorkerId });
    await other.extendLease(60_000);
    t.equal((await other.claim(input)).length, 0);
    t.equal(await queue.endLease(), 2);
    t.match(await other.claim(input), [{ attempt: 1 }, { attempt: 1 }]);
  });
});

/** Ways in which 600 steps of a run cannot go on: what is written for them, and how they may go on again. */
const WAYS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    "not due",
    ["update stepgate.ready_steps set not_before = 'infinity' where run_uid = $1"],
    ["update stepgate.ready_steps set not_before = now() where run_uid = $1"],
  ],
  [
    "of a paused run",
    ["update stepgate.run_heads set status = 'paused_at_step', paused_from = 'pending' where run_uid = $1"],
    ["update stepgate.run_heads set status = 'pending', paused_from = null where run_uid = $1"],
  ],
  [
    "of a paused run, and not due until it goes on",
    [
      "update stepgate.ready_steps set not_before = 'infinity' where run_uid = $1",
      "update stepgate.run_heads set status = 'paused_at_step', paused_from = 'pending' where run_uid = $1",
      "update stepgate.ready_steps set not_before = now() where run_uid = $1",
    ],
    ["update stepgate.run_heads set status = 'pending', paused_from = null where run_uid = $1"],
  ],
];

t.test("steps that wait for something hide nothing from a claim, and go first again once they may", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, queue } = await gatewayRig(t, database);
    const claim = () => queue.claim({ types: ["sink"], maxSteps: 8, isIdle: false, isDeep: false });
    for (const [way, stuck, free] of WAYS) {
      const crowd = await rig.submit({ steps: [step("a")], priority: 10 });
      await rig.rows(
        `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before, attempts_made)
         select tenant_uid, run_uid, 'crowd-' || n, type, is_contracted, breach_at, priority, ready_at, not_before, 0
           from stepgate.ready_steps, generate_series(1, 600) n where run_uid = $1`,
        [crowd],
      );
      for (const sql of stuck) await rig.rows(sql, [crowd]);
      const due = await rig.submit({ steps: [step("due")] });
      t.match(await claim(), [{ runUid: due }], way);
      t.same(await claim(), [], `${way}: nothing else`);
      await rig.submit({ steps: [step("due")] });
      for (const sql of free) await rig.rows(sql, [crowd]);
      const [first] = await claim();
      t.match(first, { runUid: crowd, stepId: "a" }, `${way} no longer`);
      await rig.rows("delete from stepgate.ready_steps");
    }
  });
});
