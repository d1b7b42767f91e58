/**
 * Bodies and clients on a real socket: sizes, chunks, lengths that lie, bytes that are no HTTP, senders that are slow.
 */
import { text } from "node:stream/consumers";
import t from "tap";
import { settingsOf } from "./harness.ts";
import { makeOverHttp, type OverHttp } from "./over-http.ts";

const MIB = 1_048_576;
const json = { "content-type": "application/json" };

function runOf(bytes: number): string {
  const empty = '{"steps":[{"id":"a","type":"noop","inputs":{"x":""}}]}';
  return empty.replace('""', `"${"x".repeat(bytes - empty.length)}"`);
}

/** Sends raw bytes, returns all that comes back until the server closes. */
async function dialled(http: OverHttp, bytes: string): Promise<string> {
  const socket = await http.dial();
  socket.on("error", () => undefined);
  socket.write(bytes);
  return text(socket);
}

t.test("a body may be as long as its route's limit, and not a byte longer, chunked or not", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const post = (path: string, body: string | readonly string[]) =>
    http.get({ method: "POST", path, headers: json, body });
  t.equal((await post("/v1/runs", runOf(8 * MIB))).status, 201);
  const over = await post("/v1/runs", runOf(8 * MIB + 1));
  t.equal(over.status, 413);
  t.match(JSON.parse(over.text), { code: "BODY_TOO_LARGE" });
  const chunks = Array.from({ length: 9 }, () => "x".repeat(MIB));
  t.equal((await post("/v1/runs", ['"', ...chunks])).status, 413, "chunks are counted as they come");
  const step = (bytes: number) => `{"step":{"type":"noop","inputs":{"x":"${"x".repeat(bytes)}"}}}`;
  t.equal((await post("/v1/steps", step(MIB - 100))).status, 200);
  t.equal((await post("/v1/steps", step(MIB))).status, 413, "other routes take 1 MiB");
});

t.test("a chunked body is read like any other", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const answer = await http.get({
    method: "POST",
    path: "/v1/runs",
    headers: json,
    body: ['{"steps":[{"id":"a",', '"type":"noop"}]}'],
  });
  t.equal(answer.status, 201);
  const split = Buffer.from('{"steps":[{"id":"a","type":"noop","inputs":{"x":"é"}}]}');
  t.equal((await http.get({ method: "POST", path: "/v1/runs", headers: json, body: split })).status, 201);
});

t.test("limits are what the settings say", async (t) => {
  const settings = settingsOf({ STEPGATE_MAX_RUN_BODY_BYTES: "2048", STEPGATE_MAX_BODY_BYTES: "1024" });
  const http = await makeOverHttp({ settings });
  t.teardown(http.close);
  const post = async (bytes: number) =>
    (await http.get({ method: "POST", path: "/v1/runs", headers: json, body: runOf(bytes) })).status;
  t.equal(await post(2_048), 201);
  t.equal(await post(2_049), 413);
});

t.test("a key that does not count is refused before the body is read", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const answer = await dialled(
    http,
    "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n" +
      "Connection: close\r\n\r\n",
  );
  t.match(answer, /^HTTP\/1\.1 401 /);
  t.match(answer, "UNAUTHENTICATED");
});

t.test("bytes that are not HTTP get a problem and the end", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const head = "Host: localhost\r\nAuthorization: Bearer sg_acme_submitter\r\nContent-Type: application/json\r\n";
  const sent = [
    "nonsense\r\n\r\n",
    "GET /v1/runs HTTP/1.1\r\n\r\n",
    `POST /v1/runs HTTP/1.1\r\n${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `POST /v1/runs HTTP/1.1\r\n${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST /v1/runs HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `GET /v1/runs HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
  ];
  for (const bytes of sent) {
    const answer = await dialled(http, bytes);
    t.match(answer, /^HTTP\/1\.1 4\d\d /, JSON.stringify(bytes.slice(0, 60)));
  }
  const problem = await dialled(http, "nonsense\r\n\r\n");
  t.match(problem, /^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json\r\n/);
  t.match(JSON.parse(problem.slice(problem.indexOf("{"))), { code: "REQUEST_MALFORMED", status: 400 });
  t.equal(http.calls.length, 0, "no use case was reached");
});

t.test("a header that means one thing is sent once", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const auth = "Authorization: Bearer sg_acme_reader\r\n";
  const sent = [
    `Host: localhost\r\nHost: localhost\r\n${auth}`,
    `Host: localhost\r\n${auth}${auth}`,
    `Host: localhost\r\n${auth}Origin: x\r\norigin: x\r\n`,
  ];
  for (const headers of sent) {
    const answer = await dialled(http, `GET /v1/runs HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
    t.match(answer, /^HTTP\/1\.1 400 /, headers);
    t.match(answer, "was sent twice");
  }
  const once = await dialled(http, `GET /v1/runs HTTP/1.1\r\nHost: localhost\r\n${auth}Connection: close\r\n\r\n`);
  t.match(once, /^HTTP\/1\.1 200 /, "the control");
});

t.test("a client that does not send its request in time is cut off", async (t) => {
  const http = await makeOverHttp({ settings: settingsOf({ STEPGATE_REQUEST_TIMEOUT_MS: "1000" }) });
  t.teardown(http.close);
  const answer = await dialled(
    http,
    "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sg_acme_submitter\r\n" +
      "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  t.match(answer, /^HTTP\/1\.1 408 /);
  t.match(answer, "REQUEST_TIMEOUT");
});
