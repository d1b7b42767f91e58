import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { normalizeSubmission, runOfStep, submissionIdentity } from "../../src/runs/normalize-submission.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import type { RunSubmission } from "../../src/runs/submission.ts";
import { step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const normalStep = (more: Partial<StepSubmission>, run: Partial<RunSubmission> = {}) =>
  normalizeSubmission({ steps: [step("a", more)], ...run }).plan?.steps[0];

t.test("a step that says nothing gets every default", async (t) => {
  t.same(normalStep({}), {
    id: "a",
    type: "noop",
    inputs: {},
    policy: { guardrails: [], packs: [] },
    execution: {
      max_attempts: 1,
      retry_backoff_ms: 0,
      retry_backoff_factor_ppm: 2_000_000,
      deadline_ms: 0,
      checkpoint: false,
    },
  });
  t.same(normalStep({ policy: { packs: [{ name: "p" }], slo: { tier: "gold" } } })?.policy, {
    guardrails: [],
    packs: [{ name: "p", hooks: ["pre", "post"], options: {} }],
    slo: { tier: "gold", queue_target_ms: 30_000, priority_boost: 0, error_budget_ppm: 0 },
  });
  t.same(normalStep({ execution: { compensation: { step: "b" } } })?.execution.compensation, {
    step: "b",
    on: "failure_of_step",
  });
});

t.test("a run that says nothing gets every default", async (t) => {
  const run = normalizeSubmission({ steps: [step("a")] });
  t.match(run, { kind: "dag", opId: undefined, runConfig: undefined, manifestId: undefined, inputs: undefined });
  t.match(run.start, { priority: 0, seed: undefined, breakpoints: [], budget: undefined, trace: undefined });
  t.same(normalizeSubmission({ steps: [], run_config: {} }).runConfig, {
    execution_mode: "fan_out",
    max_parallel: 256,
    fail_fast: false,
    pin_packs: false,
  });
  t.equal(normalizeSubmission({ steps: [], run_config: { execution_mode: "sequential" } }).runConfig?.max_parallel, 1);
});

t.test("money becomes micro-USD and factors become parts per million, exactly", async (t) => {
  const normal = normalStep({
    policy: {
      budget: { tokens: 10, cost: "0.000001" },
      packs: [{ name: "budget_caps", options: { max_tokens: 5, max_cost: 1.1, warn_ratio: 0.8 } }],
    },
    execution: { cost_hint: { cost: 0.1 }, retry_backoff_factor: 1.000001 },
  });
  t.same(normal?.policy.budget, { tokens: 10, usd_micros: 1 });
  t.same(normal?.policy.packs[0]?.options, { max_tokens: 5, max_usd_micros: 1_100_000, warn_ratio_ppm: 800_000 });
  t.same(normal?.execution.cost_hint, { usd_micros: 100_000 });
  t.equal(normal?.execution.retry_backoff_factor_ppm, 1_000_001);
  t.same(normalizeSubmission({ steps: [], budget: { usd_micros: 7 } }).start.budget, { usd_micros: 7 });
});

t.test("the step's own execution wins over the run's retry policy, which wins over defaults", async (t) => {
  const run_config = {
    retry_policy: { max_attempts: 4, backoff: { kind: "exponential", base_ms: 50, max_ms: 900 } },
  } as const;
  const execution = (own: NonNullable<StepSubmission["execution"]>) =>
    normalStep({ execution: own }, { run_config })?.execution;
  t.match(execution({}), {
    max_attempts: 4,
    retry_backoff_ms: 50,
    retry_backoff_factor_ppm: 2_000_000,
    retry_backoff_max_ms: 900,
  });
  const own = execution({ max_attempts: 2, retry_backoff_ms: 10 });
  t.match(own, { max_attempts: 2, retry_backoff_ms: 10, retry_backoff_factor_ppm: 2_000_000 });
  t.notOk(own && "retry_backoff_max_ms" in own, "a backoff is taken whole, never in halves");
  t.match(normalStep({}, { run_config: { retry_policy: { backoff: { kind: "fixed", delay_ms: 70 } } } })?.execution, {
    max_attempts: 1,
    retry_backoff_ms: 70,
    retry_backoff_factor_ppm: 1_000_000,
  });
});

t.test("repeated edges and breakpoints count once and keep their first place", async (t) => {
  const run = normalizeSubmission({
    steps: [step("a"), step("b"), step("c")],
    edges: [
      ["b", "c"],
      ["a", "b"],
      ["b", "c"],
    ],
    debug: {
      breakpoints: [
        { target: "type", value: "a" },
        { target: "step", value: "a" },
        { target: "type", value: "a" },
      ],
    },
  });
  t.same(run.plan?.edges, [
    ["b", "c"],
    ["a", "b"],
  ]);
  t.same(run.start.breakpoints, [
    { target: "type", value: "a" },
    { target: "step", value: "a" },
  ]);
});

t.test("what cannot be read exactly is refused by its pointer", async (t) => {
  const withStep = (more: Partial<StepSubmission>): RunSubmission => ({ steps: [step("z"), step("a", more)] });
  const options = (given: JsonObject) => withStep({ policy: { packs: [{ name: "budget_caps", options: given }] } });
  const refusals: readonly { why: string; run: RunSubmission; field: string }[] = [
    {
      why: "money in two units",
      run: withStep({ policy: { budget: { cost: 1, usd_micros: 1 } } }),
      field: "/steps/1/policy/budget/cost",
    },
    { why: "a seventh decimal", run: { steps: [], budget: { cost: 0.0000001 } }, field: "/budget/cost" },
    {
      why: "a factor finer than a millionth",
      run: withStep({ execution: { retry_backoff_factor: 1.0000001 } }),
      field: "/steps/1/execution/retry_backoff_factor",
    },
    {
      why: "a flag we do not have",
      run: withStep({ policy: { guardrails: ["x"] } }),
      field: "/steps/1/policy/guardrails/0",
    },
    {
      why: "a cap that is no amount",
      run: options({ max_cost: -1 }),
      field: "/steps/1/policy/packs/0/options/max_cost",
    },
    {
      why: "a ratio as text",
      run: options({ warn_ratio: "0.8" }),
      field: "/steps/1/policy/packs/0/options/warn_ratio",
    },
    {
      why: "a cap in two units",
      run: options({ max_cost: 1, max_usd_micros: 1 }),
      field: "/steps/1/policy/packs/0/options/max_usd_micros",
    },
    {
      why: "an estimate below 0",
      run: withStep({ inputs: { token_estimate: -1 } }),
      field: "/steps/1/inputs/token_estimate",
    },
    {
      why: "an estimate that a hint would hide",
      run: withStep({ inputs: { token_estimate: "9" }, execution: { cost_hint: { tokens: 1 } } }),
      field: "/steps/1/inputs/token_estimate",
    },
    {
      why: "a cost that is no amount",
      run: withStep({ inputs: { cost_estimate: null } }),
      field: "/steps/1/inputs/cost_estimate",
    },
    {
      why: "a run id that reads like a uid",
      run: { steps: [], id: "0199AAAA-0000-7000-8000-000000000001" },
      field: "/id",
    },
    { why: "no plan and no manifest", run: {}, field: "/steps" },
    { why: "edges of no plan", run: { manifest_id: "0".repeat(64), edges: [] }, field: "/edges" },
    { why: "inputs without a manifest", run: { steps: [], inputs: {} }, field: "/inputs" },
    { why: "inputs twice", run: { steps: [], manifest_id: "0".repeat(64), inputs: {} }, field: "/inputs" },
    {
      why: "two at once in sequence",
      run: { steps: [], run_config: { execution_mode: "sequential", max_parallel: 2 } },
      field: "/run_config/max_parallel",
    },
  ];
  for (const { why, run, field } of refusals) {
    t.match(
      refusalOf(() => normalizeSubmission(run)),
      { code: "FIELD_INVALID", detail: { field } },
      why,
    );
  }
});

t.test("kind and execution mode are looked at before any field", async (t) => {
  const alsoBad = { budget: { cost: 1, usd_micros: 1 } } as const;
  for (const kind of ["chain", "script", ""]) {
    t.equal(refusalOf(() => normalizeSubmission({ kind, ...alsoBad }))?.code, "UNSUPPORTED_EXECUTION_MODE", kind);
  }
  const parallel = { run_config: { execution_mode: "parallel" }, ...alsoBad };
  t.equal(refusalOf(() => normalizeSubmission(parallel))?.code, "UNSUPPORTED_EXECUTION_MODE");
});

t.test("a single step becomes a run of one step", async (t) => {
  t.same(runOfStep({ step: { type: "noop" }, priority: 3 }), { priority: 3, steps: [{ id: "step", type: "noop" }] });
  t.same(runOfStep({ step: { id: "mine", type: "noop" } }).steps?.[0]?.id, "mine");
});

t.test("identity is what decides what runs, whatever the order of keys", async (t) => {
  const run: RunSubmission = { steps: [step("a", { inputs: { x: 1, y: 2 } })], seed: 5 };
  const same: RunSubmission = {
    seed: 5,
    steps: [{ type: "noop", inputs: { y: 2, x: 1 }, id: "a" }],
    id: "r",
    priority: 9,
  };
  t.equal(submissionIdentity(run), submissionIdentity(same));
  t.equal(submissionIdentity({ ...run, labels: { a: "b" }, debug: { breakpoints: [] } }), submissionIdentity(run));
  t.not(submissionIdentity({ ...run, seed: 6 }), submissionIdentity(run));
  t.not(submissionIdentity({ ...run, steps: [step("a", { inputs: { x: 1, y: 3 } })] }), submissionIdentity(run));
});
