/**
 * Problems: their shape, what they show, what stays in the log.
 */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import { convertError, problemBody } from "../../src/gateway/errors.ts";
import { failure, RUN_ID } from "./fakes.ts";
import { makeHarness } from "./harness.ts";

t.test("a problem has the members of RFC 9457, our code, and the request's id", async (t) => {
  const harness = await makeHarness();
  const answer = await harness.send({ url: "/v1/runs/nope" });
  t.equal(answer.headers["content-type"], "application/problem+json");
  t.same(answer.json, {
    type: "urn:stepgate:error:not_found",
    title: "there is no such thing here",
    status: 404,
    code: "NOT_FOUND",
    instance: `urn:uuid:${answer.headers["x-request-id"]}`,
    retry: "never",
  });
});

t.test("an error's detail is shown, and shadows no standard member", async (t) => {
  const body = problemBody("STATE_CONFLICT", "id", { status: "running", code: "x", run: "r" });
  t.match(body, { status: 409, code: "STATE_CONFLICT", run: "r" });
});

t.test("a cause, a stack and foreign words stay in the log", async (t) => {
  const harness = await makeHarness();
  for (const thrown of [failure(), new Error("planted in /srv/secret.ts"), "planted", undefined, { planted: 1 }]) {
    if (thrown === undefined) continue;
    harness.answers.failure = thrown;
    harness.lines.length = 0;
    const answer = await harness.send({ url: `/v1/runs/${RUN_ID}` });
    t.ok(answer.status >= 500);
    t.notMatch(answer.text, /planted|db\.internal|secret\.ts|stack|\bat /);
    const line = harness.lines.find((one) => one.includes("request failed")) ?? "";
    t.match(line, String(answer.headers["x-request-id"]), "the log has the request's id");
  }
  harness.answers.failure = failure();
  t.match(await harness.send({ url: `/v1/runs/${RUN_ID}` }), {
    status: 503,
    json: { code: "STORE_UNAVAILABLE", retry: "later" },
  });
});

t.test("clients that try again by themselves are told when to, and when not to", async (t) => {
  const harness = await makeHarness();
  const resets = { resets_at_ms: Date.UTC(2026, 0, 2) };
  const cases = [
    { code: "RATE_LIMITED", detail: resets, after: "Fri, 02 Jan 2026 00:00:00 GMT" },
    { code: "RATE_LIMITED", detail: {}, stays: "false" },
    { code: "STORE_BUSY", detail: {}, after: "1" },
    { code: "EVIDENCE_NOT_READY", detail: {}, after: "1" },
    { code: "INTERNAL", detail: {}, after: "1" },
    { code: "STATE_CONFLICT", detail: {}, stays: "false" },
    { code: "INPUT_MISMATCH", detail: {}, stays: "false" },
    { code: "BLOB_UNREADABLE", detail: {}, stays: "false" },
    { code: "PLAN_EMPTY", detail: {} },
  ] as const;
  for (const { code, detail, ...wanted } of cases) {
    harness.answers.failure = new StepgateError(code, detail);
    const { headers } = await harness.send({ url: `/v1/runs/${RUN_ID}` });
    t.equal(headers["retry-after"], "after" in wanted ? wanted.after : undefined, code);
    t.equal(headers["x-should-retry"], "stays" in wanted ? wanted.stays : undefined, code);
  }
});

t.test("what is thrown becomes one of our codes", async (t) => {
  const framework = (code: string) => Object.assign(new Error("x"), { code });
  t.equal(convertError(framework("FST_ERR_CTP_BODY_TOO_LARGE")).code, "BODY_TOO_LARGE");
  t.equal(convertError(framework("FST_ERR_CTP_INVALID_CONTENT_LENGTH")).code, "REQUEST_MALFORMED");
  t.equal(convertError(framework("constructor")).code, "INTERNAL");
  t.equal(convertError(framework("23505")).code, "INTERNAL");
  t.equal(convertError(undefined).code, "INTERNAL");
  const ours = new StepgateError("STATE_CONFLICT");
  t.equal(convertError(ours), ours);
});

t.test("one log line tells a request by its route, never by its path or query", async (t) => {
  const harness = await makeHarness();
  await harness.send({ url: `/v1/runs/${RUN_ID}?planted=1` });
  const line = harness.lines.at(-1) ?? "";
  t.match(JSON.parse(line), {
    msg: "request",
    method: "GET",
    route: "/v1/runs/:run",
    status: 400,
    key_id: "root",
    tenant: "acme",
  });
  t.notMatch(line, /planted|support-1|sg_all/);
});
