/**
 * 100 000 steps of paused runs in one tenant: another tenant's steps are at most 10 % slower, and cost at most 10 % more.
 *
 * Short windows alternate between two databases of one server, of which one holds the stuck tenant: what disturbs the
 * machine disturbs both, and each pair of windows is compared for itself.
 */
import type { RunUid, TenantUid } from "../../../../src/core/ids.ts";
import type { Child } from "../child.ts";
import { attemptsEnded, type Bed, cpuOf, startGovernedWorkers } from "../governed.ts";
import { boundedMedian, formatBounds } from "./bounded-median.ts";
import { type Scenario, type Scene, submitMany, withBed } from "./scenario.ts";

const STUCK = 100_000;
const PAIRS = 9;
/** Waiting when a window begins, so that it begins alike for both. */
const QUEUED = 6000;
const WARM = 400;
const WINDOW_MS = 3500;
const MOST_MORE = 0.1;
const SETTINGS = { runtime_pack: "baseline", required_guardrails: ["baseline"] };

export const stuckTenant: Scenario = {
  name: "stuck tenant",
  run: (scene) =>
    withBed(scene, "bench_alone", (alone) =>
      withBed(scene, "bench_beside", async (beside) => {
        await stickSteps(beside, scene);
        const sides: readonly Side[] = [
          { bed: alone, children: await startPaused(alone) },
          { bed: beside, children: await startPaused(beside) },
        ];
        try {
          return figureOf(await measurePairs(sides, scene));
        } finally {
          await Promise.all(sides.flatMap(({ children }) => children.map((child) => child.stop())));
        }
      }),
    ),
};

interface Side {
  readonly bed: Bed;
  readonly children: readonly Child[];
}

interface Window {
  readonly perSecond: number;
  /** Of node and server; undefined where the server's cannot be read. */
  readonly cpuUs: number | undefined;
}

type Pair = readonly [alone: Window, beside: Window];

async function measurePairs([alone, beside]: readonly Side[], scene: Scene): Promise<readonly Pair[]> {
  if (alone === undefined || beside === undefined) throw new TypeError("two sides are compared");
  const pairs: Pair[] = [];
  // the first is for warmth
  while (pairs.length <= PAIRS) {
    scene.progress.show("stuck tenant", pairs.length / (PAIRS + 1));
    // each goes first as often
    if (pairs.length % 2 === 0) {
      const first = await measureWindow(alone, scene);
      pairs.push([first, await measureWindow(beside, scene)]);
    } else {
      const first = await measureWindow(beside, scene);
      pairs.push([await measureWindow(alone, scene), first]);
    }
  }
  return pairs.slice(1);
}

function figureOf(pairs: readonly Pair[]): Awaited<ReturnType<Scenario["run"]>> {
  const slower = boundedMedian(pairs.map(([alone, beside]) => 1 - beside.perSecond / alone.perSecond));
  const costs = pairs.flatMap(([alone, beside]) =>
    alone.cpuUs === undefined || beside.cpuUs === undefined ? [] : [beside.cpuUs / alone.cpuUs - 1],
  );
  const more = costs.length === pairs.length ? boundedMedian(costs) : undefined;
  const middle = (of: (pair: Pair) => number | undefined): number =>
    Math.round(boundedMedian(pairs.map((pair) => of(pair) ?? Number.NaN)).median);
  const judged = more === undefined ? [slower] : [slower, more];
  const cost = more === undefined ? "cost not known" : `${formatBounds(more)} more processor time a step`;
  return {
    name: "stuck tenant",
    aim: "beside 100 000 stuck steps of another tenant steps are at most 10 % slower, and take at most 10 % more processor time",
    found: `${formatBounds(slower)} slower, ${cost}; medians of ${pairs.length} pairs of windows, with bounds that hold with 96 %`,
    holds: judged.every(({ median }) => median <= MOST_MORE),
    isSure: judged.every(({ least, most }) => least > MOST_MORE === most > MOST_MORE),
    figures: {
      stuck: STUCK,
      pairs: pairs.length,
      alone: middle(([{ perSecond }]) => perSecond),
      beside: middle(([, { perSecond }]) => perSecond),
      slower: slower.median,
      slowerLeast: slower.least,
      slowerMost: slower.most,
      ...(more === undefined
        ? {}
        : {
            aloneCpuUs: middle(([{ cpuUs }]) => cpuUs),
            besideCpuUs: middle(([, { cpuUs }]) => cpuUs),
            costsMore: more.median,
            costsMoreLeast: more.least,
            costsMoreMost: more.most,
          }),
    },
  };
}

/** The steps of one side that end in a window, and what they cost, while the workers of the other have nothing to do. */
async function measureWindow({ bed, children }: Side, { progress }: Scene): Promise<Window> {
  await submitMany(bed, { steps: QUEUED - (await waiting(bed)), progress });
  const before = await attemptsEnded(bed);
  await pauseTenants(bed, false);
  try {
    while ((await attemptsEnded(bed)) < before + WARM) await pause(10);
    const first = await nextEnd(bed);
    const firstUs = await cpuOf(bed, children);
    await pause(WINDOW_MS);
    const last = await nextEnd(bed);
    const lastUs = await cpuOf(bed, children);
    const steps = last.ended - first.ended;
    return {
      perSecond: (steps * 1000) / (last.atMs - first.atMs),
      cpuUs: firstUs === undefined || lastUs === undefined ? undefined : (lastUs - firstUs) / steps,
    };
  } finally {
    await pauseTenants(bed, true);
    while ((await inHand(bed)) > 0) await pause(10);
  }
}

/** Steps end some 64 at once: a window that begins and ends with such an end counts no part of them. */
async function nextEnd(bed: Bed): Promise<{ readonly ended: number; readonly atMs: number }> {
  const before = await attemptsEnded(bed);
  for (;;) {
    const ended = await attemptsEnded(bed);
    if (ended > before) return { ended, atMs: performance.now() };
    await pause(10);
  }
}

/** With its tenants paused, so that whoever is not measured costs nothing. */
async function startPaused(bed: Bed): Promise<readonly Child[]> {
  await bed.database.pool.query("vacuum analyze");
  await pauseTenants(bed, true);
  return startGovernedWorkers(bed, { processes: 2, hasMemo: true });
}

async function pauseTenants({ database }: Bed, isPaused: boolean): Promise<void> {
  await database.pool.query("update stepgate.tenants set is_paused = $1", [isPaused]);
}

async function waiting({ database }: Bed): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    `select count(*)::integer as count from stepgate.ready_steps r
       join stepgate.tenants n on n.tenant_uid = r.tenant_uid where n.tenant_id = 'default'`,
  );
  return rows[0]?.count ?? 0;
}

async function inHand({ database }: Bed): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    "select count(*)::integer as count from stepgate.ready_steps where state <> 'queued'",
  );
  return rows[0]?.count ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function stickSteps(bed: Bed, { progress }: Scene): Promise<void> {
  const { rooms } = bed.stepgate;
  const tenantUid = rooms.ids.uuid() as TenantUid;
  const put = { weight: 1, isPaused: false, quotas: [], actor: "bench", tenantId: "stuck", tenantUid };
  await rooms.tenants.put({ ...put, settings: SETTINGS });
  await submitMany(bed, { steps: STUCK, tenantUid, progress });
  const { rows } = await bed.database.pool.query<{ run_uid: RunUid }>(
    "select run_uid from stepgate.runs where tenant_uid = $1",
    [tenantUid],
  );
  for (const { run_uid: runUid } of rows) await rooms.store.pause(tenantUid, runUid, "bench");
}
