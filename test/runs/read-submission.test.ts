import t from "tap";
import type { JsonValue } from "../../src/core/json.ts";
import { makeReadSubmission } from "../../src/runs/read-submission.ts";
import {
  BreakpointSubmission,
  DecisionRequest,
  ManifestSubmission,
  RunSubmission,
  StepRequest,
} from "../../src/runs/submission.ts";
import { refusalOf } from "./refusal.ts";

const readRun = makeReadSubmission(RunSubmission);
const minimal = { steps: [{ id: "a", type: "noop" }] };

const full = {
  id: "run-1",
  op_id: "nightly",
  kind: "dag",
  steps: [
    {
      id: "a",
      type: "process",
      slug: "fetch",
      inputs: { command: ["echo", "x"], anything: { at: ["all", null, 1.5] } },
      policy: {
        guardrails: ["redact_pii"],
        packs: [{ name: "tool_acl", hooks: ["pre"], options: { allow: ["echo"] } }],
        budget: { tokens: 10, cost: "1.5" },
        slo: { tier: "gold", queue_target_ms: 1_000, priority_boost: 3, error_budget_ppm: 250_000 },
        pack: "baseline",
      },
      execution: {
        max_attempts: 2,
        retry_backoff_ms: 100,
        retry_backoff_factor: 1.5,
        deadline_ms: 60_000,
        checkpoint: true,
        compensation: { step: "b", on: "failure_of_run" },
        cost_hint: { tokens: 5, usd_micros: 7 },
        concurrency_key: "crm",
        facts: true,
      },
      trust: "untrusted",
    },
    { id: "b", type: "noop" },
  ],
  edges: [["a", "b"]],
  labels: { team: "support" },
  subject: "customer 17",
  priority: -32_768,
  seed: 1,
  time_limit_ms: 1,
  trace: { traceparent: "not valid, and accepted here", tracestate: "" },
  debug: { breakpoints: [{ target: "step", value: "a" }] },
  budget: { tokens: 0, cost: 0.1 },
  run_config: {
    execution_mode: "sequential",
    max_parallel: 1,
    retry_policy: { max_attempts: 3, backoff: { kind: "exponential", base_ms: 100, max_ms: 1_000 } },
    fail_fast: true,
    pin_packs: true,
  },
  manifest_id: "0".repeat(64),
  inputs: { a: {} },
};

t.test("a submission with every field of the spec is accepted as it is", async (t) => {
  t.equal(readRun(full), full);
  t.equal(readRun(minimal), minimal);
});

t.test("a field that is unknown, missing or of the wrong form is refused by its pointer", async (t) => {
  const stepWith = (more: JsonValue) => ({ steps: [{ id: "a", type: "noop", ...(more as object) }] });
  const refusals: readonly { why: string; body: JsonValue; field: string }[] = [
    { why: "not an object", body: [], field: "" },
    { why: "unknown field of the run", body: { ...minimal, retries: 1 }, field: "/retries" },
    { why: "unknown field of a step", body: stepWith({ retries: 1 }), field: "/steps/0/retries" },
    { why: "unknown field of policy", body: stepWith({ policy: { allow: true } }), field: "/steps/0/policy/allow" },
    {
      why: "unknown field of execution",
      body: stepWith({ execution: { retry: 1 } }),
      field: "/steps/0/execution/retry",
    },
    { why: "a step without type", body: { steps: [{ id: "a" }] }, field: "/steps/0" },
    { why: "a step id with a colon", body: stepWith({ id: "a:b" }), field: "/steps/0/id" },
    { why: "inputs that are a list", body: stepWith({ inputs: [] }), field: "/steps/0/inputs" },
    {
      why: "zero attempts",
      body: stepWith({ execution: { max_attempts: 0 } }),
      field: "/steps/0/execution/max_attempts",
    },
    {
      why: "a factor below 1",
      body: stepWith({ execution: { retry_backoff_factor: 0.5 } }),
      field: "/steps/0/execution/retry_backoff_factor",
    },
    {
      // `mid` is read, so that it can be refused by its name with the reason (normalize-step.ts)
      why: "a hook that nobody has",
      body: stepWith({ policy: { packs: [{ name: "p", hooks: ["around"] }] } }),
      field: "/steps/0/policy/packs/0/hooks/0",
    },
    { why: "trust that would rise", body: stepWith({ trust: "trusted" }), field: "/steps/0/trust" },
    { why: "negative cost", body: { ...minimal, budget: { cost: "-1" } }, field: "/budget/cost" },
    { why: "a fraction of a token", body: { ...minimal, budget: { tokens: 1.5 } }, field: "/budget/tokens" },
    { why: "priority beyond 16 bits", body: { ...minimal, priority: 32_768 }, field: "/priority" },
    { why: "a seed of 0", body: { ...minimal, seed: 0 }, field: "/seed" },
    { why: "a label's name with a space", body: { ...minimal, labels: { "a b": "c" } }, field: "/labels/a b" },
    { why: "an edge of three", body: { ...minimal, edges: [["a", "b", "c"]] }, field: "/edges/0" },
    {
      why: "a breakpoint on something else",
      body: { ...minimal, debug: { breakpoints: [{ target: "run", value: "a" }] } },
      field: "/debug/breakpoints/0/target",
    },
    {
      why: "a backoff of another kind",
      body: { ...minimal, run_config: { retry_policy: { backoff: { kind: "linear" } } } },
      field: "/run_config/retry_policy/backoff",
    },
  ];
  for (const { why, body, field } of refusals) {
    const refusal = refusalOf(() => readRun(body));
    t.match(refusal, { code: "FIELD_INVALID", detail: { field } }, why);
  }
});

t.test("the reason never repeats a submitted value", async (t) => {
  const refusal = refusalOf(() => readRun({ ...minimal, subject: 17, seed: "hunter2-hunter2" }));
  t.notMatch(JSON.stringify(refusal), /hunter2/);
});

t.test("the other bodies have their own closed forms", async (t) => {
  const bodies = [
    { schema: StepRequest, good: { step: { type: "noop" } }, bad: { step: { type: "noop" }, steps: [] } },
    { schema: ManifestSubmission, good: minimal, bad: { steps: [{ id: "a", type: "noop", inputs: {} }] } },
    {
      schema: DecisionRequest,
      good: { boundary: "egress_tool", step: { type: "noop" }, output: null },
      bad: { boundary: "egress_tool", step: { type: "noop" }, approvals: [] },
    },
    {
      schema: DecisionRequest,
      good: { boundary: "artifact", step: { type: "noop" } },
      bad: { step: { type: "noop" } },
    },
    { schema: BreakpointSubmission, good: { target: "type", value: "http" }, bad: { target: "type", value: "" } },
  ] as const;
  for (const { schema, good, bad } of bodies) {
    const read = makeReadSubmission(schema);
    t.equal(
      refusalOf(() => read(good)),
      undefined,
    );
    t.equal(refusalOf(() => read(bad))?.code, "FIELD_INVALID");
  }
});

t.test("every field of a body is described", async (t) => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const properties = "properties" in schema ? (schema.properties as Record<string, object>) : {};
    for (const [name, property] of Object.entries(properties)) {
      const isGroup = "properties" in property || "anyOf" in property || "const" in property;
      if (!("description" in property) && !isGroup) undescribed.push(`${path}/${name}`);
      visit(property, `${path}/${name}`);
    }
    if ("items" in schema) visit(schema.items, `${path}/0`);
  };
  for (const schema of [RunSubmission, StepRequest, ManifestSubmission, DecisionRequest]) visit(schema, "");
  t.same(undescribed, []);
});
