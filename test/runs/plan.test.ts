import t from "tap";
import { validatePlan } from "../../src/runs/plan.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import { leastCpuMs } from "./cpu-time.ts";
import { openRules, planOf, step, stepTaking, undoing, validPlan } from "./plan-fixture.ts";
import { refusals, smallBudget } from "./plan-refusals.ts";
import { refusalOf } from "./refusal.ts";

t.test("a plan comes out in topological order with its dependencies, references, texts and targets", async (t) => {
  const plan = validPlan(
    [
      undoing("pay", "refund"),
      step("refund", { inputs: { id: { $from: "pay", pointer: "/output/id" } } }),
      { ...stepTaking("mail", "pay", "/receipt"), type: "http" },
      step("fetch", { inputs: { b: 1, a: 2 } }),
    ],
    [
      ["fetch", "pay"],
      ["pay", "mail"],
    ],
  );
  t.match(plan.steps, [
    {
      spec: { id: "fetch" },
      idx: 0,
      totalDependencies: 0,
      references: [],
      inputsText: '{"a":2,"b":1}',
      origin: undefined,
    },
    { spec: { id: "pay" }, idx: 1, totalDependencies: 1 },
    {
      spec: { id: "mail" },
      idx: 2,
      totalDependencies: 1,
      references: [{ step: "pay", path: "/value", pointer: "/receipt" }],
    },
    { spec: { id: "refund" }, idx: 3, totalDependencies: 0, origin: "pay" },
  ]);
  t.equal(plan.steps.length, 4);
});

t.test("A12 a step above its own cap is no fault of the plan: it is refused when it runs", async (t) => {
  t.doesNotThrow(() =>
    validPlan([step("a", { policy: { budget: { tokens: 10 } }, execution: { cost_hint: { tokens: 20 } } })]),
  );
});

t.test("S5 M6 every rule refuses with its code and names the offender", async (t) => {
  for (const { why, code, detail, steps, edges = [], rules = {} } of refusals) {
    t.match(
      refusalOf(() => validPlan(steps, edges, rules)),
      { code, detail },
      why,
    );
  }
});

t.test("M1 of several broken rules the first in the order of the spec wins", async (t) => {
  const inOrder = [
    "PLAN_EMPTY",
    "PLAN_DUPLICATE_STEP",
    "PLAN_MISSING_STEP",
    "PLAN_CYCLE",
    "PLAN_UNKNOWN_TYPE",
    "PLAN_BAD_COMPENSATION",
    "PLAN_BAD_REFERENCE",
    "PLAN_CONFLICTING_FLAGS",
    "PLAN_UNKNOWN_PACK",
    "PLAN_PACK_OPTIONS",
    "PLAN_TOO_LARGE",
    "PLAN_NEVER_ADMISSIBLE",
  ];
  const first = inOrder.map((code) => refusals.find((refusal) => refusal.code === code));
  for (const [index, worse] of first.entries()) {
    for (const lesser of first.slice(index + 1)) {
      if (worse === undefined || lesser === undefined || worse.code === "PLAN_EMPTY") continue;
      const rename = (id: string) => `z-${id}`;
      const others = lesser.steps.map((one) => renamed(one, rename));
      const edges = (lesser.edges ?? []).map(([from, to]) => [rename(from), rename(to)] as const);
      const rules = { ...lesser.rules, ...worse.rules };
      const refusal = refusalOf(() =>
        validPlan([...others, ...worse.steps], [...edges, ...(worse.edges ?? [])], rules),
      );
      t.equal(refusal?.code, worse.code, `${worse.code} before ${lesser.code}`);
    }
  }
});

function renamed(one: StepSubmission, rename: (id: string) => string): StepSubmission {
  const text = JSON.stringify({ ...one, id: rename(one.id) }).replace(
    /"step":"(\w+)"/g,
    (_, id) => `"step":"${rename(id)}"`,
  );
  return JSON.parse(text);
}

t.test("a step may ask for the whole of a limit", async (t) => {
  const whole = step("a", { execution: { cost_hint: { tokens: 10, usd_micros: 10 } } });
  t.doesNotThrow(() => validPlan([whole], [], smallBudget));
});

t.test("a compensation may ask for more than its run's budget", async (t) => {
  const steps = [undoing("a", "u"), step("u", { execution: { cost_hint: { tokens: 11 } } })];
  t.doesNotThrow(() => validPlan(steps, [], smallBudget));
});

t.test("10 000 steps with 50 000 edges are validated within 300 ms", async (t) => {
  const steps: StepSubmission[] = [];
  const edges: (readonly [string, string])[] = [];
  for (let index = 0; index < 10_000; index += 1) {
    steps.push(index === 0 ? step("s0") : stepTaking(`s${index}`, `s${index - 1}`, "/x"));
    for (let back = 1; back <= 5 && back <= index; back += 1) edges.push([`s${index - back}`, `s${index}`]);
  }
  const plan = planOf(steps, [...edges, ["s0", "s9999"]]);
  let count = 0;
  const tookMs = leastCpuMs(3, () => {
    count = validatePlan(plan, openRules).steps.length;
  });
  t.equal(count, 10_000);
  t.ok(tookMs < 300, `took ${Math.round(tookMs)} ms of processor time`);
});
