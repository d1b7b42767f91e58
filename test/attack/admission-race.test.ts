/**
 * M4: two admissions of one lease reach the database at once, as of a worker that runs twice: one starts the step, the
 * other is told that it is too late, and the executor is called once (spec 08).
 */
import t from "tap";
import type { Pool } from "../../src/storage/pool.ts";
import { ADMIT_STEPS } from "../../src/storage/statements/pipeline.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { startSecondWorker } from "./second-worker.ts";

interface Admitted {
  readonly outcome: string;
}

t.test("M4 of two admissions of one lease at once the first starts the step and the other conflicts", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const outcomes: (readonly string[])[] = [];
    /** Admits twice at once, and answers as the one that came first was answered. */
    const admitTwice = async <Row extends object>(query: Pool["query"], ...asked: Parameters<Pool["query"]>) => {
      const admitting = [query<Row & Admitted>(...asked), query<Row & Admitted>(...asked)];
      const answers = await Promise.all(admitting);
      outcomes.push(answers.flatMap(({ rows }) => rows.map(({ outcome }) => outcome)));
      const first = answers.find(({ rows }) => rows.some(({ outcome }) => outcome === "started"));
      if (first === undefined) throw new TypeError("neither was admitted");
      return first;
    };
    const { rig, calls, freeFirst } = await startSecondWorker(
      t,
      database,
      (query) => (text, values) => (text === ADMIT_STEPS ? admitTwice(query, text, values) : query(text, values)),
    );
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
      calls().map(({ stepId }) => stepId),
      ["a"],
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
    await freeFirst();
  });
});
