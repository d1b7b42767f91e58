/**
 * Budgets and quotas end to end (spec 02, limits that wait and limits that end).
 */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import type { StepRow } from "../../src/runs/ports.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const asking = (id: string, tokens: number, usd_micros = 0) => ({
  id,
  type: "sink",
  inputs: {},
  execution: { cost_hint: { tokens, usd_micros } },
});

t.test("a quota of concurrent steps and one of this minute are waited for", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let inFlight = 0;
    let most = 0;
    let tokens = 0;
    const sink = makeSink(async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise<void>((resolve) => setImmediate(resolve));
      inFlight -= 1;
      return done(null, { tokens, usdMicros: 0 });
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
    const resetMs = (Math.floor(Date.now() / 60_000) + 1) * 60_000;
    tokens = 10;
    const waiting = await rig.submit({ steps: [asking("a", 10), asking("b", 10)] });
    // what the first holds might come back, and what it has used does not until the minute is over
    const waitsForReset = ({ state, notBeforeMs = 0 }: StepRow) =>
      state === "queued" && Math.abs(notBeforeMs - resetMs) < 2000;
    await rig.until(waiting, (steps) => [...steps.values()].some(waitsForReset));
    const left = [...(await rig.steps(waiting)).values()].find(({ state }) => state === "queued");
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
