import t from "tap";
import { type PlanRules, validatePlan } from "../../src/runs/plan.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import { leastCpuMs } from "./cpu-time.ts";
import { openRules, planOf, step, stepTaking, validPlan } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const undoing = (id: string, target: string) => step(id, { execution: { compensation: { step: target } } });

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

interface Refusal {
  readonly why: string;
  readonly code: string;
  readonly detail: Readonly<Record<string, string | number>>;
  readonly steps: readonly StepSubmission[];
  readonly edges?: readonly (readonly [string, string])[];
  readonly rules?: Partial<PlanRules>;
}

const smallBudget = { ceilings: [{ name: "run_budget", bindsCompensations: false, tokens: 10, usd_micros: 10 }] };

const refusals: readonly Refusal[] = [
  { why: "no steps", code: "PLAN_EMPTY", detail: {}, steps: [] },
  { why: "an id twice", code: "PLAN_DUPLICATE_STEP", detail: { step: "a" }, steps: [step("a"), step("b"), step("a")] },
  {
    why: "an edge from nowhere",
    code: "PLAN_MISSING_STEP",
    detail: { step: "x" },
    steps: [step("a")],
    edges: [["x", "a"]],
  },
  {
    why: "an edge to nowhere",
    code: "PLAN_MISSING_STEP",
    detail: { step: "x" },
    steps: [step("a")],
    edges: [["a", "x"]],
  },
  {
    why: "a target that is not there",
    code: "PLAN_MISSING_STEP",
    detail: { step: "x", origin: "a" },
    steps: [undoing("a", "x")],
  },
  {
    why: "a circle behind a root",
    code: "PLAN_CYCLE",
    detail: { steps: "a,b,c" },
    steps: [step("root"), step("a"), step("b"), step("c"), step("after")],
    edges: [
      ["root", "a"],
      ["a", "b"],
      ["b", "c"],
      ["c", "a"],
      ["c", "after"],
    ],
  },
  {
    why: "a step that waits for itself",
    code: "PLAN_CYCLE",
    detail: { steps: "a" },
    steps: [step("a")],
    edges: [["a", "a"]],
  },
  {
    why: "a type nobody serves",
    code: "PLAN_UNKNOWN_TYPE",
    detail: { step: "a", type: "teleport" },
    steps: [step("a", { type: "teleport" })],
  },
  {
    why: "a target of two origins",
    code: "PLAN_BAD_COMPENSATION",
    detail: { step: "u", reason: "second_origin" },
    steps: [undoing("a", "u"), undoing("b", "u"), step("u")],
  },
  {
    why: "a target with a target",
    code: "PLAN_BAD_COMPENSATION",
    detail: { step: "u", reason: "own_compensation" },
    steps: [undoing("a", "u"), undoing("u", "v"), step("v")],
  },
  {
    why: "a step that undoes itself",
    code: "PLAN_BAD_COMPENSATION",
    detail: { step: "a", reason: "own_compensation" },
    steps: [undoing("a", "a")],
  },
  {
    why: "a target with an edge",
    code: "PLAN_BAD_COMPENSATION",
    detail: { step: "u", reason: "edges" },
    steps: [undoing("a", "u"), step("u"), step("b")],
    edges: [["b", "u"]],
  },
  {
    why: "a reference to a step that is no dependency",
    code: "PLAN_BAD_REFERENCE",
    detail: { step: "b", from: "a", path: "/inputs/value", reason: "not_a_dependency" },
    steps: [step("a"), stepTaking("b", "a")],
  },
  {
    why: "a reference to a dependency's dependency",
    code: "PLAN_BAD_REFERENCE",
    detail: { step: "c", from: "a" },
    steps: [step("a"), step("b"), stepTaking("c", "a")],
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
  },
  {
    why: "a target that takes from another step than its origin",
    code: "PLAN_BAD_REFERENCE",
    detail: { step: "u", from: "b", reason: "not_a_dependency" },
    steps: [undoing("a", "u"), stepTaking("u", "b", "/output"), step("b")],
  },
  {
    why: "a target's pointer outside {inputs, output}",
    code: "PLAN_BAD_REFERENCE",
    detail: { step: "u", from: "a", reason: "pointer" },
    steps: [undoing("a", "u"), stepTaking("u", "a", "/id")],
  },
  {
    why: "a reference with a third key",
    code: "PLAN_BAD_REFERENCE",
    detail: { step: "a", path: "/inputs/v", reason: "malformed" },
    steps: [step("a", { inputs: { v: { $from: "b", pointer: "", or: 1 } } })],
  },
  {
    why: "flags that contradict each other",
    code: "PLAN_CONFLICTING_FLAGS",
    detail: { step: "a", flags: "redact_pii,deny_on_pii" },
    steps: [step("a", { policy: { guardrails: ["redact_pii", "deny_on_pii"] } })],
  },
  {
    why: "a step too many",
    code: "PLAN_TOO_LARGE",
    detail: { what: "steps", count: 2, limit: 1 },
    steps: [step("a"), step("b")],
    rules: { limits: { ...openRules.limits, maxSteps: 1 } },
  },
  {
    why: "an edge too many",
    code: "PLAN_TOO_LARGE",
    detail: { what: "edges", count: 1, limit: 0 },
    steps: [step("a"), step("b")],
    edges: [["a", "b"]],
    rules: { limits: { ...openRules.limits, maxEdges: 0 } },
  },
  {
    why: "a pack that is not here",
    code: "PLAN_UNKNOWN_PACK",
    detail: { step: "a", pack: "p" },
    steps: [step("a", { policy: { packs: [{ name: "p" }] } })],
    rules: { findPackFault: () => "no_pack" },
  },
  {
    why: "options that a pack does not take",
    code: "PLAN_PACK_OPTIONS",
    detail: { step: "a", pack: "p" },
    steps: [step("a", { policy: { packs: [{ name: "p", options: { mode: "x" } }] } })],
    rules: { findPackFault: (_, { mode }) => (mode === "x" ? "pack_options_invalid" : undefined) },
  },
  {
    why: "a pack that is named twice for one side of the effect",
    code: "PLAN_PACK_OPTIONS",
    detail: { step: "a", pack: "p", reason: "named twice" },
    steps: [step("a", { policy: { packs: [{ name: "p", hooks: ["pre"] }, { name: "p" }] } })],
  },
  {
    why: "a payload of one byte too many, counted in UTF-8",
    code: "PLAN_TOO_LARGE",
    detail: { what: "inputs", step: "a", bytes: 10, limit: 9 },
    steps: [step("a", { inputs: { k: "é" } })],
    rules: { limits: { ...openRules.limits, maxPayloadBytes: 9 } },
  },
  {
    why: "more tokens than the run has",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "a", ceiling: "run_budget", unit: "tokens", requested: 11, limit: 10 },
    steps: [step("a", { execution: { cost_hint: { tokens: 11 } } })],
    rules: smallBudget,
  },
  {
    why: "more money by the tenant's default than the run has",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "a", unit: "usd_micros", requested: 11 },
    steps: [step("a")],
    rules: { ...smallBudget, defaultRequest: new Map([["noop", { tokens: 0, usdMicros: 11 }]]) },
  },
  {
    why: "a compensation above a whole quota",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "u", ceiling: "daily" },
    steps: [undoing("a", "u"), step("u", { execution: { cost_hint: { tokens: 11 } } })],
    rules: { ceilings: [{ name: "daily", bindsCompensations: true, tokens: 10 }] },
  },
];

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
