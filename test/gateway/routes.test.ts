/**
 * Every route's happy path: what the use case is asked, what the caller gets, and that it is what the document says.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import { operationsOf, readDocument } from "./document.ts";
import { APPROVAL_ID, DIGEST, KEY, KEY_ID, makeFakes, RUN_ID, RUN_UID, SECRET, WEBHOOK_SECRET } from "./fakes.ts";
import { makeHarness } from "./harness.ts";

/** By operation: the status, and the use case with the part of its input that comes from the request. */
const EXPECTED: Readonly<Record<string, { status: number; call?: string; input?: object; body?: object }>> = {
  submitRun: { status: 201, call: "runs.submit", input: { submission: { id: "support-4711" } } },
  listRuns: { status: 200, call: "runs.list", input: { limit: 50, after: undefined }, body: { next: "cursor-2" } },
  getRun: { status: 200, call: "runs.get", input: { run: { runId: RUN_ID } }, body: { run_uid: RUN_UID } },
  getRunEvents: { status: 200, body: { items: [], next_after: 0 } },
  getRunEvidence: { status: 200, call: "runs.evidence" },
  cancelRun: { status: 202, call: "runs.cancel", body: { cancelled: true } },
  pauseRun: { status: 200, call: "runs.pause", input: { run: { runId: RUN_ID } } },
  resumeRun: { status: 200, call: "runs.resume" },
  getWaits: {
    status: 200,
    call: "queue.waits",
    input: { stepId: "a" },
    body: { waits: [{ reason: "rank", count: 3 }] },
  },
  getQueue: { status: 200, call: "queue.get", body: { counts: [{ type: "noop", count: 2 }] } },
  pauseQueue: { status: 200, call: "queue.setPaused", input: { type: "http", isPaused: true } },
  resumeQueue: { status: 200, call: "queue.setPaused", input: { type: undefined, isPaused: false } },
  listDeadLetters: { status: 200, call: "deadLetters.list", input: { limit: 50, after: undefined } },
  getDeadLetter: { status: 200, call: "deadLetters.get", input: { run: { runId: RUN_ID }, stepId: "a" } },
  redriveDeadLetter: {
    status: 201,
    call: "deadLetters.redrive",
    input: { stepId: "a", inputs: { url: "https://api.example/tickets/2" } },
    body: { run_uid: RUN_UID },
  },
  listBreakpoints: { status: 200, call: "runs.breakpoints", body: { items: [] } },
  setBreakpoint: {
    status: 200,
    call: "runs.setBreakpoint",
    input: { breakpoint: { target: "type", value: "http" } },
    body: { items: [{ target: "type", value: "http" }] },
  },
  removeBreakpoint: {
    status: 200,
    call: "runs.removeBreakpoint",
    input: { breakpoint: { target: "step", value: "a" } },
  },
  performStep: { status: 200, call: "steps.perform", input: { waitMs: 30_000 }, body: { output: { stdout: "hello" } } },
  decide: { status: 200, call: "decisions.decide", body: { decision: { effect: "deny" } } },
  listApprovals: { status: 200, call: "approvals.list", input: { limit: 50, state: undefined, run: undefined } },
  getApproval: { status: 200, call: "approvals.get", input: { approvalId: APPROVAL_ID }, body: { state: "open" } },
  decideApproval: {
    status: 200,
    call: "approvals.decide",
    input: { approvalId: APPROVAL_ID, decision: "approve", reason: "checked with the customer" },
  },
  getRecord: { status: 200, call: "records.get", input: { recordId: DIGEST }, body: { kind: "refusal" } },
  getArtifact: { status: 200, call: "artifacts.get", input: { artifactId: DIGEST } },
  getArtifactContent: { status: 200, call: "artifacts.content" },
  listTenants: { status: 200, call: "tenants.list", input: { holder: { tenant: "all" } } },
  getTenant: { status: 200, call: "tenants.get", input: { tenantId: "acme" }, body: { id: "acme" } },
  putTenant: { status: 201, call: "tenants.put", input: { tenantId: "acme", submission: { weight: 1 } } },
  listTools: { status: 200, call: "tools.list" },
  getTool: { status: 200, call: "tools.get", input: { name: "tickets", version: undefined } },
  putTool: { status: 201, call: "tools.put", input: { name: "tickets", submission: { executor: "http" } } },
  listSecrets: { status: 200, call: "secrets.list", input: { limit: 50 } },
  getSecret: { status: 200, call: "secrets.get", input: { name: "crm.key" }, body: { fits: ["env", "header"] } },
  putSecret: { status: 201, call: "secrets.put", input: { name: "crm.key", value: "Bearer 9f86d081884c7d65" } },
  removeSecret: { status: 204, call: "secrets.remove", input: { name: "crm.key" } },
  listExecutors: { status: 200, call: "executors.list" },
  getExecutor: { status: 200, call: "executors.get", input: { type: "noop" } },
  putExecutor: { status: 200, call: "executors.put", input: { settings: { hosts: ["api.example"] } } },
  listAudit: { status: 200, call: "audit.list", input: { limit: 50 } },
  recomputeBilling: { status: 200, call: "billing.recompute", input: {} },
  getRetention: { status: 200, call: "retention.get", input: {} },
  getBudgets: { status: 200, call: "budgets.get", input: { limit: 50 } },
  listSinks: { status: 200, call: "sinks.list", input: { limit: 50 } },
  getSink: { status: 200, call: "sinks.get", input: { name: "hooks" } },
  putSink: {
    status: 201,
    call: "sinks.put",
    input: { name: "hooks", submission: { is_paused: false } },
    body: { secret: WEBHOOK_SECRET },
  },
  removeSink: { status: 204, call: "sinks.remove", input: { name: "hooks" } },
  rotateSinkSecret: { status: 200, call: "sinks.rotate", body: { secret: WEBHOOK_SECRET } },
  listDeliveries: { status: 200, call: "sinks.waiting", body: { items: [{ fault: "status_503" }] } },
  listSinkDeadLetters: { status: 200, call: "sinks.deadLetters", body: { items: [{ event: "run_started" }] } },
  redriveSink: { status: 200, call: "sinks.redrive", input: { runUid: undefined }, body: { redriven: 1 } },
  listKeys: { status: 200, call: "keys.list" },
  createKey: {
    status: 201,
    call: "keys.create",
    input: { submission: { roles: ["submitter"] } },
    body: { secret: SECRET },
  },
  getKey: { status: 200, call: "keys.get", input: { keyId: KEY_ID } },
  revokeKey: { status: 204, call: "keys.revoke", input: { keyId: KEY_ID } },
  getHealth: { status: 200, body: { status: "ok" } },
  getReadiness: { status: 200, body: { ready: true } },
  getJwks: { status: 200, body: { keys: [{ crv: "Ed25519" }] } },
  getMetrics: { status: 200 },
  getOpenApi: { status: 200 },
};

t.test("every operation asks its use case and answers in the form that the document gives", async (t) => {
  const harness = await makeHarness();
  const document = await readDocument(harness);
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  ajv.addSchema(document, "doc");
  const operations = operationsOf(document);
  t.same(operations.map(({ operation }) => operation.operationId).sort(), Object.keys(EXPECTED).sort());
  for (const { method, path, operation, request } of operations) {
    const expected = EXPECTED[operation.operationId];
    harness.calls.length = 0;
    const answer = await harness.send(request);
    t.equal(answer.status, expected?.status, `${method} ${path}: ${answer.text}`);
    if (expected?.body !== undefined) t.match(answer.json, expected.body, path);
    if (expected?.call !== undefined) {
      t.match(harness.calls, [{ name: expected.call, input: expected.input ?? {} }], path);
    }
    const schema = operation.responses[String(answer.status)]?.content?.["application/json"]?.schema;
    if (schema === undefined) continue;
    const pointer = `doc#/paths/${path.replaceAll("~", "~0").replaceAll("/", "~1")}/${method.toLowerCase()}`;
    const isValid = ajv.compile({ $ref: `${pointer}/responses/${answer.status}/content/application~1json/schema` });
    t.ok(isValid(answer.json), `${path}: ${JSON.stringify(isValid.errors)}`);
  }
});

t.test("the caller handed to a use case comes from the key", async (t) => {
  const harness = await makeHarness();
  await harness.send({ url: "/v1/tools", key: "sg_acme_reader" });
  t.match(harness.calls, [
    {
      input: {
        caller: {
          keyId: "acme-reader",
          owner: "reader",
          roles: ["reader"],
          tenantId: "acme",
          isInstanceWide: false,
        },
      },
    },
  ]);
});

t.test("a run is named by its uid or by its submitter's id, and text of uid form is always a uid", async (t) => {
  const harness = await makeHarness();
  await harness.send({ url: `/v1/runs/${RUN_UID}` });
  await harness.send({ url: `/v1/runs/${RUN_ID}` });
  t.match(harness.calls, [{ input: { run: { runUid: RUN_UID } } }, { input: { run: { runId: RUN_ID } } }]);
});

t.test("a submission that exists is 200 with its place, a new one 201", async (t) => {
  const harness = await makeHarness();
  const body = { steps: [{ id: "a", type: "noop" }] };
  const made = await harness.send({ method: "POST", url: "/v1/runs", body });
  harness.answers.isNew = false;
  const found = await harness.send({ method: "POST", url: "/v1/runs", body });
  t.equal(made.status, 201);
  t.equal(found.status, 200);
  for (const { headers } of [made, found]) t.equal(headers["location"], `/v1/runs/${RUN_UID}`);
});

t.test("a cancel with nothing left to cancel is 200 with false", async (t) => {
  const harness = await makeHarness();
  harness.answers.isCancelled = false;
  const answer = await harness.send({ method: "POST", url: `/v1/runs/${RUN_ID}/cancel` });
  t.equal(answer.status, 200);
  t.match(answer.json, { cancelled: false });
});

t.test("a step's outcome is 200, 202 with its place, 403 or 422 with its records", async (t) => {
  const harness = await makeHarness();
  const sent = { method: "POST", url: "/v1/steps", body: { step: { type: "noop" } } } as const;
  harness.answers.outcome = {
    kind: "pending",
    pending: { run_uid: RUN_UID, step_id: "step", status: "held", reason: "hold", record_ids: [DIGEST] },
  };
  const held = await harness.send(sent);
  t.equal(held.status, 202);
  t.equal(held.headers["location"], `/v1/runs/${RUN_UID}`);
  t.match(held.json, { reason: "hold" });
  const end = {
    runUid: RUN_UID,
    stepId: "step",
    reasons: ["injection.override_instructions"],
    recordIds: ["cd".repeat(32), DIGEST],
    decision: { effect: "deny", reasons: [], evaluations: [] },
  } as const;
  harness.answers.outcome = { kind: "denied", end: { ...end, errorKind: "policy_denied" } };
  const denied = await harness.send(sent);
  t.equal(denied.status, 403);
  t.match(denied.json, {
    code: "STEP_DENIED",
    error_kind: "policy_denied",
    reasons: ["injection.override_instructions"],
    record_id: DIGEST,
    record_ids: ["cd".repeat(32), DIGEST],
    run_uid: RUN_UID,
  });
  harness.answers.outcome = { kind: "failed", end: { ...end, errorKind: "execution_error", decision: undefined } };
  const failed = await harness.send(sent);
  t.equal(failed.status, 422);
  t.match(failed.json, { code: "STEP_FAILED", error_kind: "execution_error", status: 422 });
});

t.test("downloads are attachments that no browser renders", async (t) => {
  const harness = await makeHarness();
  const artifact = await harness.send({ url: `/v1/artifacts/${DIGEST}/content` });
  t.equal(artifact.text, "<b></b>");
  t.match(artifact.headers, {
    "content-type": "text/html",
    "content-length": "7",
    "content-disposition": `attachment; filename="${DIGEST}"`,
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  const evidence = await harness.send({ url: `/v1/runs/${RUN_ID}/evidence` });
  t.equal(evidence.text, "{}");
  t.equal(evidence.headers["content-disposition"], `attachment; filename="${RUN_ID}.stepgate"`);
});

t.test("evidence before the seal is a conflict that a later request may not meet", async (t) => {
  const harness = await makeHarness();
  harness.answers.failure = new StepgateError("EVIDENCE_NOT_READY");
  const answer = await harness.send({ url: `/v1/runs/${RUN_ID}/evidence` });
  t.equal(answer.status, 409);
  t.match(answer.json, { code: "EVIDENCE_NOT_READY", retry: "later" });
});

t.test("a process that is not ready says so with 503 and names the check", async (t) => {
  const harness = await makeHarness();
  harness.answers.isReady = false;
  const answer = await harness.send({ url: "/readyz", key: null });
  t.equal(answer.status, 503);
  t.same(answer.json, { ready: false, checks: [{ name: "database", ok: false }] });
});

t.test("pages, filters and versions are read from the query as numbers", async (t) => {
  const harness = await makeHarness();
  await harness.send({ url: "/v1/runs?after=abc&limit=200&status=failed" });
  await harness.send({ url: "/v1/tools/tickets?version=3" });
  t.match(harness.calls, [
    { input: { after: "abc", limit: 200, status: "failed" } },
    { input: { name: "tickets", version: 3 } },
  ]);
});

t.test("what a view does not name does not leave", async (t) => {
  const fakes = makeFakes();
  const leaky = { ...KEY, secret: SECRET, secret_hash: "planted" };
  const keys = { ...fakes.ports.keys, get: async () => leaky };
  const harness = await makeHarness({ ports: { ...fakes.ports, keys } });
  const answer = await harness.send({ url: `/v1/keys/${KEY_ID}` });
  t.equal(answer.status, 200);
  t.notMatch(answer.text, "planted");
  t.notMatch(answer.text, SECRET, "nor the secret, which only a new key's view has");
});
