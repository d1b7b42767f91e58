/**
 * Idempotency-Key: one effect for one request however often it is sent, a refusal for another request with its key.
 */
import t from "tap";
import { failure, RUN_ID, SECRET } from "./fakes.ts";
import { makeHarness, type Sent } from "./harness.ts";

const cancel: Sent = { method: "POST", url: `/v1/runs/${RUN_ID}/cancel`, headers: { "idempotency-key": "k1" } };

t.test("the same request again gets the stored answer and reaches no use case", async (t) => {
  const harness = await makeHarness();
  const first = await harness.send(cancel);
  harness.answers.isCancelled = false;
  const second = await harness.send(cancel);
  t.equal(harness.calls.length, 1);
  t.equal(second.status, 202, "the answer of then, not of now");
  t.equal(second.text, first.text);
  t.equal(second.headers["content-type"], first.headers["content-type"]);
  t.equal(first.headers["idempotency-replayed"], undefined);
  t.equal(second.headers["idempotency-replayed"], "true");
});

t.test("another request with the key is refused: another path, method or body", async (t) => {
  const harness = await makeHarness();
  await harness.send(cancel);
  const others: readonly Sent[] = [
    { ...cancel, url: `/v1/runs/${RUN_ID}/resume` },
    { ...cancel, method: "DELETE", url: `/v1/runs/${RUN_ID}/breakpoints/step/a` },
    { ...cancel, url: `/v1/runs/${RUN_ID}/breakpoints`, body: { target: "step", value: "a" } },
  ];
  for (const other of others) {
    const answer = await harness.send(other);
    t.match(answer, { status: 409, json: { code: "IDEMPOTENCY_MISMATCH" } }, `${other.method} ${other.url}`);
  }
  t.equal(harness.calls.length, 1);
});

t.test("a body is compared by value: the order of keys is no difference", async (t) => {
  const harness = await makeHarness();
  const put = (body: string) =>
    harness.send({ method: "PUT", url: "/v1/executors/noop", headers: { "idempotency-key": "k1" }, body });
  t.equal((await put('{"a":1,"b":2}')).status, 200);
  t.equal((await put('{"b":2, "a":1.0}')).headers["idempotency-replayed"], "true");
  t.equal((await put('{"a":1,"b":3}')).status, 409);
});

t.test("while the first request is running the second is told to come back", async (t) => {
  const harness = await makeHarness();
  let finish: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const waiting = await makeHarness({
    ports: {
      ...harness.ports,
      runs: { ...harness.ports.runs, cancel: (input) => held.then(() => harness.ports.runs.cancel(input)) },
    },
  });
  const first = waiting.send(cancel);
  while (harness.stored.size === 0) await new Promise((resolve) => setImmediate(resolve));
  t.match(await waiting.send(cancel), { status: 409, json: { code: "IDEMPOTENCY_IN_PROGRESS", retry: "later" } });
  finish();
  t.equal((await first).status, 202);
  t.equal((await waiting.send(cancel)).headers["idempotency-replayed"], "true");
});

t.test("an answer that changed nothing is not kept: the request may be sent again", async (t) => {
  const harness = await makeHarness();
  harness.answers.failure = failure();
  t.equal((await harness.send(cancel)).status, 503);
  t.equal(harness.stored.size, 0);
  harness.answers.failure = undefined;
  t.equal((await harness.send(cancel)).status, 202);
  const missing = await harness.send({ ...cancel, url: "/v1/runs/nope/cancel", headers: { "idempotency-key": "k2" } });
  t.equal(missing.status, 404);
  t.equal(harness.stored.size, 1);
});

t.test("a secret is shown once: the repeated answer has the key without it, and it is stored nowhere", async (t) => {
  const harness = await makeHarness();
  const create: Sent = {
    method: "POST",
    url: "/v1/keys",
    headers: { "idempotency-key": "k1" },
    body: { owner: "agent", roles: ["submitter"] },
  };
  const first = await harness.send(create);
  const second = await harness.send(create);
  t.match(first.json, { secret: SECRET });
  t.equal(second.status, 201);
  t.equal(second.headers["location"], first.headers["location"]);
  t.match(second.json, { key_id: first.json?.["key_id"] });
  t.equal(second.json?.["secret"], undefined);
  t.notMatch(JSON.stringify([...harness.stored]), SECRET);
});

t.test("an answer without a body is repeated as one", async (t) => {
  const harness = await makeHarness();
  const revoke: Sent = { method: "DELETE", url: "/v1/keys/00000000000000aa", headers: { "idempotency-key": "k1" } };
  t.equal((await harness.send(revoke)).status, 204);
  const second = await harness.send(revoke);
  t.equal(second.status, 204);
  t.equal(second.text, "");
  t.equal(harness.calls.length, 1);
});

t.test("runs and steps keep the key in their own transaction: it is handed on and claimed nowhere else", async (t) => {
  const harness = await makeHarness();
  const headers = { "idempotency-key": "k1" };
  await harness.send({ method: "POST", url: "/v1/runs", headers, body: { steps: [{ id: "a", type: "noop" }] } });
  await harness.send({ method: "POST", url: "/v1/steps", headers, body: { step: { type: "noop" } } });
  t.match(harness.calls, [{ input: { idempotencyKey: "k1" } }, { input: { idempotencyKey: "k1" } }]);
  t.equal(harness.stored.size, 0);
});

t.test("a refused role claims no key, and a read never does", async (t) => {
  const harness = await makeHarness();
  await harness.send({ ...cancel, key: "sg_acme_reader" });
  await harness.send({ url: "/v1/runs", headers: { "idempotency-key": "k1" } });
  t.equal(harness.stored.size, 0);
});

t.test("an answer that could not be kept is still given, since the write is made", async (t) => {
  const harness = await makeHarness();
  const broken = await makeHarness({
    ports: {
      ...harness.ports,
      idempotency: { ...harness.ports.idempotency, finish: () => Promise.reject(failure()) },
    },
  });
  t.equal((await broken.send(cancel)).status, 202);
  t.match(broken.lines.join(""), "could not be kept");
});
