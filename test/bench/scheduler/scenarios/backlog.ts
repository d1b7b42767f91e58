/**
 * A backlog of 100 000 steps is drained: a claim takes no longer in the last tenth than in the first.
 *
 * Claims are timed by a probe that claims 64 steps like a worker and gives them back by rolling back.
 */
import { attemptsEnded, type Bed, startGovernedWorkers } from "../governed.ts";
import { boundedMedian } from "./bounded-median.ts";
import { type Scenario, submitMany, untilEnded, withBed } from "./scenario.ts";

const BACKLOG = 100_000;
const PROBES = 40;
/** Noise of medians of 40 beside two busy workers; what a claim reads does not depend on how busy the machine is. */
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
        const first = await probeClaims(bed);
        await untilEnded(bed, BACKLOG * 0.93, progress);
        const perSecond = Math.round(((await attemptsEnded(bed)) - from) / ((performance.now() - startMs) / 1000));
        const last = await probeClaims(bed);
        return {
          name: "backlog",
          aim: "a claim takes in the last tenth of 100 000 steps at most 1.5 times as long as in the first, and reads as much",
          found: `claim of 64: ${formatProbes(first)} in the first tenth, ${formatProbes(last)} in the last; ${perSecond} steps/s between`,
          holds: last.ms <= first.ms * MOST_TIMES && last.buffers <= first.buffers * MOST_TIMES,
          figures: {
            first: first.ms,
            firstLeast: first.least,
            firstMost: first.most,
            firstBuffers: first.buffers,
            last: last.ms,
            lastLeast: last.least,
            lastMost: last.most,
            lastBuffers: last.buffers,
            perSecond,
          },
        };
      } finally {
        await Promise.all(children.map((child) => child.stop()));
      }
    }),
};

class RolledBack extends Error {}

interface Probes {
  /** The median, with bounds that hold with 95 %. */
  readonly ms: number;
  readonly least: number;
  readonly most: number;
  /** Pages that the median claim read, from memory or disk. */
  readonly buffers: number;
}

async function probeClaims({ database }: Bed): Promise<Probes> {
  const times: number[] = [];
  const buffers: number[] = [];
  for (let probe = 0; probe < PROBES; probe += 1) {
    try {
      await database.pool.transaction(async (connection) => {
        await connection.query("select stepgate.extend_lease('probe', 1, 'bench', 60000)");
        const { rows } = await connection.query<{ "QUERY PLAN": string }>(
          `explain (analyze, buffers, costs off, timing off)
           select * from stepgate.claim_steps('probe', array['noop'], 64, false, false)`,
        );
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        times.push(Number(/Execution Time: ([\d.]+)/.exec(plan)?.[1]));
        const [, hit = 0, read = 0] = /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(plan) ?? [];
        buffers.push(Number(hit) + Number(read));
        throw new RolledBack();
      });
    } catch (caught) {
      if (!(caught instanceof RolledBack)) throw caught;
    }
  }
  const { median, least, most } = boundedMedian(times);
  const round = (ms: number): number => Math.round(ms * 100) / 100;
  return {
    ms: round(median),
    least: round(least),
    most: round(most),
    buffers: Math.round(boundedMedian(buffers).median),
  };
}

function formatProbes({ ms, least, most, buffers }: Probes): string {
  return `${ms} ms (${least} to ${most}), ${buffers} pages`;
}
