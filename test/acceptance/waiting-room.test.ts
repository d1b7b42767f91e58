/**
 * Steps that wait for a place take no turns from others of their tenant, and go on when one is free (spec 02, limits that wait).
 */
import t, { type Test } from "tap";
import type { StepId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { makeQueueOperations } from "../../src/scheduler/queue-operations.ts";
import { makeQueueStore } from "../../src/storage/queue-store.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

/** Steps whose inputs say `hold` go on when `release` is called. */
async function open(t: Test, settings: JsonObject) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const sink = makeSink(async ({ spec }) => {
    if (spec.inputs["hold"] === true) await released;
    return done(null, { tokens: 0, usdMicros: 0 });
  });
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [], ...settings },
  });
  t.teardown(() => release());
  const operations = makeQueueOperations({
    store: makeQueueStore(rig.stepgate.rooms.pool),
    isType: () => true,
    onResumed: () => undefined,
  });
  return { rig, release, waits: operations.waits, started: () => sink.calls.map(({ stepId }) => stepId) };
}

const MANY = 400;

t.test("400 steps behind one full key leave the others of their tenant their turns", async (t) => {
  const { rig, release, started } = await open(t, { concurrency_limits: { crm: 1 } });
  const execution = { concurrency_key: "crm" };
  const holder = await rig.submit({ steps: [{ id: "holds", type: "sink", inputs: { hold: true }, execution }] });
  await rig.until(holder, (steps) => steps.get("holds")?.state === "running");
  const crowd = await rig.submit({
    steps: Array.from({ length: MANY }, (_, n) => ({ id: `s${n}`, type: "sink", inputs: {}, execution })),
    run_config: { max_parallel: MANY },
  });
  // all have been looked at once, and are in their rounds
  await rig.untilEvent(crowd, ({ stepId }) => stepId === `s${MANY - 1}`);
  for (const id of ["one", "two", "three"]) {
    const other = await rig.submit({
      steps: [
        { id, type: "sink", inputs: {} },
        { id: `${id}_next`, type: "sink", inputs: {} },
      ],
      edges: [[id, `${id}_next`]],
    });
    t.equal((await rig.ended(other)).status, "succeeded");
  }
  t.equal(started().length, 7, "none of the crowd has run");
  await rig.stepgate.rooms.store.cancel(rig.tenantUid, crowd, "test");
  const few = await rig.submit({
    steps: Array.from({ length: 20 }, (_, n) => ({ id: `s${n}`, type: "sink", inputs: {}, execution })),
  });
  await rig.untilEvent(few, ({ type, data }) => type === "step_queued" && data["reason"] === "concurrency_key");
  release();
  t.equal((await rig.ended(few)).status, "succeeded", "each end makes room for the next");
});

t.test("what others hold of a minute's quota is waited for, and no longer than they hold it", async (t) => {
  const { rig, release, waits, started } = await open(t, {
    quotas: [{ id: "tokens", unit: "tokens", window: "minute", limit: 100 }],
  });
  const execution = { cost_hint: { tokens: 60 } };
  const holder = await rig.submit({ steps: [{ id: "holds", type: "sink", inputs: { hold: true }, execution }] });
  await rig.until(holder, (steps) => steps.get("holds")?.state === "running");
  const next = await rig.submit({ steps: [{ id: "next", type: "sink", inputs: {}, execution }] });
  await rig.untilEvent(next, ({ type, data }) => type === "step_queued" && data["reason"] === "quota");
  const told = (await waits(rig.tenantUid, next, "next" as StepId))?.waits ?? [];
  t.match(told, [{ reason: "quota", of: "tokens" }]);
  const lookMs = Date.parse(String(told[0]?.until ?? new Date().toISOString()));
  t.ok(lookMs < Date.now() + 3000, "it may come back before the reset");
  t.match(await waits(rig.tenantUid, holder, "holds" as StepId), {
    status: "running",
    worker: /^worker-/,
    started_at: /^20\S+Z$/,
    waits: [],
  });
  t.match(await waits(rig.tenantUid, next, "next" as StepId), { started_at: undefined });
  release();
  t.equal((await rig.ended(next)).status, "succeeded");
  t.same(started(), ["holds", "next"]);
});
