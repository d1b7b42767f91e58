/**
 * What is metered passes no limit uncapped, and which of a quota and a budget has the first word (spec 03; spec 02, limits that
 * wait and limits that end).
 */
import t from "tap";
import type { AmountUnit } from "../../src/core/amount.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";

const settings = {
  runtime_pack: "runtime",
  required_guardrails: [],
  default_requests: { defaulted: { tokens: 6, usd_micros: 0 } },
};
/** Each uses what its inputs say. */
const sink = makeSink(({ spec }) =>
  done(null, { tokens: Number(spec.inputs["use"] ?? 0), usdMicros: Number(spec.inputs["pay"] ?? 0) }),
);
const metered = (type: string, meters: readonly AmountUnit[], capTokens?: number): ExecutorAdapter => ({
  ...sink.adapter,
  type,
  describe: () => ({ ...sink.adapter.describe(), type, meters }),
  scope: (spec, own) => {
    const demand = sink.adapter.scope(spec, own);
    return capTokens === undefined ? demand : { ...demand, limits: { ...demand.limits, tokens: capTokens } };
  },
});
const step = (
  id: string,
  type: string,
  hint?: JsonObject,
  inputs: JsonObject = {},
): JsonObject & { readonly id: string } => ({
  id,
  type,
  inputs,
  ...(hint === undefined ? {} : { execution: { cost_hint: hint } }),
});
const sequential = { execution_mode: "sequential" };

let rig: Rig;

t.before(async () => {
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [
      sink.adapter,
      metered("model", ["tokens", "usd_micros"]),
      metered("capped", ["tokens"], 30),
      metered("priced", ["usd_micros"]),
      metered("defaulted", ["tokens"]),
    ],
    tenant: settings,
  });
});

async function setQuotas(quotas: readonly JsonObject[]): Promise<void> {
  await rig.stepgate.rooms.tenants.put({
    tenantUid: rig.tenantUid,
    tenantId: "default",
    weight: 1,
    isPaused: false,
    settings,
    quotas: quotas as never,
    actor: "test",
  });
}

/** Makes this window of a quota full, and the next ones: a minute may end at any time. */
async function useUp(quota: string, unit: "minute" | "day", used: number): Promise<void> {
  await rig.rows(
    `insert into stepgate.quota_usage as a (tenant_uid, quota_id, window_start, quota_limit, used, overrun)
     select tenant_uid, quota_id, stepgate.window_start($2, now() + n * ('1 ' || $2)::interval), quota_limit, $3::bigint, $3::bigint
       from stepgate.quotas, generate_series(0, 5) n where quota_id = $1
     on conflict (tenant_uid, quota_id, window_start) do update set used = excluded.used, overrun = excluded.overrun`,
    [quota, unit, used],
  );
}

type RunUid = Awaited<ReturnType<Rig["submit"]>>;
const endOf = async (runUid: RunUid) => {
  const run = await rig.ended(runUid);
  const steps = await rig.steps(runUid);
  const refusals = (await rig.events(runUid)).filter(({ type }) => type === "step_refused");
  const refused = new Map(refusals.map(({ stepId, data }) => [stepId, data]));
  return { run, steps, refused };
};

t.test("a metered step without a cap is refused under a run's limit, and runs where there is none", async (t) => {
  const limited = await rig.submit({
    steps: [
      step("says nothing", "model"),
      step("says 0", "model", { tokens: 0, usd_micros: 0 }),
      step("says enough", "model", { tokens: 1, usd_micros: 0 }),
      step("free", "sink", { tokens: 0 }),
    ].map((one) => ({ ...one, id: one.id.replaceAll(" ", "-") })),
    budget: { tokens: 10 },
  });
  const { run, steps, refused } = await endOf(limited);
  t.same(
    [...steps.values()].map(({ stepId, state, errorKind, attemptsMade }) => [stepId, state, errorKind, attemptsMade]),
    [
      ["says-nothing", "failed", "budget_exceeded", 0],
      ["says-0", "failed", "budget_exceeded", 0],
      ["says-enough", "succeeded", undefined, 1],
      ["free", "succeeded", undefined, 1],
    ],
  );
  t.match(refused.get("says-nothing"), {
    stage: "admit",
    reasons: ["uncapped"],
    detail: { reason: "uncapped", which: "tokens", limit: 10, requested: 0 },
  });
  t.match(run.budget, { tokens: { used: 0, reserved: 0 } });
  await verifies(t, rig, limited);
  const free = await endOf(await rig.submit({ steps: [step("a", "model")] }));
  t.equal(free.run.status, "succeeded", "without a limit nothing is refused");
});

t.test("a limit on what a step is not metered in does not concern it, nor one that its adapter keeps", async (t) => {
  const calls = sink.calls.length;
  const { steps, run } = await endOf(
    await rig.submit({
      steps: [
        step("priced", "priced", { usd_micros: 5 }, { pay: 5 }),
        step("capped", "capped", undefined, { use: 7 }),
        { ...step("narrowed", "capped"), policy: { budget: { tokens: 20 } } },
        step("hinted", "capped", { tokens: 40 }),
      ],
      budget: { tokens: 100, usd_micros: 10 },
      run_config: sequential,
    }),
  );
  t.equal(run.status, "succeeded", [...steps.values()].map(({ reasons }) => reasons.join()).join());
  const seen = sink.calls.slice(calls).map(({ stepId, reserved, limits }) => [stepId, reserved.tokens, limits.tokens]);
  t.same(
    seen,
    [
      ["priced", 0, undefined],
      ["capped", 30, 30],
      ["narrowed", 20, 20],
      ["hinted", 40, 40],
    ],
    "what the provider is told is reserved, and is in the token",
  );
  t.match(run.budget, { tokens: { used: 7, reserved: 0 }, usdMicros: { used: 5 } });
});

t.test("a full budget denies a metered step that asks for nothing, and says how full it is", async (t) => {
  const { refused } = await endOf(
    await rig.submit({
      steps: [step("fill", "sink", { tokens: 10 }, { use: 10 }), step("late", "model", { tokens: 0, usd_micros: 1 })],
      budget: { tokens: 10 },
      run_config: sequential,
    }),
  );
  t.match(refused.get("late"), { reasons: ["budget_exceeded"], detail: { which: "tokens", used: 10, requested: 0 } });
});

t.test("a compensation overdraws its run's budget by its own hint, not by what its tenant gives it", async (t) => {
  const failing = (undo: JsonObject, tokens: number): JsonObject => ({
    steps: [
      {
        ...step("origin", "sink", undefined, { use: tokens }),
        execution: { cost_hint: { tokens }, compensation: { step: "undo", on: "failure_of_run" } },
      },
      { id: "broken", type: "noop", inputs: { fail: { code: "x", message: "x", retryable: false } } },
      undo,
    ],
    edges: [["origin", "broken"]],
    budget: { tokens },
  });
  const hinted = await endOf(await rig.submit(failing(step("undo", "defaulted", { tokens: 25 }), 10)));
  t.match(hinted.steps.get("undo"), { state: "succeeded" });
  t.match(hinted.run.budget, { tokens: { overrun: 25 } });
  const defaulted = await endOf(await rig.submit(failing(step("undo", "defaulted"), 10)));
  t.match(defaulted.steps.get("undo"), { state: "failed", errorKind: "budget_exceeded" });
  t.match(defaulted.run.budget, { tokens: { used: 10, overrun: 0 } });
  t.match(
    await rig.submit(failing(step("undo", "defaulted"), 5)).catch((caught: unknown) => caught),
    { code: "PLAN_NEVER_ADMISSIBLE", detail: { step: "undo", ceiling: "run_budget", requested: 6, limit: 5 } },
    "a default above the whole budget can never be admitted",
  );
});

t.test(
  "B6 on a day's quota that is used up a metered step with a hint of 0 ends, naming quota and reset",
  async (t) => {
    await setQuotas([{ id: "daily", unit: "tokens", window: "day", limit: 60 }]);
    t.teardown(() => setQuotas([]));
    const uncapped = await endOf(await rig.submit({ steps: [step("a", "model", { tokens: 0, usd_micros: 0 })] }));
    t.match(uncapped.refused.get("a"), {
      error_kind: "budget_exceeded",
      reasons: ["uncapped"],
      detail: { quota: "daily", limit: 60, used: 0, reason: "uncapped" },
    });
    await useUp("daily", "day", 60);
    const { refused } = await endOf(
      await rig.submit({
        steps: [step("a", "model", { tokens: 0, usd_micros: 0 }), step("free", "sink", { tokens: 0 })],
      }),
    );
    t.same([...refused.keys()], ["a"], "what is not metered spends nothing");
    const { error_kind: kind, detail } = refused.get("a") ?? {};
    t.equal(kind, "quota_exceeded");
    t.match(detail, { quota: "daily", limit: 60, used: 60, requested: 0, resets_at_ms: Number });
  },
);

t.test("a tenant's quota has the first word, before the budget of the run", async (t) => {
  t.teardown(() => setQuotas([]));
  const both = (count: number) => ({
    steps: [
      step("fill", "sink", { usd_micros: 10 }, { pay: 10 }),
      ...Array.from({ length: count }, (_, index) => step(`s${index}`, "sink", { tokens: 1, usd_micros: 10 })),
    ],
    edges: Array.from({ length: count }, (_, index) => ["fill", `s${index}`]),
    budget: { usd_micros: 10 },
  });
  await setQuotas([{ id: "daily", unit: "tokens", window: "day", limit: 60 }]);
  await useUp("daily", "day", 60);
  for (const count of [1, 4]) {
    const { refused } = await endOf(await rig.submit(both(count)));
    t.same(
      [...refused.values()].map(({ error_kind: kind }) => kind),
      Array.from({ length: count }, () => "quota_exceeded"),
      `${count} at once`,
    );
  }
  await setQuotas([{ id: "minute", unit: "tokens", window: "minute", limit: 60 }]);
  await useUp("minute", "minute", 60);
  const waiting = await rig.submit(both(1));
  await rig.untilEvent(waiting, ({ type, data }) => type === "step_queued" && data["reason"] === "quota");
  t.match((await rig.steps(waiting)).get("s0"), { state: "queued", attemptsMade: 0 });
  await setQuotas([]);
  await rig.rows("update stepgate.ready_steps set not_before = now() where run_uid = $1", [waiting]);
  const { refused } = await endOf(waiting);
  t.match(refused.get("s0"), { error_kind: "budget_exceeded", detail: { which: "usd_micros" } });
});

t.test("a request that a lowered minute's quota can never hold ends the step, and waits for no reset", async (t) => {
  await setQuotas([{ id: "minute", unit: "tokens", window: "minute", limit: 60 }]);
  t.teardown(() => setQuotas([]));
  const runUid = await rig.submit({
    steps: [step("a", "sink", { tokens: 50 })],
    debug: { breakpoints: [{ target: "step", value: "a" }] },
  });
  await rig.until(runUid, (_, { status }) => status === "paused_at_step");
  await setQuotas([{ id: "minute", unit: "tokens", window: "minute", limit: 40 }]);
  await rig.stepgate.rooms.store.resume(rig.tenantUid, runUid, "test");
  const { refused } = await endOf(runUid);
  t.match(refused.get("a"), { error_kind: "quota_exceeded", detail: { quota: "minute", limit: 40, requested: 50 } });
});
