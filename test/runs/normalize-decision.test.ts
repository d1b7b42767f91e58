import t from "tap";
import { BOUNDARIES } from "../../src/core/decision.ts";
import { normalizeDecision } from "../../src/runs/normalize-decision.ts";
import type { DecisionRequest } from "../../src/runs/submission.ts";
import { refusalOf } from "./refusal.ts";

t.test("a decision is about a step with every default, and an output exactly where something comes out", async (t) => {
  t.match(normalizeDecision({ boundary: "ingress_tool", step: { type: "http", inputs: { url: "x" } } }), {
    boundary: "ingress_tool",
    spec: { id: "step", type: "http", inputs: { url: "x" }, execution: { max_attempts: 1 } },
    labels: {},
    output: undefined,
  });
  for (const boundary of BOUNDARIES) {
    const isEgress = boundary.startsWith("egress_") || boundary === "artifact";
    const step = { type: "noop" };
    const [good, bad] = isEgress ? [{ output: null }, {}] : [{}, { output: null }];
    t.equal(
      refusalOf(() => normalizeDecision({ boundary, step, ...good })),
      undefined,
      boundary,
    );
    t.match(
      refusalOf(() => normalizeDecision({ boundary, step, ...bad })),
      {
        code: "FIELD_INVALID",
        detail: { field: "/output" },
      },
    );
  }
});

t.test("what only a run could resolve, or nobody could obey, is refused", async (t) => {
  const refusals: readonly { step: DecisionRequest["step"]; code: string; detail: object }[] = [
    {
      step: { type: "noop", inputs: { a: { $from: "b", pointer: "" } } },
      code: "FIELD_INVALID",
      detail: { field: "/step/inputs/a" },
    },
    { step: { type: "noop", inputs: { a: { $from: 1 } } }, code: "FIELD_INVALID", detail: { field: "/step/inputs/a" } },
    {
      step: { type: "noop", policy: { guardrails: ["x"] } },
      code: "FIELD_INVALID",
      detail: { field: "/step/policy/guardrails/0" },
    },
    {
      step: { type: "noop", policy: { guardrails: ["redact_pii", "deny_on_pii"] } },
      code: "PLAN_CONFLICTING_FLAGS",
      detail: { step: "step" },
    },
  ];
  for (const { step, code, detail } of refusals) {
    t.match(
      refusalOf(() => normalizeDecision({ boundary: "ingress_tool", step })),
      { code, detail },
    );
  }
});
