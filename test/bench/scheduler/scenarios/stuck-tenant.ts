/**
 * 100 000 steps of paused runs in one tenant: another tenant's steps are at most 10 % slower.
 */
import type { RunUid, TenantUid } from "../../../../src/core/ids.ts";
import { attemptsEnded, type Bed, startGovernedWorkers } from "../governed.ts";
import { measureRate } from "../rate.ts";
import { type Scenario, type Scene, submitMany, withBed } from "./scenario.ts";

const STUCK = 100_000;
const MEASURED = 6000;
const MOST_SLOWER = 0.1;

export const stuckTenant: Scenario = {
  name: "stuck tenant",
  run: (scene) =>
    withBed(scene, "bench_stuck", async (bed) => {
      const alone = await stepsPerSecond(bed, scene);
      await stickSteps(bed, scene);
      const beside = await stepsPerSecond(bed, scene);
      const slower = 1 - beside / alone;
      return {
        name: "stuck tenant",
        aim: "steps are at most 10 % slower beside 100 000 stuck steps of another tenant",
        found: `${alone} steps/s alone, ${beside} beside: ${(slower * 100).toFixed(1)} % slower`,
        holds: slower <= MOST_SLOWER,
        figures: { stuck: STUCK, alone, beside },
      };
    }),
};

async function stepsPerSecond(bed: Bed, { progress }: Scene): Promise<number> {
  await submitMany(bed, { steps: MEASURED, progress });
  await bed.database.pool.query("vacuum analyze");
  const before = await attemptsEnded(bed);
  const children = await startGovernedWorkers(bed, { processes: 2, hasMemo: true });
  try {
    const rate = await measureRate({
      name: "stuck tenant",
      total: MEASURED,
      done: async () => (await attemptsEnded(bed)) - before,
      snapshot: async () => undefined,
      progress,
    });
    return Math.round(rate.perSecond);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

async function stickSteps(bed: Bed, { progress }: Scene): Promise<void> {
  const { rooms } = bed.stepgate;
  const tenantUid = rooms.ids.uuid() as TenantUid;
  const settings = { runtime_pack: "baseline", required_guardrails: ["baseline"] };
  const put = { weight: 1, isPaused: false, quotas: [], actor: "bench", tenantId: "stuck", tenantUid };
  await rooms.tenants.put({ ...put, settings });
  await submitMany(bed, { steps: STUCK, tenantUid, progress });
  const { rows } = await bed.database.pool.query<{ run_uid: RunUid }>(
    "select run_uid from stepgate.runs where tenant_uid = $1",
    [tenantUid],
  );
  for (const { run_uid: runUid } of rows) await rooms.store.pause(tenantUid, runUid, "bench");
}
