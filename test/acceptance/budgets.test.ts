/**
 * Budgets and quotas end to end (spec 01 A9; spec 03 B1, B4, B6; spec 02, limits that wait and limits that end).
 */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
/** Everything that holds for tokens holds for money. */
const UNITS = ["tokens", "usd_micros"] as const;
/** A step that asks for so much of one unit, and for nothing of the other. */
const askingOf = (unit: (typeof UNITS)[number], id: string, amount: number) =>
  unit === "tokens" ? asking(id, amount) : asking(id, 0, amount);
const asking = (id: string, tokens: number, usd_micros = 0) => ({
  id,
  type: "sink",
  inputs: {},
  execution: { cost_hint: { tokens, usd_micros } },
});
const refusalOf = async (rig: Rig, runUid: Parameters<Rig["events"]>[0]): Promise<JsonObject> =>
  (await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data ?? {};

t.test(
  "A9 B1 what fits is granted and tracked, what does not is denied, no budget is unlimited and untracked",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const views: JsonObject[] = [];
      const sink = makeSink(() => done(null, { tokens: 4, usdMicros: 400_000 }));
      const rig = await startRig(t, {
        database,
        packs: {
          runtime: ({ budget }) => {
            views.push(budget as JsonObject);
            return { effect: "allow" };
          },
        },
        adapters: [sink.adapter],
        tenant,
      });
      const budget = { tokens: 100, usd_micros: 10_000_000 };
      const granted = await rig.submit({ steps: [asking("a", 10, 1_000_000)], budget, time_limit_ms: 600_000 });
      const run = await rig.ended(granted);
      t.equal(run.status, "succeeded");
      t.same(run.budget, {
        tokens: { limit: 100, used: 4, reserved: 0, overrun: 0 },
        usdMicros: { limit: 10_000_000, used: 400_000, reserved: 0, overrun: 0 },
      });
      t.match((await rig.events(granted)).find(({ type }) => type === "step_succeeded")?.data, {
        budget: {
          tracked: true,
          reserved: { tokens: 10, usd_micros: 1_000_000 },
          actual: { tokens: 4, usd_micros: 400_000 },
          limits: budget,
          totals: { tokens: { used: 0, reserved: 10 }, usd_micros: { used: 0, reserved: 1_000_000 } },
        },
      });
      t.match(sink.calls[0]?.budget, {
        tracked: true,
        tokens: { limit: 100, used: 0, reserved: 0, remaining: 100 },
        usd_micros: { limit: 10_000_000, remaining: 10_000_000 },
      });
      t.same(sink.calls[0]?.budget, views[0], "the executor is told the same as the packs");
      const [{ at }] = (await rig.rows(
        "select (extract(epoch from time_limit_at) * 1000)::bigint as at from stepgate.runs where run_uid = $1",
        [granted],
      )) as [{ at: number }];
      t.equal(views[0]?.["time_limit_at_ms"], Number(at));

      // 200 alone would be refused at submission: two of 60 pass it, and the second is denied in *admit*
      const fitting = await rig.submit({
        steps: [asking("a", 60), asking("b", 60)],
        budget: { tokens: 100 },
        run_config: { execution_mode: "sequential" },
      });
      const before = sink.calls.length;
      await rig.ended(fitting);
      t.equal(sink.calls.length, before + 2, "60 of which 4 were used, and 60 more fit");
      const over: RunUid[] = [];
      for (const [unit, used] of [
        ["tokens", 4],
        ["usd_micros", 400_000],
      ] as const) {
        const limit = used * 25;
        const runUid = await rig.submit({
          steps: [askingOf(unit, "a", limit), askingOf(unit, "b", limit)],
          budget: { [unit]: limit },
          run_config: { execution_mode: "sequential" },
        });
        over.push(runUid);
        const calls = sink.calls.length;
        t.equal((await rig.ended(runUid)).status, "failed");
        t.match((await rig.steps(runUid)).get("b"), { state: "failed", errorKind: "budget_exceeded", attemptsMade: 0 });
        t.match(await refusalOf(rig, runUid), {
          stage: "admit",
          detail: { which: unit, limit, used, reserved: 0, requested: limit },
        });
        t.equal(sink.calls.length, calls + 1, `denied by its ${unit}, the second never ran`);
      }
      await t.rejects(
        rig.submit({ steps: [asking("a", 200, 20_000_000)], budget }),
        { code: "PLAN_NEVER_ADMISSIBLE" },
        "more than the whole budget is refused before anything is stored",
      );

      views.length = 0;
      const free = await rig.submit({ steps: [asking("a", 1_000_000)] });
      t.equal((await rig.ended(free)).budget, undefined, "untracked");
      t.same(views[0], { tracked: false });
      const { budget: untracked } = (await rig.events(free)).at(-2)?.data ?? {};
      t.same(Object.keys(untracked as JsonObject).sort(), ["actual", "deltas", "reserved", "tracked", "usage_source"]);
      views.length = 0;
      const zero = await rig.submit({ steps: [asking("a", 0)], budget });
      t.equal((await rig.ended(zero)).status, "succeeded");
      t.match(views[0], { tracked: true, tokens: { limit: 100, used: 0, reserved: 0, remaining: 100 } });
      for (const runUid of [granted, ...over, free]) await verifies(t, rig, runUid);
    });
  },
);

t.test("B4 64 concurrent requests of 10 against 100: exactly 10 are granted, by two worker processes", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [makeSink(() => done(null)).adapter],
      tenant,
      env: { STEPGATE_ROLE: "gateway" },
    });
    // eight at once are fewer than the ten that are granted: no worker can run them all
    const env = { STEPGATE_BATCH_SIZE: "8", STEPGATE_MAX_CONCURRENT_STEPS: "8" };
    await Promise.all([startWorker(t, { rig, database, env }), startWorker(t, { rig, database, env })]);
    for (const unit of UNITS) {
      // what a step reserves stays reserved: every granted one hangs until its run is cancelled
      const steps = Array.from({ length: 64 }, (_, index) => ({
        ...askingOf(unit, `s${index}`, 10),
        inputs: { hang_until: 1 },
      }));
      const runUid = await rig.submit({ steps, budget: { [unit]: 100 } });
      await rig.until(runUid, (found) =>
        [...found.values()].every(({ state }) => state === "running" || state === "failed"),
      );
      const states = [...(await rig.steps(runUid)).values()];
      t.equal(states.filter(({ state }) => state === "running").length, 10, unit);
      t.equal(states.filter(({ errorKind }) => errorKind === "budget_exceeded").length, 54, unit);
      t.match(
        await rig.rows(
          `select ${unit}_used as used, ${unit}_reserved as reserved, ${unit}_overrun as overrun from stepgate.budgets
            where run_uid = $1`,
          [runUid],
        ),
        [{ used: 0, reserved: 100, overrun: 0 }],
      );
      const owners = await rig.rows(
        "select distinct lease_owner from stepgate.ready_steps where run_uid = $1 and state = 'running'",
        [runUid],
      );
      t.equal(owners.length, 2, "both workers run some of them");
      await rig.stepgate.rooms.store.cancel(rig.tenantUid, runUid, "test");
      await rig.until(runUid, (_, run) => run.status === "cancelled");
    }
  });
});

t.test("B6 a day's quota ends the step and names itself and its reset", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null, { tokens: 50, usdMicros: 50 }));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    for (const [at, unit] of UNITS.entries()) {
      const quota = `daily_${unit}`;
      await rig.stepgate.rooms.tenants.put({
        tenantUid: rig.tenantUid,
        tenantId: "default",
        weight: 1,
        isPaused: false,
        settings: tenant,
        quotas: [{ id: quota, unit, window: "day", limit: 60 }] as never,
        actor: "test",
      });
      const runUid = await rig.submit({
        steps: [askingOf(unit, "a", 50), askingOf(unit, "b", 50)],
        run_config: { execution_mode: "sequential" },
      });
      t.equal((await rig.ended(runUid)).status, "failed");
      t.match((await rig.steps(runUid)).get("b"), { state: "failed", errorKind: "quota_exceeded", attemptsMade: 0 });
      const { detail } = await refusalOf(rig, runUid);
      t.match(detail, { quota, unit, limit: 60, used: 50, requested: 50 });
      const midnightMs = new Date().setUTCHours(24, 0, 0, 0);
      t.equal((detail as JsonObject)["resets_at_ms"], midnightMs);
      t.match(await rig.rows("select used, reserved, overrun from stepgate.quota_usage where quota_id = $1", [quota]), [
        { used: 50, reserved: 0, overrun: 0 },
      ]);
      t.equal(sink.calls.length, at + 1, "the second step never ran");
      await verifies(t, rig, runUid);
    }
  });
});

t.test("a quota of concurrent steps and one of this minute are waited for", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let inFlight = 0;
    let most = 0;
    const sink = makeSink(async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise<void>((resolve) => setImmediate(resolve));
      inFlight -= 1;
      return done(null);
    });
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [sink.adapter],
      tenant: { ...tenant, quotas: [{ id: "busy", unit: "concurrent_steps", window: "lifetime", limit: 2 }] },
    });
    const runUid = await rig.submit({ steps: Array.from({ length: 6 }, (_, index) => asking(`s${index}`, 1)) });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.equal(most, 2, "never more than the quota at once");
    t.match(await rig.rows("select used, reserved from stepgate.quota_usage"), [{ used: 0, reserved: 0 }]);

    await rig.stepgate.rooms.tenants.put({
      tenantUid: rig.tenantUid,
      tenantId: "default",
      weight: 1,
      isPaused: false,
      settings: tenant,
      quotas: [{ id: "minute", unit: "tokens", window: "minute", limit: 10 }] as never,
      actor: "test",
    });
    // both must ask within one minute
    const restMs = 60_000 - (Date.now() % 60_000);
    if (restMs < 5000) await new Promise((resolve) => setTimeout(resolve, restMs));
    const waiting = await rig.submit({ steps: [asking("a", 10), asking("b", 10)] });
    await rig.untilEvent(waiting, ({ type, data }) => type === "step_queued" && data["reason"] === "quota");
    const left = [...(await rig.steps(waiting)).values()].find(({ state }) => state === "queued");
    const resetMs = (Math.floor(Date.now() / 60_000) + 1) * 60_000;
    t.ok(left !== undefined && Math.abs((left.notBeforeMs ?? 0) - resetMs) < 2000, "until the minute is over");
    t.match(left, { attemptsMade: 0, recordIds: [] });
  });
});

t.test("the quota on runs refuses the submission with its reset and stores nothing", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [sink.adapter],
      tenant: { ...tenant, quotas: [{ id: "runs", unit: "runs", window: "day", limit: 2 }] },
    });
    await rig.submit({ steps: [asking("a", 1)] });
    await rig.submit({ steps: [asking("a", 1)] });
    const refused = await rig.submit({ steps: [asking("a", 1)] }).catch((caught: unknown) => caught);
    t.ok(refused instanceof StepgateError);
    t.match(refused, { code: "RATE_LIMITED", detail: { quota: "runs", limit: 2, resets_at_ms: Number } });
    t.equal((await rig.rows("select 1 from stepgate.runs")).length, 2);
    t.match(await rig.rows("select used from stepgate.quota_usage"), [{ used: 2 }]);
  });
});

t.test("usage above the reservation is charged in full, shown as overrun, and stops what comes after", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(
      ({ stepId }): ExecutorResult =>
        stepId === "silent" ? { ok: true, output: null, toolEvents: [] } : done(null, { tokens: 130, usdMicros: 0 }),
    );
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [asking("a", 10), asking("b", 10)],
      budget: { tokens: 100 },
      run_config: { execution_mode: "sequential" },
    });
    const run = await rig.ended(runUid);
    t.match(run.budget, { tokens: { used: 130, reserved: 0, overrun: 30 } });
    t.equal((await rig.steps(runUid)).get("b")?.errorKind, "budget_exceeded");
    const silent = await rig.submit({ steps: [asking("silent", 7)], budget: { tokens: 100 } });
    t.match((await rig.ended(silent)).budget, { tokens: { used: 7 } }, "what nobody counted is charged as reserved");
    t.match(await rig.rows("select usage_source from stepgate.cost_ledger where run_uid = $1", [silent]), [
      { usage_source: "assumed" },
    ]);
  });
});
