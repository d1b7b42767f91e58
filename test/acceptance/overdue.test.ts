/**
 * Steps that nobody may claim end when their time is up all the same (spec 01, deadline; spec 02, reaper).
 */
import t, { type Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

const step = (id: string, execution: JsonObject = {}) => ({ id, type: "sink", inputs: { card: id }, execution });

/** A rig whose worker looks for overdue steps ten times a second, or as seldom as is said. */
const startLooking = (t: Test, database: TestDatabase, { adapter, everyMs = 100 }: Looking) =>
  startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env: { STEPGATE_REAPER_INTERVAL_MS: String(everyMs) },
  });

interface Looking {
  readonly adapter: ExecutorAdapter;
  readonly everyMs?: number;
}

/** An executor each of whose calls ends when it is released, in the order in which they began. */
function makeHolding() {
  const release: (() => void)[] = [];
  const sink = makeSink(() => new Promise((resolve) => release.push(() => resolve(done(null)))));
  return { ...sink, release };
}

t.test("a step past its time ends deadline_exceeded though its type is paused, or nobody serves it", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startLooking(t, database, sink);
    await rig.rows("update stepgate.tenants set paused_types = '{sink}'");
    const late = step("a", { deadline_ms: 200 });
    const inPause = await rig.submit({ steps: [step("a", { deadline_ms: 3_600_000 })] });
    t.equal(await rig.stepgate.rooms.store.pause(rig.tenantUid, inPause, "test"), true);
    await rig.rows("update stepgate.steps set deadline_at = now() where run_uid = $1", [inPause]);
    const single = await rig.submit({
      steps: [late, step("b"), step("c")],
      edges: [["a", "b"]],
      run_config: { max_parallel: 1 },
    });
    const unserved = await rig.submit({ steps: [late] });
    await rig.rows("update stepgate.ready_steps set type = 'unserved' where run_uid = $1", [unserved]);
    const limited = await rig.submit({
      steps: [step("a", { compensation: { step: "undo" } }), step("undo"), step("later", { deadline_ms: 3_600_000 })],
      time_limit_ms: 200,
    });
    await rig.until(single, (steps) => steps.get("a")?.state === "failed");
    t.match((await rig.steps(single)).get("b"), { state: "skipped" });
    t.match((await rig.steps(single)).get("c"), { state: "queued" }, "its time is not up");
    for (const runUid of [unserved, limited]) {
      t.equal((await rig.ended(runUid)).status, "failed");
      await verifies(t, rig, runUid);
    }
    t.match((await rig.steps(limited)).get("later"), { state: "failed", errorKind: "deadline_exceeded" });
    t.match((await rig.steps(limited)).get("undo"), { state: "skipped" });
    t.match((await rig.steps(inPause)).get("a"), { state: "queued" }, "in a paused run time stands still");

    t.match((await rig.steps(single)).get("a"), { errorKind: "deadline_exceeded", attemptsMade: 0 });
    const [refused] = (await rig.events(single)).filter(({ type }) => type === "step_refused");
    t.match(refused?.data, { error_kind: "deadline_exceeded", stage: "deadline", reasons: ["deadline_exceeded"] });
    const of = "where run_uid = $1 and step_id = 'a'";
    t.match(await rig.rows(`select kind, record_id from stepgate.records ${of}`, [single]), [
      { kind: "refusal", record_id: refused?.data["refusal_record"] },
    ]);
    t.match(await rig.rows(`select kind, actual_tokens from stepgate.cost_ledger ${of}`, [single]), [
      { kind: "refused", actual_tokens: 0 },
    ]);
    t.match(
      await rig.rows("select action from stepgate.audit_log where resource like $1", [
        `%"run_id":"${single}"%"step_id":"a"%`,
      ]),
      [{ action: "step.failed" }],
    );
    t.equal(sink.calls.length, 0);
    // no lease is left behind, and what was not late runs once it may
    await rig.rows("update stepgate.tenants set paused_types = '{}'");
    t.equal((await rig.ended(single)).status, "failed");
    t.match((await rig.steps(single)).get("c"), { state: "succeeded" });
    await verifies(t, rig, single);
  });
});

t.test(
  "steps past their time behind max_parallel end while the others run on, and no more than that run",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { release, ...sink } = makeHolding();
      const rig = await startLooking(t, database, sink);
      const late = ["late-0", "late-1", "late-2"];
      const runUid = await rig.submit({
        steps: [
          step("first"),
          ...late.map((id) => step(id, { deadline_ms: 200 })),
          step("after"),
          step("patient", { deadline_ms: 3_600_000 }),
        ],
        edges: [["late-0", "after"]],
        run_config: { max_parallel: 1 },
      });
      const limited = await rig.submit({
        steps: [step("first"), step("second"), step("third", { deadline_ms: 3_600_000 })],
        run_config: { execution_mode: "sequential" },
        time_limit_ms: 3_600_000,
      });
      await rig.until(runUid, () => release.length === 2);
      await rig.rows("update stepgate.run_heads set time_limit_at = now() where run_uid = $1", [limited]);
      await rig.rows("update stepgate.runs set time_limit_at = now() where run_uid = $1", [limited]);
      const states = async (of: typeof runUid) =>
        Object.fromEntries([...(await rig.steps(of))].map(([id, { state }]) => [id, state]));
      await rig.until(runUid, (steps) => late.every((id) => steps.get(id)?.state === "failed"));
      await rig.until(limited, (steps) => ["second", "third"].every((id) => steps.get(id)?.state === "failed"));
      t.match(await states(runUid), { first: "running", after: "skipped", patient: "queued" });
      const [record] = await rig.rows(
        "select kind from stepgate.records where run_uid = $1 and step_id = 'late-2' and kind = 'refusal'",
        [runUid],
      );
      t.ok(record, "refused with a record, as any step whose time is up");
      const heads = (of: typeof runUid) =>
        rig.rows("select ready_rows, unplaced_steps from stepgate.run_heads where run_uid = $1", [of]);
      t.same(await heads(runUid), [{ ready_rows: 1, unplaced_steps: 1 }], "one at work, one behind it");
      t.same(await heads(limited), [{ ready_rows: 1, unplaced_steps: 0 }]);
      t.equal(sink.calls.length, 2, "none of them ran, and none beside what runs");
      for (const next of release) next();
      await rig.until(runUid, () => release.length === 3);
      release[2]?.();
      for (const each of [runUid, limited]) {
        t.equal((await rig.ended(each)).status, "failed");
        t.same(await heads(each), [{ ready_rows: 0, unplaced_steps: 0 }]);
        await verifies(t, rig, each);
      }
      t.match(await states(runUid), { first: "succeeded", patient: "succeeded" });
    });
  },
);

t.test(
  "a step that got its place to be refused, and may go on after a pause, waits until the run has room",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { release, ...sink } = makeHolding();
      // only the test looks for overdue steps
      const rig = await startLooking(t, database, { ...sink, everyMs: 60_000 });
      const { store } = rig.stepgate.rooms;
      const runUid = await rig.submit({
        steps: [step("first"), step("late", { deadline_ms: 3_600_000 })],
        run_config: { max_parallel: 1 },
      });
      await rig.until(runUid, () => release.length === 1);
      await rig.rows("select stepgate.extend_lease('doomed', 1, 'here', 60000)");
      await database.pool.transaction(async ({ query }) => {
        // an hour after it became ready, of which a pause may give back as much
        await query(
          `update stepgate.steps set deadline_at = now(), first_ready_at = now() - interval '1 hour'
            where run_uid = $1 and step_id = 'late'`,
          [runUid],
        );
        const { rows } = await query("select step_id from stepgate.lease_overdue('doomed', 10)");
        t.match(rows, [{ step_id: "late" }]);
      });
      await store.pause(rig.tenantUid, runUid, "test");
      await rig.rows("select stepgate.end_lease('doomed')");
      // as of a pause that waited for the run's row while the step's time ran out
      await rig.rows("update stepgate.run_heads set paused_at = paused_at - interval '1 hour' where run_uid = $1", [
        runUid,
      ]);
      await store.resume(rig.tenantUid, runUid, "test");
      await rig.untilEvent(
        runUid,
        ({ type, stepId, data }) => data["reason"] === "max_parallel" || (type === "step_started" && stepId === "late"),
      );
      const started = (await rig.events(runUid)).filter(({ type }) => type === "step_started");
      t.equal(started.length, 1, "one runs, as the run was told");
      release[0]?.();
      await rig.until(runUid, () => release.length === 2);
      release[1]?.();
      t.equal((await rig.ended(runUid)).status, "succeeded");
      t.same(await rig.rows("select ready_rows, unplaced_steps from stepgate.run_heads where run_uid = $1", [runUid]), [
        { ready_rows: 0, unplaced_steps: 0 },
      ]);
      await verifies(t, rig, runUid);
    });
  },
);
