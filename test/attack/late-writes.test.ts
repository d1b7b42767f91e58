/**
 * What a worker writes for a lease that has passed on, to itself under the next number: the number alone tells them apart.
 */
import t from "tap";
import type { Pool } from "../../src/storage/pool.ts";
import { ADMIT_STEPS, SETTLE_STEPS } from "../../src/storage/statements/pipeline.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { startSecondWorker } from "./second-worker.ts";

const NUMBER = "update stepgate.ready_steps set lease_epoch = lease_epoch + $1 where step_id = 'a' returning state";
const WRITTEN = `
  select (select count(*) from stepgate.records)::integer as records, (select count(*) from stepgate.blobs)::integer as blobs,
         (select count(*) from stepgate.run_events)::integer as events, (select sum(tokens_reserved) from stepgate.budgets)::integer as held`;

for (const { what, statement, state } of [
  { what: "an admission starts nothing", statement: ADMIT_STEPS, state: "leased" },
  { what: "a settlement ends nothing", statement: SETTLE_STEPS, state: "running" },
]) {
  t.test(`${what} under a number that its worker's lease of the step no longer has`, async (t) => {
    await forEachDatabase(t, async (t, { pool, ...database }) => {
      const seen: object[] = [];
      const passOn =
        (query: Pool["query"]): Pool["query"] =>
        async <Row extends object>(...[text, values]: Parameters<Pool["query"]>) => {
          if (text !== statement || seen.length > 0) return query<Row>(text, values);
          seen.push(...(await pool.query(NUMBER, [1])).rows);
          const before = await pool.query(WRITTEN);
          seen.push(...(await query(text, values)).rows);
          t.same((await pool.query(WRITTEN)).rows, before.rows);
          await pool.query(NUMBER, [-1]);
          return query<Row>(text, values);
        };
      const { rig, calls, freeFirst } = await startSecondWorker(t, { pool, ...database }, passOn);
      const runUid = await rig.submit({
        steps: [{ id: "a", type: "sink", inputs: {}, execution: { cost_hint: { tokens: 10 } } }],
        budget: { tokens: 100 },
      });
      t.equal(
        (await rig.ended(runUid)).status,
        "succeeded",
        "the control: with its own number the same statement does it",
      );
      t.match(seen, [{ state }, { outcome: "stale" }]);
      t.equal(calls().length, 1);
      await verifies(t, rig, runUid);
      await freeFirst();
    });
  });
}
