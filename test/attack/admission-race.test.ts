/**
 * M4: two admissions of one lease reach the database at once, as of a worker that runs twice: one starts the step, the
 * other is told that it is too late, and the executor is called once (spec 08).
 */
import t from "tap";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeWorker } from "../../src/main-worker.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { ADMIT_STEPS } from "../../src/storage/statements/pipeline.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { allow, done, makeSink, startRig } from "../acceptance/rig.ts";
import { forEachDatabase } from "../storage/test-database.ts";

interface Admitted {
  readonly outcome: string;
}

t.test("M4 of two admissions of one lease at once the first starts the step and the other conflicts", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let release = (): void => undefined;
    const sink = makeSink(({ stepId }) =>
      stepId === "blocker"
        ? new Promise<ExecutorResult>((resolve) => {
            release = () => resolve(done(null));
          })
        : done(null),
    );
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [sink.adapter],
      tenant: { runtime_pack: "runtime", required_guardrails: [] },
      env: { STEPGATE_MAX_CONCURRENT_STEPS: "1" },
    });
    const { rooms } = rig.stepgate;
    const outcomes: (readonly string[])[] = [];
    /** Admits twice at once, and answers as the one that came first was answered. */
    const admitTwice: Pool["query"] = async <Row extends object>(...asked: Parameters<Pool["query"]>) => {
      const admitting = [
        rooms.workerPool.query<Row & Admitted>(...asked),
        rooms.workerPool.query<Row & Admitted>(...asked),
      ];
      const answers = await Promise.all(admitting);
      outcomes.push(answers.flatMap(({ rows }) => rows.map(({ outcome }) => outcome)));
      const first = answers.find(({ rows }) => rows.some(({ outcome }) => outcome === "started"));
      if (first === undefined) throw new TypeError("neither was admitted");
      return first;
    };
    const query: Pool["query"] = (text, values) =>
      text === ADMIT_STEPS ? admitTwice(text, values) : rooms.workerPool.query(text, values);
    const workerPool: Pool = { ...rooms.workerPool, query, lane: () => ({ query }) };
    // the worker that came with the rig has its one place taken: what follows is for the other one
    const blocked = await rig.submit({ steps: [{ id: "blocker", type: "sink", inputs: {} }] });
    await rig.until(blocked, () => sink.calls.length === 1);
    const stops: (() => Promise<unknown>)[] = [];
    const worker = makeWorker({ ...rooms, workerPool }, stops);
    t.teardown(async () => {
      await worker.stop();
      for (const stop of stops) await stop();
    });
    await worker.start();
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: {}, execution: { cost_hint: { tokens: 10 } } }],
      budget: { tokens: 100 },
    });
    const run = await rig.ended(runUid);
    t.same(
      outcomes.map((pair) => [...pair].sort()),
      [["stale", "started"]],
    );
    t.same(
      sink.calls.map(({ stepId }) => stepId),
      ["blocker", "a"],
    );
    t.equal(run.status, "succeeded");
    t.match(run.budget, { tokens: { used: 0, reserved: 0 } }, "reserved once, and given back");
    const log = await rig.rows("select seq, type from stepgate.run_events where run_uid = $1 order by seq", [runUid]);
    t.equal(log.filter(({ type }) => type === "step_started").length, 1);
    t.same(
      log.map(({ seq }) => seq),
      log.map((_, index) => index + 1),
      "no number of the log was given twice or left out",
    );
    await verifies(t, rig, runUid);
    release();
    t.equal((await rig.ended(blocked)).status, "succeeded");
  });
});
