/**
 * A transaction that is held open elsewhere for 60 s keeps dead rows from going: throughput is at least half.
 */
import { startGovernedWorkers } from "../governed.ts";
import { boundedMedian } from "./bounded-median.ts";
import { formatRates, rateFigures, ratesOver, type Scenario, submitMany, untilEnded, withBed } from "./scenario.ts";

const BACKLOG = 90_000;
const WARM = 3000;
const HELD_MS = 60_000;
const LOOK_MS = 10_000;
const LEAST_SHARE = 0.5;

export const heldTransaction: Scenario = {
  name: "held transaction",
  run: (scene) =>
    withBed(scene, "bench_held", async (bed) => {
      const { progress } = scene;
      await submitMany(bed, { steps: BACKLOG, progress });
      await bed.database.pool.query("vacuum analyze");
      const children = await startGovernedWorkers(bed, { processes: 2, hasMemo: true });
      try {
        await untilEnded(bed, WARM, progress);
        const before = await ratesOver(bed, LOOK_MS);
        const held = await bed.database.pool.transaction(async (connection) => {
          await connection.query("set transaction isolation level repeatable read");
          await connection.query("select txid_current(), count(*) from stepgate.tenants");
          await new Promise((resolve) => setTimeout(resolve, HELD_MS - LOOK_MS));
          return ratesOver(bed, LOOK_MS);
        });
        const { rows } = await bed.database.pool.query<{ dead: number }>(
          "select n_dead_tup as dead from pg_stat_user_tables where relname = 'ready_steps'",
        );
        const share = boundedMedian(held).median / boundedMedian(before).median;
        return {
          name: "held transaction",
          aim: "throughput in the last 10 s of a transaction held for 60 s is at least half of before",
          found: `${formatRates(before)} steps/s before, ${formatRates(held)} at the end: ${(share * 100).toFixed(0)} %; windows of 2 s`,
          holds: share >= LEAST_SHARE,
          figures: {
            ...rateFigures("before", before),
            ...rateFigures("held", held),
            deadQueueRows: rows[0]?.dead ?? 0,
          },
        };
      } finally {
        await Promise.all(children.map((child) => child.stop()));
      }
    }),
};
