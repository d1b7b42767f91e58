/**
 * Plans that every rule of submission refuses, each with its code and who is at fault: for the rules, and for the API.
 *
 * Not here: tests.
 */
import type { PlanRules } from "../../src/runs/plan.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import { openRules, step, stepTaking, undoing } from "./plan-fixture.ts";

export interface Refusal {
  readonly why: string;
  readonly code: string;
  readonly detail: Readonly<Record<string, string | number>>;
  readonly steps: readonly StepSubmission[];
  readonly edges?: readonly (readonly [string, string])[];
  readonly rules?: Partial<PlanRules>;
  /** What is submitted in place of these steps where the rules are those of `REFUSING_INSTANCE`. */
  readonly submission?: {
    readonly steps?: readonly StepSubmission[];
    readonly edges?: readonly (readonly [string, string])[];
    readonly budget?: { readonly tokens?: number; readonly usd_micros?: number };
  };
}

export const smallBudget = {
  ceilings: [{ name: "run_budget", bindsCompensations: false, tokens: 10, usd_micros: 10 }],
};

export const refusals: readonly Refusal[] = [
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
    detail: { step: "a", step_type: "teleport" },
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
    submission: { steps: ["a", "b", "c", "d", "e", "f"].map((id) => step(id)) },
  },
  {
    why: "an edge too many",
    code: "PLAN_TOO_LARGE",
    detail: { what: "edges", count: 1, limit: 0 },
    steps: [step("a"), step("b")],
    edges: [["a", "b"]],
    rules: { limits: { ...openRules.limits, maxEdges: 0 } },
    submission: {
      steps: ["a", "b", "c", "d"].map((id) => step(id)),
      edges: ["ab", "ac", "ad", "bc", "bd", "cd"].map(([from = "", to = ""]) => [from, to]),
    },
  },
  {
    why: "a pack that is not here",
    code: "PLAN_UNKNOWN_PACK",
    detail: { step: "a", pack: "absent" },
    steps: [step("a", { policy: { packs: [{ name: "absent" }] } })],
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
    submission: { steps: [step("a", { inputs: { k: "é".repeat(509) } })] },
  },
  {
    why: "more tokens than the run has",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "a", ceiling: "run_budget", unit: "tokens", requested: 11, limit: 10 },
    steps: [step("a", { execution: { cost_hint: { tokens: 11 } } })],
    rules: smallBudget,
    submission: { budget: { tokens: 10 } },
  },
  {
    why: "more money by the tenant's default than the run has",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "a", unit: "usd_micros", requested: 11 },
    steps: [step("a")],
    rules: { ...smallBudget, defaultRequest: new Map([["noop", { tokens: 0, usdMicros: 11 }]]) },
    submission: { budget: { usd_micros: 10 } },
  },
  {
    why: "a compensation above a whole quota",
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "u", ceiling: "daily" },
    steps: [undoing("a", "u"), step("u", { execution: { cost_hint: { tokens: 11 } } })],
    rules: { ceilings: [{ name: "daily", bindsCompensations: true, tokens: 10 }] },
  },
];

/** An instance and a tenant that refuse all of them; it has a pack `p` that takes no options. */
export const REFUSING_INSTANCE = {
  env: { STEPGATE_MAX_STEPS: "5", STEPGATE_MAX_EDGES: "5", STEPGATE_MAX_PAYLOAD_BYTES: "1024" },
  tenant: {
    runtime_pack: "p",
    required_guardrails: [],
    default_requests: { noop: { tokens: 0, usd_micros: 11 } },
    quotas: [{ id: "daily", unit: "tokens", window: "day", limit: 10 }],
  },
} as const;
