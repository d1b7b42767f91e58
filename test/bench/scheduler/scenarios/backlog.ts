/**
 * A backlog of 100 000 steps is drained: a claim takes no longer in the last tenth than in the first.
 *
 * Claims are timed by a probe that claims 64 steps like a worker and gives them back by rolling back.
 */
import { attemptsEnded, type Bed, startGovernedWorkers } from "../governed.ts";
import { type Scenario, submitMany, untilEnded, withBed } from "./scenario.ts";

const BACKLOG = 100_000;
const PROBES = 30;
/** Noise of medians of 30 beside two busy workers. */
const MOST_TIMES = 1.5;

export const backlog: Scenario = {
  name: "backlog",
  run: (scene) =>
    withBed(scene, "bench_backlog", async (bed) => {
      const { progress } = scene;
      await submitMany(bed, { steps: BACKLOG, progress });
      await bed.database.pool.query("vacuum analyze");
      const children = await startGovernedWorkers(bed, { processes: 2, hasMemo: true });
      try {
        await untilEnded(bed, BACKLOG * 0.03, progress);
        const startMs = performance.now();
        const from = await attemptsEnded(bed);
        const first = await claimMs(bed);
        await untilEnded(bed, BACKLOG * 0.93, progress);
        const perSecond = Math.round(((await attemptsEnded(bed)) - from) / ((performance.now() - startMs) / 1000));
        const last = await claimMs(bed);
        return {
          name: "backlog",
          aim: "a claim takes in the last tenth of 100 000 steps at most 1.5 times as long as in the first",
          found: `median claim of 64: ${first} ms in the first tenth, ${last} ms in the last; ${perSecond} steps/s between`,
          holds: last <= first * MOST_TIMES,
          figures: { first, last, perSecond },
        };
      } finally {
        await Promise.all(children.map((child) => child.stop()));
      }
    }),
};

class RolledBack extends Error {}

async function claimMs({ database }: Bed): Promise<number> {
  const times: number[] = [];
  for (let probe = 0; probe < PROBES; probe += 1) {
    try {
      await database.pool.transaction(async (connection) => {
        await connection.query("select stepgate.extend_lease('probe', 1, 'bench', 60000)");
        const startMs = performance.now();
        await connection.query("select * from stepgate.claim_steps('probe', array['noop'], 64, false, false)");
        times.push(performance.now() - startMs);
        throw new RolledBack();
      });
    } catch (caught) {
      if (!(caught instanceof RolledBack)) throw caught;
    }
  }
  times.sort((one, other) => one - other);
  return Math.round((times[PROBES / 2] ?? Number.NaN) * 100) / 100;
}
