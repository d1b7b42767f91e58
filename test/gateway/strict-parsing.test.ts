/**
 * Requests are read strictly: strict JSON, exact schemas, nothing converted, dropped or filled in.
 */
import t from "tap";
import { RUN_ID } from "./fakes.ts";
import { type Answer, makeHarness, type Sent } from "./harness.ts";

const RUN = '{"steps":[{"id":"a","type":"noop"}]}';

function withInputs(json: string): string {
  return `{"steps":[{"id":"a","type":"noop","inputs":${json}}]}`;
}

function errorsOf({ json }: Answer): readonly unknown[] {
  const errors = json?.["errors"];
  return Array.isArray(errors) ? errors : [];
}

t.test("a body that is not strict JSON is refused with its code", async (t) => {
  const harness = await makeHarness();
  const refusals: readonly { why: string; body: string | Buffer; code: string; reason?: string }[] = [
    { why: "duplicate key", body: '{"id":"a","id":"b"}', code: "JSON_INVALID", reason: "duplicate key" },
    { why: "duplicate key, escaped", body: '{"id":"a","\\u0069d":"b"}', code: "JSON_INVALID", reason: "duplicate key" },
    { why: "duplicate key deep inside", body: withInputs('{"x":[{"y":1,"y":2}]}'), code: "JSON_INVALID" },
    {
      why: "__proto__",
      body: withInputs('{"__proto__":{"admin":true}}'),
      code: "JSON_INVALID",
      reason: "forbidden key",
    },
    { why: "bad UTF-8", body: Buffer.from([0x22, 0xc3, 0x28, 0x22]), code: "JSON_INVALID", reason: "not UTF-8" },
    { why: "overlong UTF-8", body: Buffer.from([0x22, 0xc0, 0xaf, 0x22]), code: "JSON_INVALID" },
    { why: "UTF-16", body: Buffer.from(RUN, "utf16le"), code: "JSON_INVALID" },
    {
      why: "byte order mark",
      body: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(RUN)]),
      code: "JSON_INVALID",
    },
    { why: "lone surrogate", body: withInputs('{"x":"\\ud800"}'), code: "JSON_INVALID", reason: "lone surrogate" },
    { why: "U+0000", body: withInputs('{"x":"\\u0000"}'), code: "JSON_INVALID", reason: "U+0000" },
    { why: "depth 65", body: withInputs(`${"[".repeat(62)}1${"]".repeat(62)}`), code: "JSON_INVALID" },
    { why: "depth 100 000", body: "[".repeat(100_000), code: "JSON_INVALID", reason: "nested too deeply" },
    { why: "2^53 + 1", body: withInputs('{"x":9007199254740993}'), code: "NUMBER_NOT_EXACT" },
    { why: "1e400", body: withInputs('{"x":1e400}'), code: "NUMBER_NOT_EXACT" },
    { why: "NaN", body: withInputs('{"x":NaN}'), code: "JSON_INVALID" },
    { why: "comment", body: `${RUN}// x`, code: "JSON_INVALID" },
    { why: "trailing comma", body: '{"steps":[],}', code: "JSON_INVALID" },
    { why: "two values", body: `${RUN}${RUN}`, code: "JSON_INVALID" },
    { why: "single quotes", body: "{'steps':[]}", code: "JSON_INVALID" },
    { why: "white space alone", body: " ", code: "JSON_INVALID", reason: "no value" },
  ];
  for (const { why, body, code, reason } of refusals) {
    const answer = await harness.send({ method: "POST", url: "/v1/runs", body });
    t.match(answer, { status: 400, json: { code, ...(reason !== undefined && { reason }) } }, why);
  }
  t.equal(harness.calls.length, 0, "no use case was reached");
  t.equal((await harness.send({ method: "POST", url: "/v1/runs", body: RUN })).status, 201, "the control");
  const deep = withInputs(`{"x":${"[".repeat(59)}1${"]".repeat(59)}}`);
  t.equal((await harness.send({ method: "POST", url: "/v1/runs", body: deep })).status, 201, "depth 64 passes");
});

t.test("a body with an encoding is not read", async (t) => {
  const harness = await makeHarness();
  const post = (encoding: string) =>
    harness.send({ method: "POST", url: "/v1/runs", body: RUN, headers: { "content-encoding": encoding } });
  for (const encoding of ["gzip", "br", "deflate", "identity, gzip", ""]) {
    t.match(await post(encoding), { status: 415, json: { wanted: "no content-encoding" } }, encoding);
  }
  t.equal((await post("identity")).status, 201, "the control");
});

t.test("a body is there where one is read, and nowhere else", async (t) => {
  const harness = await makeHarness();
  const missing = await harness.send({ method: "POST", url: "/v1/runs" });
  t.match(missing, { status: 400, json: { code: "REQUEST_MALFORMED", reason: "the body is missing" } });
  const sent: readonly Sent[] = [
    { method: "POST", url: `/v1/runs/${RUN_ID}/cancel`, body: {} },
    { method: "DELETE", url: `/v1/runs/${RUN_ID}/breakpoints/step/a`, body: {} },
    { method: "GET", url: "/v1/runs", body: "x" },
  ];
  for (const request of sent) {
    const answer = await harness.send(request);
    t.match(answer, { status: 400, json: { reason: "this route takes no body" } }, `${request.method} ${request.url}`);
  }
  t.equal(harness.calls.length, 0);
});

t.test("a value of the wrong form is refused by its pointer, and never converted", async (t) => {
  const harness = await makeHarness();
  const step = { id: "a", type: "noop" };
  const refusals: readonly { body: unknown; field: string; reason?: string }[] = [
    { body: [], field: "" },
    { body: null, field: "" },
    { body: "steps", field: "" },
    { body: { steps: [step], extra: 1 }, field: "/extra", reason: "unknown field" },
    { body: { steps: [{ ...step, "a/b~c": 1 }] }, field: "/steps/0/a~1b~0c", reason: "unknown field" },
    { body: { steps: [{ id: "a" }] }, field: "/steps/0/type", reason: "missing" },
    { body: { steps: [step], priority: "1" }, field: "/priority" },
    { body: { steps: [step], priority: 1.5 }, field: "/priority" },
    { body: { steps: [step], priority: 40_000 }, field: "/priority" },
    { body: { steps: [step], priority: null }, field: "/priority" },
    { body: { steps: [step], labels: { a: 1 } }, field: "/labels/a" },
    { body: { steps: [{ ...step, policy: { guardrails: "redact_pii" } }] }, field: "/steps/0/policy/guardrails" },
    { body: { steps: [{ ...step, execution: { checkpoint: "true" } }] }, field: "/steps/0/execution/checkpoint" },
    { body: { steps: step }, field: "/steps" },
    { body: { steps: [step], id: "-a" }, field: "/id" },
    { body: { steps: [{ ...step, trust: "trusted" }] }, field: "/steps/0/trust" },
    { body: { steps: [step], caller: { role: "admin" } }, field: "/caller", reason: "unknown field" },
  ];
  for (const { body, field, reason } of refusals) {
    const answer = await harness.send({ method: "POST", url: "/v1/runs", body: JSON.stringify(body) });
    const wanted = { code: "FIELD_INVALID", field, ...(reason !== undefined && { reason }) };
    t.match(answer, { status: 400, json: wanted }, JSON.stringify(body));
  }
  t.equal(harness.calls.length, 0, "no use case was reached");
});

t.test("every wrong field is named at once, at most 20, and never its value", async (t) => {
  const harness = await makeHarness();
  const PLANTED = "4111-1111-1111-1111";
  const steps = Array.from({ length: 30 }, () => ({ id: PLANTED.repeat(10), type: "noop" }));
  const answer = await harness.send({ method: "POST", url: "/v1/runs", body: { steps, priority: PLANTED } });
  t.equal(errorsOf(answer).length, 20);
  t.equal(answer.json?.["detail"], `${answer.json?.["field"]}: ${answer.json?.["reason"]}`, "the first one for people");
  t.notMatch(answer.text, PLANTED);
});

t.test("a name that could be a value is not shown either", async (t) => {
  const harness = await makeHarness();
  const PLANTED = "sk-0123456789012345678901234567890123456789";
  const labels = { steps: [{ id: "a", type: "noop" }], labels: { [PLANTED]: 1 } };
  const sent: readonly { request: Sent; field: string }[] = [
    { request: { method: "POST", url: "/v1/runs", body: { [PLANTED]: 1 } }, field: "/*" },
    { request: { method: "POST", url: "/v1/runs", body: labels }, field: "/labels/*" },
    { request: { method: "POST", url: "/v1/runs", body: { "a b": 1 } }, field: "/*" },
    { request: { url: `/v1/runs?${PLANTED}` }, field: "/querystring/*" },
  ];
  for (const { request, field } of sent) {
    const answer = await harness.send(request);
    t.match(answer, { status: 400, json: { code: "FIELD_INVALID", field } }, field);
    t.notMatch(answer.text, PLANTED);
  }
});

t.test("millions of faults in one body cost one look", async (t) => {
  const harness = await makeHarness();
  const body = `{"steps":[${"1,".repeat(2_000_000)}1]}`;
  const answer = await harness.send({ method: "POST", url: "/v1/runs", body });
  t.match(answer, { status: 400, json: { code: "FIELD_INVALID", field: "/steps/0" } });
  t.equal(errorsOf(answer).length, 1, "the first fault alone was looked for");
});

t.test("queries and headers are as strict as bodies", async (t) => {
  const harness = await makeHarness();
  const refusals: readonly { request: Sent; field: string }[] = [
    { request: { url: "/v1/runs?limit=0" }, field: "/querystring/limit" },
    { request: { url: "/v1/runs?limit=201" }, field: "/querystring/limit" },
    { request: { url: "/v1/runs?limit=1e1" }, field: "/querystring/limit" },
    { request: { url: "/v1/runs?limit=+1" }, field: "/querystring/limit" },
    { request: { url: "/v1/runs?limit=1&limit=2" }, field: "/querystring/limit" },
    { request: { url: "/v1/runs?status=nope" }, field: "/querystring/status" },
    { request: { url: "/v1/runs?after=%00" }, field: "/querystring/after" },
    { request: { url: "/v1/runs?unknown=1" }, field: "/querystring/unknown" },
    { request: { url: "/v1/runs?__proto__=1" }, field: "/querystring/__proto__" },
    { request: { url: "/v1/tools/tickets?version=0" }, field: "/querystring/version" },
    { request: { url: "/v1/tools/tickets?version=1000000000" }, field: "/querystring/version" },
    { request: { url: "/v1/tools?limit=%ff" }, field: "/querystring/limit" },
    { request: { url: "/v1/tools?%6cimit=0" }, field: "/querystring/limit" },
    { request: { url: "/v1/executors?unknown=1" }, field: "/querystring/unknown" },
    { request: { url: `/v1/runs/${RUN_ID}?steps=1` }, field: "/querystring/steps" },
    { request: { url: `/v1/runs/${RUN_ID}/evidence?after=1` }, field: "/querystring/after" },
    { request: { method: "POST", url: `/v1/runs/${RUN_ID}/cancel?force=1` }, field: "/querystring/force" },
    { request: { url: "/healthz?x=1" }, field: "/querystring/x" },
    { request: { url: `/v1/runs/${RUN_ID}/events?after=1000000000000000` }, field: "/querystring/after" },
    { request: { url: `/v1/runs/${RUN_ID}/events?after=-1` }, field: "/querystring/after" },
    {
      request: { url: `/v1/runs/${RUN_ID}/events`, headers: { "last-event-id": "abc" } },
      field: "/headers/last-event-id",
    },
    {
      request: { method: "POST", url: `/v1/runs/${RUN_ID}/cancel`, headers: { "idempotency-key": "" } },
      field: "/headers/idempotency-key",
    },
    {
      request: { method: "POST", url: `/v1/runs/${RUN_ID}/cancel`, headers: { "idempotency-key": "a b" } },
      field: "/headers/idempotency-key",
    },
  ];
  for (const { request, field } of refusals) {
    const answer = await harness.send(request);
    t.match(answer, { status: 400, json: { code: "FIELD_INVALID", field } }, JSON.stringify(request));
  }
  t.equal(harness.calls.length, 0, "no use case was reached");
});

t.test("an expiry is a time in UTC of a day that exists", async (t) => {
  const harness = await makeHarness();
  const create = (expires: unknown) =>
    harness.send({ method: "POST", url: "/v1/keys", body: { owner: "a", roles: ["reader"], expires_at: expires } });
  const refused = [
    "tomorrow",
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00+01:00",
    "2026-13-01T00:00:00Z",
    1,
  ];
  for (const expires of refused) t.match(await create(expires), { json: { field: "/expires_at" } }, String(expires));
  for (const expires of ["2026-01-01T00:00:00Z", "2028-02-29T23:59:59.999Z"]) {
    t.equal((await create(expires)).status, 201, expires);
  }
});

t.test("roles of a new key are known, not repeated, and at least one", async (t) => {
  const harness = await makeHarness();
  for (const roles of [[], ["root"], ["reader", "reader"], "reader", undefined]) {
    const answer = await harness.send({ method: "POST", url: "/v1/keys", body: { owner: "a", roles } });
    t.match(answer, { status: 400, json: { code: "FIELD_INVALID" } }, JSON.stringify(roles));
  }
});
