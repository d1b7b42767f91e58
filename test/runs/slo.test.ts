import t from "tap";
import { clampSlo, compareQueued, orderKeys, type QueuedStep, sloView } from "../../src/runs/slo.ts";
import { refusalOf } from "./refusal.ts";

const gold = { tier: "gold", queue_target_ms: 1_000, priority_boost: 3, error_budget_ppm: 250_000 };
const tiers = new Map([["gold", { smallestQueueTargetMs: 500, largestPriorityBoost: 5 }]]);
const base: QueuedStep = { isContracted: false, breachAtMs: 0, priority: 0, readyAtMs: 100, createdAtMs: 10 };

t.test("S1 a step 1500 ms old with a target of 1000 has slack -500", async (t) => {
  t.same(sloView(gold, 1_500), {
    tier: "gold",
    queue_target_ms: 1_000,
    observed_queue_ms: 1_500,
    slack_ms: -500,
    priority_boost: 3,
    error_budget_ppm: 250_000,
  });
});

t.test("a step without a contract has slack against 30 s and names no tier", async (t) => {
  t.same(sloView(undefined, 1_500), {
    queue_target_ms: 30_000,
    observed_queue_ms: 1_500,
    slack_ms: 28_500,
    priority_boost: 0,
    error_budget_ppm: 0,
  });
});

t.test("S2 contract first, earlier breach, higher priority, longer wait, older", async (t) => {
  const contracted = { ...base, isContracted: true, breachAtMs: 5_000 };
  const pairs: readonly { why: string; first: QueuedStep; second: QueuedStep }[] = [
    { why: "a contract before none", first: contracted, second: { ...base, priority: 99, readyAtMs: 0 } },
    {
      why: "a breached contract before a healthy one",
      first: { ...contracted, breachAtMs: 50 },
      second: { ...contracted, priority: 9 },
    },
    { why: "equal breach: higher priority", first: { ...contracted, priority: 1, readyAtMs: 200 }, second: contracted },
    { why: "no contracts: higher priority", first: { ...base, priority: 1, readyAtMs: 200 }, second: base },
    { why: "no contracts: a breach time says nothing", first: { ...base, priority: 1, breachAtMs: 9 }, second: base },
    { why: "equal priority: longer wait", first: { ...base, createdAtMs: 20 }, second: { ...base, readyAtMs: 101 } },
    { why: "equal wait: older", first: base, second: { ...base, createdAtMs: 11 } },
  ];
  for (const { why, first, second } of pairs) {
    t.ok(compareQueued(first, second) < 0, why);
    t.ok(compareQueued(second, first) > 0, `${why}, and not the other way round`);
  }
  t.equal(compareQueued(base, base), 0);
});

t.test("a wish is limited to what its tier allows", async (t) => {
  t.same(clampSlo(gold, tiers, ""), gold);
  t.match(clampSlo({ ...gold, queue_target_ms: 1, priority_boost: 100 }, tiers, ""), {
    queue_target_ms: 500,
    priority_boost: 5,
  });
  t.match(
    refusalOf(() => clampSlo({ ...gold, tier: "diamond" }, tiers, "/steps/a/policy/slo")),
    {
      code: "FIELD_INVALID",
      detail: { field: "/steps/a/policy/slo/tier" },
    },
  );
});

t.test("only a contract gives a target; the boost adds to the run's priority", async (t) => {
  t.same(orderKeys(gold, -2), { queueTargetMs: 1_000, priority: 1 });
  t.same(orderKeys(undefined, -2), { queueTargetMs: undefined, priority: -2 });
});
