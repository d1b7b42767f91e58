import t from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { BlobId, Digest, RunUid, StepId, TenantUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import type { StepSpec } from "../../src/core/step.ts";
import { beginContext, type StepContext } from "../../src/gate/context.ts";
import type { LeasedStep } from "../../src/gate/leased-step.ts";
import { packInputText } from "../../src/gate/pack-input.ts";

const spec: StepSpec = {
  id: "a" as StepId,
  type: "noop",
  inputs: { z: 1, "a~/": ["é", { b: null }] },
  policy: { guardrails: ["redact_pii"], packs: [{ name: "pii_redaction", hooks: ["pre"], options: { mode: "deny" } }] },
  execution: {
    max_attempts: 2,
    retry_backoff_ms: 0,
    retry_backoff_factor_ppm: 2_000_000,
    deadline_ms: 0,
    checkpoint: false,
  },
};
const step: LeasedStep = {
  tenantUid: "t" as TenantUid,
  tenantId: "acme",
  runUid: "r" as RunUid,
  stepId: spec.id,
  leaseEpoch: 7,
  attempt: 2,
  errorAttempts: 1,
  lostAttempts: 0,
  isTarget: false,
  spec,
  inputBlob: "b" as BlobId,
  checkpoint: undefined,
  hasReferences: false,
  referenced: new Map(),
  referencedRuns: new Map(),
  readyAtMs: 0,
  deadlineAtMs: undefined,
  lastRecord: undefined,
  authorityVersion: 1,
  run: {
    id: undefined,
    kind: "dag",
    opId: "o",
    labels: { team: "x" },
    status: "running",
    caller: { keyId: "k", owner: "ann", roles: ["submitter", "reader"] },
    trace: undefined,
    timeLimitAtMs: undefined,
    hasBreakpoints: false,
  },
  budget: { tokens: { limit: 10, used: 1, reserved: 2 }, usdMicros: { limit: undefined, used: 0, reserved: 0 } },
};
const context: StepContext = beginContext({
  step,
  authority: {
    tenantUid: step.tenantUid,
    tenantId: "acme",
    version: 1,
    labels: {},
    runtimePack: "baseline",
    requiredGuardrails: [],
    minIsolation: {},
    weakerIsolationAllowed: [],
    executorSettings: {},
    sinks: [],
    defaultRequests: {},
  },
  vault: {
    seal: () => {
      throw new TypeError("not sealed here");
    },
    digest: () => "",
    commit: () => ({ commitment: "" as Digest, nonce: "" }),
  },
  request: { tokens: 0, usdMicros: 0 },
});

t.test("the pack input is canonical JSON, at every boundary, with and without what is optional", async (t) => {
  const questions = [
    { boundary: "ingress_tool", timeMs: 5, outputText: undefined, options: undefined, approvals: [] },
    {
      boundary: "egress_tool",
      timeMs: 5,
      outputText: '{"result":1}',
      options: { mode: "deny" },
      approvals: [{ id: "x" }],
    },
  ] as const;
  for (const question of questions) {
    const text = packInputText(context, question);
    t.equal(text, canonicalJson(parseJson(text)));
  }
});

t.test("a pack sees what the host knows: attempt, budget, caller, time, its own options", async (t) => {
  const text = packInputText(context, {
    boundary: "scheduler",
    timeMs: 5,
    outputText: undefined,
    options: { mode: "deny" },
    approvals: [],
  });
  t.match(parseJson(text), {
    boundary: "scheduler",
    budget: { tracked: true, tokens: { limit: 10, used: 1, reserved: 2, remaining: 7 } },
    caller: { key: "k", owner: "ann", role: "reader,submitter" },
    options: { mode: "deny" },
    run: { id: "r", kind: "dag", labels: { team: "x" } },
    step: { id: "a", slug: "", type: "noop", attempt: 2, max_attempts: 2 },
    tenant: { id: "acme" },
    time: 5,
  });
});

const toolOf = (boundText: () => unknown) =>
  ({ effects: "read", isIdempotent: true, boundText, adapter: { type: "http" } }) as unknown as StepContext["tool"];
const at = (input: JsonValue) => (isJsonObject(input) ? input["tool"] : undefined);

t.test("what is written once is written for its own step: another attempt, another tool", async (t) => {
  const question = {
    boundary: "ingress_tool",
    timeMs: 5,
    outputText: undefined,
    options: undefined,
    approvals: [],
  } as const;
  const read = (asked: StepContext) => parseJson(packInputText(asked, question));
  t.match(read(context), { step: { attempt: 2 } });
  const { step } = context;
  t.match(read({ ...context, step: { ...step, attempt: 3 } }), { step: { attempt: 3 } });
  const tool = { name: "crm", version: 1, digest: "d" as Digest };
  const bound = {
    ...context,
    step: { ...step, spec: { ...step.spec, tool } },
    tool: toolOf(() => '{"x":1}'),
  };
  const view = { ...tool, effects: "read", executor: "http", idempotent: true };
  t.same(at(read(bound)), { ...view, inputs: { x: 1 } });
  t.same(at(read({ ...bound, tool: toolOf(() => "null") })), { ...view, inputs: null }, "arguments that do not bind");
  for (const answer of [undefined, true, "[]", { x: 1 }])
    t.throws(() => read({ ...bound, tool: toolOf(() => answer) }), { code: "ANSWER_MALFORMED" });
  const text = packInputText(bound, question);
  t.equal(text, canonicalJson(parseJson(text)));
});
