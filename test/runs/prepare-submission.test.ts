import t from "tap";
import type { BlobId, Digest, RunUid } from "../../src/core/ids.ts";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { normalizeSubmission } from "../../src/runs/normalize-submission.ts";
import { DEFAULT_PLAN_LIMITS } from "../../src/runs/plan.ts";
import {
  type Installation,
  makePrepareManifest,
  makePrepareRun,
  type SubmissionContext,
} from "../../src/runs/prepare-submission.ts";
import type { RunSubmission } from "../../src/runs/submission.ts";
import { leastCpuMs } from "./cpu-time.ts";
import { build, executors, manifestOf } from "./manifest-fixture.ts";
import { step, stepTaking } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const runUid = "0199aaaa-0000-7000-8000-000000000001" as RunUid;
const installation: Installation = {
  executors,
  build,
  limits: DEFAULT_PLAN_LIMITS,
  sloTiers: new Map([["gold", { smallestQueueTargetMs: 500, largestPriorityBoost: 3 }]]),
  findPackFault: () => undefined,
  readManifest: makeReadManifest(),
};
const prepareRun = makePrepareRun(installation);

/** Prepares with a vault that remembers what it was asked to seal. */
function prepare(submission: RunSubmission, more: Partial<SubmissionContext> = {}) {
  const sealed = new Map<string, string>();
  const seal = (name: string, text: string) => {
    sealed.set(name, text);
    return `blob:${name}` as BlobId;
  };
  const context: SubmissionContext = {
    runUid,
    caller: { keyId: "k1", owner: "ada" },
    packs: [{ id: "baseline", version: "1.0.0", digest: "d".repeat(64) as Digest }],
    tools: new Map(),
    defaultRequest: new Map(),
    quotas: [],
    storedManifest: undefined,
    fork: undefined,
    sealInput: (stepId, text) => seal(stepId, text),
    sealLabels: (text) => seal("(labels)", text),
    ...more,
  };
  return { prepared: () => prepareRun(normalizeSubmission(submission), context), sealed };
}

const submission: RunSubmission = {
  id: "triage-1",
  steps: [
    step("pay", {
      inputs: { z: 1, a: 2 },
      policy: { slo: { tier: "gold", queue_target_ms: 100, priority_boost: 9 } },
      execution: { compensation: { step: "refund", on: "failure_of_run" }, deadline_ms: 5_000 },
    }),
    step("refund", { inputs: { id: { $from: "pay", pointer: "/output/id" } } }),
    {
      ...stepTaking("mail", "pay", "/a"),
      inputs: { a: { $from: "pay", pointer: "/a" }, b: { $from: "pay", pointer: "/b" } },
    },
  ],
  edges: [["pay", "mail"]],
  labels: { team: "support" },
  subject: "customer-17",
  priority: 5,
  seed: 7,
  time_limit_ms: 60_000,
  debug: { breakpoints: [{ target: "slug", value: "x" }] },
  budget: { tokens: 100, cost: "1.5" },
};

t.test("a run is prepared as one value, in topological order, with roots queued and targets blocked", async (t) => {
  const { prepared, sealed } = prepare(submission);
  const run = prepared();
  t.match(run, { runUid, kind: "dag", openSteps: 2, edges: [["pay", "mail"]], labelsBlob: "blob:(labels)" });
  t.match(run.steps, [
    {
      stepId: "pay",
      idx: 0,
      state: "queued",
      pendingDependencies: 0,
      refs: [],
      origin: undefined,
      inputBlob: "blob:pay",
      order: { queueTargetMs: 500, priority: 8 },
    },
    { stepId: "mail", idx: 1, state: "blocked", pendingDependencies: 1, refs: ["pay"], order: { priority: 5 } },
    { stepId: "refund", idx: 2, state: "blocked", pendingDependencies: 0, refs: ["pay"], origin: "pay" },
  ]);
  t.equal(run.steps[1]?.order.queueTargetMs, undefined, "no contract, no target");
  t.notOk(run.steps.some(({ spec }) => "inputs" in spec || "id" in spec));
  t.equal(sealed.get("pay"), '{"a":2,"z":1}', "inputs are sealed in canonical form");
  t.equal(sealed.get("(labels)"), '{"team":"support"}');
});

t.test("run_submitted holds all that the manifest does not, and no payload", async (t) => {
  const run = prepare(submission).prepared();
  t.same(run.submitted, {
    op_id: run.manifest.manifest.op_id,
    manifest_id: run.manifest.id,
    run_id: "triage-1",
    kind: "dag",
    priority: 5,
    seed: 7,
    budget: { tokens: 100, usd_micros: 1_500_000 },
    labels_blob: "blob:(labels)",
    subject: "customer-17",
    breakpoints: [{ target: "slug", value: "x" }],
    trace: run.trace,
    caller: { key: "k1", owner: "ada" },
    packs: [{ id: "baseline", version: "1.0.0", digest: "d".repeat(64) }],
    time_limit_ms: 60_000,
    inputs: { pay: "blob:pay", mail: "blob:mail", refund: "blob:refund" },
    refs: { mail: ["pay"], refund: ["pay"] },
    orders: { pay: { priority: 8, queue_target_ms: 500 } },
  });
  t.notMatch(JSON.stringify(run.submitted), /support/);
  const bare = prepare({ steps: [step("a")] }).prepared().submitted;
  t.strictSame(Object.keys(bare).sort(), [
    "breakpoints",
    "caller",
    "inputs",
    "kind",
    "manifest_id",
    "op_id",
    "orders",
    "packs",
    "priority",
    "refs",
    "trace",
  ]);
});

t.test("the run's trace is the caller's if it is valid, and says when it had to be replaced", async (t) => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  t.match(prepare({ steps: [step("a")], trace: { traceparent } }).prepared(), {
    trace: { traceparent },
    isTraceReplaced: false,
  });
  t.match(prepare({ steps: [step("a")], trace: { traceparent: "x" } }).prepared(), { isTraceReplaced: true });
});

t.test("a registered manifest is started with inputs by step", async (t) => {
  const registered = manifestOf([step("a"), step("b")], [["a", "b"]]);
  const start = (inputs: NonNullable<RunSubmission["inputs"]>) =>
    prepare({ manifest_id: registered.id, inputs }, { storedManifest: registered.text });
  const { prepared, sealed } = start({ b: { x: { $from: "a", pointer: "" } } });
  const run = prepared();
  t.equal(run.manifest.text, registered.text);
  t.same(run.steps[1]?.refs, ["a"]);
  t.equal(sealed.get("a"), "{}");
  const refusals: readonly { inputs: NonNullable<RunSubmission["inputs"]>; field: string }[] = [
    { inputs: { c: {} }, field: "/inputs/c" },
    { inputs: { a: { token_estimate: -1 } }, field: "/inputs/a/token_estimate" },
  ];
  for (const { inputs, field } of refusals) {
    t.match(refusalOf(start(inputs).prepared), { code: "FIELD_INVALID", detail: { field } });
  }
});

t.test("M1 nothing is sealed before every check has passed", async (t) => {
  const fraction = { policy: { packs: [{ name: "p", options: { r: 0.5 } }] } };
  const refusals: readonly { run: RunSubmission; more?: Partial<SubmissionContext>; code: string }[] = [
    { run: { steps: [step("a")], kind: "script" }, code: "UNSUPPORTED_EXECUTION_MODE" },
    { run: { steps: [step("a", { policy: { guardrails: ["x"] } })] }, code: "FIELD_INVALID" },
    { run: { steps: [step("a", fraction), step("a")] }, code: "MANIFEST_NOT_CANONICAL" },
    { run: { manifest_id: "0".repeat(64) }, code: "MANIFEST_NOT_FOUND" },
    { run: { steps: [] }, code: "PLAN_EMPTY" },
    { run: { steps: [step("a", { type: "unheard_of" })] }, code: "PLAN_UNKNOWN_TYPE" },
    {
      run: { steps: [step("a", { execution: { cost_hint: { tokens: 2 } } })], budget: { tokens: 1 } },
      code: "PLAN_NEVER_ADMISSIBLE",
    },
    {
      run: { steps: [step("a", { execution: { cost_hint: { tokens: 2 } } })] },
      more: { quotas: [{ name: "day", bindsCompensations: true, tokens: 1 }] },
      code: "PLAN_NEVER_ADMISSIBLE",
    },
    { run: { steps: [step("a", { policy: { slo: { tier: "diamond" } } })] }, code: "FIELD_INVALID" },
  ];
  for (const { run, more = {}, code } of refusals) {
    const { prepared, sealed } = prepare({ labels: { a: "b" }, ...run }, more);
    t.equal(refusalOf(prepared)?.code, code);
    t.equal(sealed.size, 0, `${code}: nothing sealed`);
  }
});

t.test("a compensation may be above the run's budget, but not above a tenant's quota", async (t) => {
  const dear = { execution: { cost_hint: { tokens: 101 } } };
  const steps = (submission.steps ?? []).map((one) => (one.id === "refund" ? { ...one, ...dear } : one));
  t.equal(refusalOf(prepare({ ...submission, steps }).prepared), undefined);
  const quotas = [{ name: "day", bindsCompensations: true, tokens: 100 }];
  t.match(refusalOf(prepare({ ...submission, steps }, { quotas }).prepared), {
    code: "PLAN_NEVER_ADMISSIBLE",
    detail: { step: "refund", ceiling: "day" },
  });
});

t.test("a plan is registered after the same checks", async (t) => {
  const prepareManifest = makePrepareManifest(installation);
  const tenant = { defaultRequest: new Map(), quotas: [] };
  t.equal(prepareManifest({ steps: [step("a")] }, tenant).id, manifestOf([step("a")]).id);
  const refusals = [
    { plan: { steps: [] }, code: "PLAN_EMPTY" },
    { plan: { steps: [step("a")], kind: "chain" }, code: "UNSUPPORTED_EXECUTION_MODE" },
    { plan: { steps: [step("a"), step("a")] }, code: "PLAN_DUPLICATE_STEP" },
    { plan: { steps: [step("a", { policy: { slo: { tier: "diamond" } } })] }, code: "FIELD_INVALID" },
  ];
  for (const { plan, code } of refusals) t.equal(refusalOf(() => prepareManifest(plan, tenant))?.code, code);
});

t.test("10 000 steps with 50 000 edges are prepared within a second", async (t) => {
  const steps = Array.from({ length: 10_000 }, (_, index) => step(`s${index}`));
  const edges: (readonly [string, string])[] = [];
  for (let index = 5; index < 10_000; index += 1) {
    for (let back = 1; back <= 5; back += 1) edges.push([`s${index - back}`, `s${index}`]);
  }
  let last: string | undefined;
  const tookMs = leastCpuMs(3, () => {
    last = prepare({ steps, edges }).prepared().steps.at(-1)?.stepId;
  });
  t.equal(last, "s9999");
  t.ok(tookMs < 1_000, `took ${Math.round(tookMs)} ms of processor time`);
});
