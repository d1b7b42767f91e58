/**
 * One budget row that every step of 64 workers of one tenant reserves from, beside the same work over many rows.
 *
 * They share four processes: a process each would need more connections than the embedded server gives.
 */
import { type Bed, startGovernedWorkers } from "../governed.ts";
import { boundedMedian } from "./bounded-median.ts";
import {
  formatRates,
  rateFigures,
  ratesOver,
  type Scenario,
  type Scene,
  submitMany,
  untilEnded,
  withBed,
} from "./scenario.ts";

const STEPS = 10_000;
const PROCESSES = 4;
const WORKERS_EACH = 16;
const WORKERS = PROCESSES * WORKERS_EACH;
/** Of each process; all of them with what the bench itself has are below the server's 100. */
const CONNECTIONS = 16;
const LOOK_MS = 8000;
const LEAST_SHARE = 0.5;

export const hotBudget: Scenario = {
  name: "hot budget",
  run: async (scene) => {
    const spread = await ratesOf(scene, (bed) => submitMany(bed, { steps: STEPS, progress: scene.progress }));
    const hot = await ratesOf(scene, (bed) => bed.submit(STEPS));
    return {
      name: "hot budget",
      aim: `${WORKERS} workers on one budget row keep at least half of their speed on ${STEPS / 1000} rows`,
      found: `${formatRates(spread)} steps/s over ${STEPS / 1000} budgets, ${formatRates(hot)} on one; windows of 1.6 s`,
      holds: boundedMedian(hot).median >= boundedMedian(spread).median * LEAST_SHARE,
      figures: { workers: WORKERS, processes: PROCESSES, ...rateFigures("spread", spread), ...rateFigures("hot", hot) },
    };
  },
};

function ratesOf(scene: Scene, submit: (bed: Bed) => Promise<void>): Promise<readonly number[]> {
  return withBed(scene, "bench_hot", async (bed) => {
    await submit(bed);
    await bed.database.pool.query("vacuum analyze");
    const children = await startGovernedWorkers(bed, {
      processes: PROCESSES,
      hasMemo: true,
      connections: CONNECTIONS,
      workersEach: WORKERS_EACH,
    });
    try {
      await untilEnded(bed, 1000, scene.progress);
      return await ratesOver(bed, LOOK_MS);
    } finally {
      await Promise.all(children.map((child) => child.stop()));
    }
  });
}
