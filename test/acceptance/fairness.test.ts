/**
 * Who waits for whom (spec 02, order: S9): shares between tenants, and how long one may wait whatever the others do.
 */
import t, { type Test } from "tap";
import type { RunUid, TenantUid, WorkerId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { makeClaimStore } from "../../src/storage/claim-store.ts";
import { forEachDatabase, openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

const settings = { runtime_pack: "runtime", required_guardrails: [] };
const gold = { tier: "gold", queue_target_ms: 1, priority_boost: 3, error_budget_ppm: 250_000 };

async function startDesk(t: Test, database: TestDatabase, role: "gateway" | "all" = "gateway") {
  const { adapter: sink, calls } = makeSink(() => done(null));
  const other = { ...sink, type: "other", describe: () => ({ ...sink.describe(), type: "other" }) };
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [sink, other],
    tenant: settings,
    env: { STEPGATE_ROLE: role },
  });
  const { rooms } = rig.stepgate;
  const queue = makeClaimStore({ pool: rooms.workerPool, workerId: "worker-of-the-test" as WorkerId });
  await queue.extendLease(120_000);
  /** A tenant with so many steps of a type that are ready at once; paused where a worker runs. */
  const tenantWith = async (
    tenantId: string,
    weight: number,
    steps: number,
    type = "sink",
    policy: JsonObject = {},
  ) => {
    const tenantUid = rooms.ids.uuid() as TenantUid;
    await rooms.tenants.put({
      tenantUid,
      tenantId,
      weight,
      isPaused: role === "all",
      settings,
      quotas: [],
      actor: "test",
    });
    const { runUid } = await rooms.submitRun({
      tenantUid,
      caller: { keyId: await someKey(rig), owner: "o", roles: ["submitter"] },
      submission: rooms.readRunSubmission({
        steps: Array.from({ length: steps }, (_, index) => ({ id: `s${index}`, type, inputs: {}, policy })),
        run_config: { max_parallel: steps },
      }),
      idempotencyKey: undefined,
      trace: undefined,
    });
    return { tenantUid, runUid: runUid as RunUid };
  };
  const claim = async (maxSteps: number, { types = ["sink"], isDeep = false } = {}) =>
    (await queue.claim({ types, maxSteps, isIdle: false, isDeep })).map(({ tenantUid }) => tenantUid);
  /** What was claimed waits again: a backlog that never ends. */
  const putBack = () =>
    rig.rows("update stepgate.ready_steps set state = 'queued', lease_owner = null where state = 'leased'");
  return { rig, queue, calls, tenantWith, claim, putBack };
}

async function someKey(rig: Rig): Promise<string> {
  const [row] = await rig.rows("select key_id from stepgate.api_keys limit 1");
  return String(row?.["key_id"]);
}

const times = (served: readonly string[], tenantUid: string): number =>
  served.filter((one) => one === tenantUid).length;

t.test(
  "S9 tenants weighted 1 : 3 under backlog get 1 : 3, however small the claims, and whoever joins its own",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { tenantWith, claim, putBack } = await startDesk(t, database);
      const light = await tenantWith("light", 1, 100, "sink", { slo: gold });
      const heavy = await tenantWith("heavy", 3, 200);
      for (const maxSteps of [1, 8]) {
        const served: string[] = [];
        while (served.length < 160) served.push(...(await claim(maxSteps)));
        t.ok(Math.abs(times(served, light.tenantUid) - 40) <= 4, `light has ${times(served, light.tenantUid)} of 160`);
        t.ok(
          Math.abs(times(served, heavy.tenantUid) - 120) <= 12,
          `heavy has ${times(served, heavy.tenantUid)} of 160`,
        );
        await putBack();
      }
      const late = await tenantWith("late", 1, 1);
      t.ok((await claim(8)).includes(late.tenantUid), "one step is served in the next call, whatever others declare");
      await putBack();
      await tenantWith("rejoining", 1, 100);
      const served: string[] = [];
      while (served.length < 100) served.push(...(await claim(1)));
      const own = served.length - times(served, light.tenantUid) - times(served, heavy.tenantUid);
      t.ok(
        Math.abs(own - 20) <= 2 + 1,
        `${own} of 100 for a fifth of the weight and the late one: nothing for the past`,
      );
    });
  },
);

t.test("S9 two worker processes start steps of tenants weighted 1 : 3 as 1 : 3", async (t) => {
  const database = await openTestDatabase(t);
  const { rig, tenantWith } = await startDesk(t, database);
  const light = await tenantWith("light", 1, 80);
  const heavy = await tenantWith("heavy", 3, 160);
  const env = { STEPGATE_MAX_CONCURRENT_STEPS: "4" };
  const workers = await Promise.all([startWorker(t, { rig, database, env }), startWorker(t, { rig, database, env })]);
  const started = async () =>
    rig.rows("select run_uid from stepgate.run_events where type = 'step_started' order by at, run_uid, seq limit 160");
  while ((await started()).length < 160) await new Promise((resolve) => setTimeout(resolve, 50));
  const runs = (await started()).map((row) => String(row["run_uid"]));
  for (const worker of workers) await worker.stop();
  t.ok(Math.abs(times(runs, light.runUid) - 40) <= 4, `light has ${times(runs, light.runUid)} of 160`);
  t.ok(Math.abs(times(runs, heavy.runUid) - 120) <= 12, `heavy has ${times(runs, heavy.runUid)} of 160`);
});

t.test("S9 shares hold also where other workers serve other types, and far more of them", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { tenantWith, claim, putBack } = await startDesk(t, database);
    await tenantWith("busy elsewhere", 1, 50, "other");
    const light = await tenantWith("light", 1, 20);
    const heavy = await tenantWith("heavy", 3, 20);
    const served: string[] = [];
    while (served.length < 80) {
      await claim(50, { types: ["other"] });
      served.push(...(await claim(1)));
      await putBack();
    }
    t.ok(Math.abs(times(served, light.tenantUid) - 20) <= 2, `light has ${times(served, light.tenantUid)} of 80`);
    t.ok(Math.abs(times(served, heavy.tenantUid) - 60) <= 6, `heavy has ${times(served, heavy.tenantUid)} of 80`);
  });
});

t.test(
  "S9 a tenant whose steps are put back again and again has a tenth of its turns, and all that nobody else wants",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { queue, tenantWith, claim, putBack } = await startDesk(t, database);
      const crowd = await tenantWith("crowd", 1, 100);
      t.equal((await claim(20)).length, 20);
      await queue.chargePutBack(["sink"], [{ tenantUid: crowd.tenantUid, steps: 20 }]);
      t.equal((await claim(20)).length, 20, "alone it has them all");
      await putBack();
      const other = await tenantWith("other", 1, 100);
      const served: string[] = [];
      while (served.length < 440) {
        const now = await claim(8);
        served.push(...now);
        const vain = times(now, crowd.tenantUid);
        if (vain > 0) await queue.chargePutBack(["sink"], [{ tenantUid: crowd.tenantUid, steps: vain }]);
        await putBack();
      }
      const own = times(served, crowd.tenantUid);
      t.ok(own >= 20 && own <= 44, `${own} of 440, where a tenth of the other's is 40`);
      t.equal(times(served, other.tenantUid), served.length - own);
      const after: string[] = [];
      while (after.length < 400) {
        after.push(...(await claim(8)));
        await putBack();
      }
      t.ok(times(after, crowd.tenantUid) >= 180, "once they run it has its share again");
    });
  },
);

t.test("S9 of twelve tenants none waits longer for its next step than the stated bound", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { tenantWith, claim, putBack } = await startDesk(t, database);
    const weights = [1, 1, 1, 2, 2, 3, 4, 6, 10, 20, 40, 60];
    const tenants: { readonly tenantUid: TenantUid; readonly weight: number }[] = [];
    for (const [index, weight] of weights.entries()) {
      const policy = index === 1 ? {} : { slo: gold };
      tenants.push({ ...(await tenantWith(`tenant-${index}`, weight, 8, "sink", policy)), weight });
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const maxSteps = 8;
    const claims: (readonly string[])[] = [];
    // the lightest are long established then, and have been served several times
    while (claims.length < 4 * Math.ceil((sum + weights.length) / maxSteps)) {
      claims.push(await claim(maxSteps));
      await putBack();
    }
    t.ok(claims.every(({ length }) => length === maxSteps));
    for (const { tenantUid, weight } of tenants) {
      const bound = Math.ceil(((sum - weight) / weight + weights.length) / maxSteps);
      const at = claims.flatMap((served, index) => (served.includes(tenantUid) ? [index] : []));
      const waits = at.map((index, turn) => index - (at[turn - 1] ?? -1));
      t.ok(at.length > 1 && Math.max(...waits) <= bound, `weight ${weight}: ${Math.max(...waits)} of ${bound} calls`);
      const share = times(claims.flat(), tenantUid) / claims.flat().length;
      t.ok(share >= 0.9 * (weight / sum) - 1 / claims.length, `weight ${weight} has ${share} of the steps`);
    }
  });
});

t.test("S8 S9 one step of a tenant waits for one of another's fifty that were lost before, not for all", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, calls, tenantWith } = await startDesk(t, database, "all");
    const crowd = await tenantWith("crowd", 1, 50);
    const single = await tenantWith("single", 1, 1);
    await rig.rows("update stepgate.ready_steps set is_alone = true where run_uid = $1", [crowd.runUid]);
    await rig.rows("update stepgate.tenants set is_paused = false");
    while (calls.length < 51) await new Promise((resolve) => setTimeout(resolve, 20));
    const place = calls.findIndex(({ runUid }) => runUid === single.runUid);
    t.ok(place <= 1, `it was number ${place + 1} of ${calls.length}`);
  });
});

t.test(
  "S9 whoever waits behind 512 steps of types that nobody here serves is served with the next deep claim",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, tenantWith, claim, putBack } = await startDesk(t, database);
      await tenantWith("busy", 1000, 20);
      const stuck = await tenantWith("stuck", 1, 600);
      await rig.rows("update stepgate.ready_steps set type = 'unserved' where run_uid = $1", [stuck.runUid]);
      await rig.rows(
        `update stepgate.ready_steps r set type = 'sink' from (
         select step_id from stepgate.ready_steps where run_uid = $1 order by ready_at, step_id offset 590) last
        where r.run_uid = $1 and r.step_id = last.step_id`,
        [stuck.runUid],
      );
      for (let calls = 0; calls < 20; calls += 1) {
        t.notOk((await claim(1)).includes(stuck.tenantUid));
        await putBack();
      }
      t.same(await claim(1, { isDeep: true }), [stuck.tenantUid]);
    });
  },
);
