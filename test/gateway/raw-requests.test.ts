/**
 * Requests as bytes, since a client library would tidy them up: heads, lengths, methods, targets, pipelines.
 *
 * Every refusal is a problem with its code. Not here: bodies and their limits (bodies.test.ts), JSON (strict-parsing.test.ts).
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import t from "tap";
import { RUN_ID } from "./fakes.ts";
import { settingsOf } from "./harness.ts";
import { makeOverHttp, type OverHttp } from "./over-http.ts";

const AUTH = "Authorization: Bearer sg_acme_reader\r\n";
const WRITER = "Authorization: Bearer sg_acme_submitter\r\n";
const HOST = "Host: localhost\r\n";
const JSON_TYPE = "Content-Type: application/json\r\n";
const END = "Connection: close\r\n\r\n";
const RUN = '{"steps":[{"id":"a","type":"noop"}]}';

let http: OverHttp;
t.before(async () => {
  http = await makeOverHttp();
});
t.teardown(() => http.close());

/** Sends the bytes; returns all that comes until the server closes. */
async function dialled(bytes: string | Buffer, over: OverHttp = http): Promise<string> {
  const socket = await over.dial();
  socket.on("error", () => undefined);
  socket.write(bytes);
  return text(socket);
}

/** Statuses of all answers on a connection, and the code of the last one when it is a problem. */
function read(answer: string): { readonly statuses: readonly number[]; readonly code: unknown } {
  const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d\d\d) /g)].map(([, status]) => Number(status));
  const problem = /\{"type":"urn:stepgate:error:[^\n]*\}/.exec(answer)?.[0];
  if (problem === undefined) return { statuses, code: undefined };
  if (!answer.includes("content-type: application/problem+json\r\n")) return { statuses, code: "no problem" };
  return { statuses, code: (JSON.parse(problem) as { code: unknown }).code };
}

const get = (headers: string, target = "/v1/runs") => `GET ${target} HTTP/1.1\r\n${headers}${END}`;
const post = (headers: string, body: string) => `POST /v1/runs HTTP/1.1\r\n${HOST}${WRITER}${headers}${END}${body}`;

t.test("a head that two readers could read in two ways is refused", async (t) => {
  const length = `Content-Length: ${RUN.length}\r\n`;
  const twice = (line: string) => get(`${HOST}${AUTH}${line}${line}`);
  const refused: Readonly<Record<string, string>> = {
    "no Host": get(AUTH),
    "two Hosts": get(`${HOST}${HOST}${AUTH}`),
    "two Authorizations": get(`${HOST}${AUTH}${WRITER}`),
    "two Origins": twice("Origin: http://localhost\r\n"),
    "two tenants": twice("Stepgate-Tenant: acme\r\n"),
    "two Last-Event-IDs": twice("Last-Event-ID: 1\r\n"),
    "two Idempotency-Keys": post(`${JSON_TYPE}${length}Idempotency-Key: a\r\nIdempotency-Key: b\r\n`, RUN),
    "two content types": post(`${JSON_TYPE}${JSON_TYPE}${length}`, RUN),
    "two content encodings": post(
      `${JSON_TYPE}${length}Content-Encoding: identity\r\nContent-Encoding: identity\r\n`,
      RUN,
    ),
    "two lengths": post(`${JSON_TYPE}${length}Content-Length: 2\r\n`, RUN),
    "two equal lengths": post(`${JSON_TYPE}${length}${length}`, RUN),
    "a list of lengths": post(`${JSON_TYPE}Content-Length: 36, 36\r\n`, RUN),
    "a signed length": post(`${JSON_TYPE}Content-Length: +36\r\n`, RUN),
    "a length in hex": post(`${JSON_TYPE}Content-Length: 0x24\r\n`, RUN),
    "a length beyond any": post(`${JSON_TYPE}Content-Length: 99999999999999999999\r\n`, RUN),
    "length and chunks": post(`${JSON_TYPE}${length}Transfer-Encoding: chunked\r\n`, "0\r\n\r\n"),
    "chunks and length": post(`${JSON_TYPE}Transfer-Encoding: chunked\r\n${length}`, "0\r\n\r\n"),
    "chunks that are not last": post(`${JSON_TYPE}Transfer-Encoding: chunked, gzip\r\n`, "0\r\n\r\n"),
    "an encoding that is none": post(`${JSON_TYPE}Transfer-Encoding: xchunked\r\n`, "0\r\n\r\n"),
    "a chunk size that is none": post(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`, "zz\r\n"),
    "a chunk size beyond any": post(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`, "fffffffffffffffff\r\n"),
    "a chunk longer than its size": post(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`, "1\r\nabc\r\n0\r\n\r\n"),
    "a space before the colon": get(`${HOST}${AUTH}X : y\r\n`),
    "a folded line": get(`${HOST}${AUTH}X: y\r\n z\r\n`),
    "a bare line feed": `GET /v1/runs HTTP/1.1\n${HOST}${AUTH}\n`,
    "a bare carriage return": get(`${HOST}${AUTH}X: a\rb\r\n`),
    "NUL in a header": get(`${HOST}${AUTH}X: a\0b\r\n`),
    "a header without a name": get(`${HOST}${AUTH}: y\r\n`),
    "a version that is none": `GET /v1/runs HTTP/9.9\r\n${HOST}${AUTH}${END}`,
    "no version": "GET /v1/runs\r\n\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    TLS: "\u0016\u0003\u0001\u0002\u0000\u0001",
    "a method that is none": `FETCH /v1/runs HTTP/1.1\r\n${HOST}${AUTH}${END}`,
    "a space in the target": `GET /v1/runs x HTTP/1.1\r\n${HOST}${AUTH}${END}`,
    "an expectation of something else": get(`${HOST}${AUTH}Expect: 200-ok\r\n`),
  };
  http.calls.length = 0;
  for (const [why, bytes] of Object.entries(refused)) {
    t.match(read(await dialled(bytes)), { statuses: [400], code: "REQUEST_MALFORMED" }, why);
  }
  t.equal(http.calls.length, 0, "no use case was reached");
  t.match(read(await dialled(get(`${HOST}${AUTH}`))), { statuses: [200] }, "the control");
  t.match(read(await dialled(post(`${JSON_TYPE}${length}`, RUN))), { statuses: [201] }, "the control of writes");
});

t.test("a head has 16 KiB and 256 headers", async (t) => {
  const many = (count: number) => Array.from({ length: count }, () => "a:\r\n").join("");
  const large = [
    get(`${HOST}${AUTH}X: ${"x".repeat(17_000)}\r\n`),
    get(`${HOST}${AUTH}`, `/${"x".repeat(17_000)}`),
    get(`${HOST}${AUTH}${many(254)}`),
    get(`${HOST}${AUTH}${many(3_000)}${WRITER}`),
  ];
  for (const bytes of large) t.match(read(await dialled(bytes)), { statuses: [431], code: "HEADERS_TOO_LARGE" });
  t.match(read(await dialled(get(`${HOST}${AUTH}${many(253)}`))), { statuses: [200] }, "256 with Connection");
});

t.test("targets that are no path of ours are nowhere, in whatever spelling", async (t) => {
  const targets = [
    "http://localhost/v1/runs",
    "HTTP://LOCALHOST/v1/runs",
    "https://evil.example/v1/runs",
    "//localhost/v1/runs",
    "//v1/runs",
    "/v1//runs",
    "/v1/runs/",
    "/v1/runs//",
    "/v1/./runs",
    "/v1/../v1/runs",
    "/../v1/runs",
    "/v1/%2e/runs",
    "/v1/%2E%2E/v1/runs",
    "/v1/.%2e/v1/runs",
    "/v1%2fruns",
    "/v1%2Fruns",
    "/v1/runs%2f",
    "/v1/runs%5c",
    "/v1\\runs",
    "/v1/runs%00",
    "/v1/runs%00.json",
    "/%00/v1/runs",
    "/v1/runs;a=b",
    "/v1;a=b/runs",
    "/v1/runs;",
    "/v1/runs%3Ba",
    "/V1/runs",
    "/v1/Runs",
    "/v1/%72uns",
    "/%76%31/runs",
    "/v1/runs%20",
    "/v1/runs+",
    "/v1/runs%09",
    "/v1/%c0%ae%c0%ae/v1/runs",
    "/v1%c0%afruns",
    "/v1%e0%80%afruns",
    "/v1/runs%ff",
    "/v1/runs%",
    "/v1/runs%zz",
    "/v1/runs%u002f",
    "/v1/runs#x",
    "/v1/runs%23x",
    "/v1/runs%3flimit=1",
    "/.",
    "/..",
    "/*",
    "/healthz/",
    "/HEALTHZ",
    "/healthz/..",
    `/v1/runs/${RUN_ID}/`,
    `/v1/runs/${RUN_ID}//events`,
    `/v1/runs/${RUN_ID}%2Fevents`,
    `/v1/runs/${RUN_ID}/../../tools`,
    `/v1/runs/${RUN_ID};/events`,
    "/v1/runs/%2e",
    "/v1/runs/..%2fruns",
  ];
  http.calls.length = 0;
  for (const target of targets) {
    const { statuses, code } = read(await dialled(get(`${HOST}${AUTH}`, target)));
    t.match({ statuses, code }, { statuses: [404], code: "NOT_FOUND" }, target);
  }
  t.equal(http.calls.length, 0, "no use case was reached");
});

t.test("methods that a path does not answer are told so, TRACE and CONNECT too", async (t) => {
  const sent: Readonly<Record<string, readonly [string, number, string]>> = {
    HEAD: ["/v1/runs", 405, ""],
    OPTIONS: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    TRACE: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    PATCH: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    PROPFIND: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    QUERY: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    LINK: ["/v1/runs", 405, "METHOD_NOT_ALLOWED"],
    CONNECT: ["internal.example:443", 405, "METHOD_NOT_ALLOWED"],
  };
  for (const [method, [target, status, code]] of Object.entries(sent)) {
    const answer = await dialled(`${method} ${target} HTTP/1.1\r\n${HOST}${AUTH}${END}`);
    const found = read(answer);
    t.match(found, { statuses: [status], ...(code !== "" && { code }) }, method);
    t.match(answer, method === "CONNECT" ? /^allow:/m : /^allow: POST, GET\r$/m, `${method}: what is there is named`);
  }
  t.match(read(await dialled(`OPTIONS * HTTP/1.1\r\n${HOST}${AUTH}${END}`)), { statuses: [404], code: "NOT_FOUND" });
  const cors = await dialled(
    `OPTIONS /v1/runs HTTP/1.1\r\n${HOST}Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n${END}`,
  );
  t.match(read(cors), { statuses: [403], code: "ORIGIN_REFUSED" });
  t.notMatch(cors, /access-control-/i, "no page is let in");
});

t.test("an upgrade is not made, and the request is answered as it is", async (t) => {
  const headers = `${HOST}${AUTH}Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`;
  t.match(read(await dialled(`GET /v1/runs HTTP/1.1\r\n${headers}`)), { statuses: [200] });
});

t.test("a page that reaches us by a name of its own is refused, whatever it calls itself", async (t) => {
  const hosts = [
    "evil.example",
    "evil.example:8181",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.2",
    "0.0.0.0",
    "[::]",
    "2130706433",
    "localhost:8181:8181",
    "user@localhost",
    "localhost/",
    "LOCALHOST.",
    "",
    "127.1",
    "0x7f000001",
  ];
  for (const host of hosts) {
    const answer = await dialled(get(`Host: ${host}\r\n${AUTH}`));
    const { statuses, code } = read(answer);
    t.match({ statuses, code }, { statuses: [403], code: "ORIGIN_REFUSED" }, JSON.stringify(host));
    if (host !== "") t.notMatch(answer, host === "[::]" ? "[::]" : host, "it is not echoed");
  }
  for (const origin of ["http://localhost", "null", "https://evil.example", "file://", "http://127.0.0.1:8181"]) {
    t.match(
      read(await dialled(get(`${HOST}${AUTH}Origin: ${origin}\r\n`))),
      { statuses: [403], code: "ORIGIN_REFUSED" },
      origin,
    );
  }
  const forwarded = "X-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n";
  t.match(
    read(await dialled(get(`Host: evil.example\r\n${AUTH}${forwarded}`))),
    { statuses: [403] },
    "what a proxy says is no Host",
  );
  for (const host of ["localhost", "LOCALHOST:8181", "127.0.0.1", "[::1]:8181"]) {
    t.match(read(await dialled(get(`Host: ${host}\r\n${AUTH}`))), { statuses: [200] }, host);
  }
});

t.test("several requests on one connection are answered in order, the refused ones too", async (t) => {
  const keep = `${HOST}${AUTH}\r\n`;
  const line = [
    `GET /v1/runs HTTP/1.1\r\n${keep}`,
    `GET /v1/nowhere HTTP/1.1\r\n${keep}`,
    `POST /v1/runs HTTP/1.1\r\n${HOST}${WRITER}${JSON_TYPE}Content-Length: ${RUN.length}\r\n\r\n${RUN}`,
    `POST /v1/runs HTTP/1.1\r\n${HOST}${AUTH}${JSON_TYPE}Content-Length: ${RUN.length}\r\n\r\n${RUN}`,
    `GET /healthz HTTP/1.1\r\n${HOST}${END}`,
  ];
  t.same(read(await dialled(line.join(""))).statuses, [200, 404, 201, 403, 200]);
});

t.test("a request hidden in a refused one's body is not taken for a request", async (t) => {
  const hidden = `GET /v1/runs HTTP/1.1\r\n${HOST}${AUTH}\r\n`;
  const cases = [
    `POST /v1/nowhere HTTP/1.1\r\n${HOST}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
    `POST /v1/runs HTTP/1.1\r\n${HOST}${JSON_TYPE}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
    `GET /v1/runs HTTP/1.1\r\n${HOST}${AUTH}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
  ];
  for (const bytes of cases) {
    const { statuses } = read(await dialled(`${bytes}GET /healthz HTTP/1.1\r\n${HOST}${END}`));
    t.ok(
      statuses.length <= 2 && (statuses[0] ?? 0) >= 400 && [undefined, 200].includes(statuses[1]),
      bytes.slice(0, 40),
    );
  }
});

t.test("a client that waits for 100 gets it once its request was let in, else the refusal alone", async (t) => {
  const expect = (key: string) =>
    `POST /v1/runs HTTP/1.1\r\n${HOST}${key}${JSON_TYPE}Content-Length: ${RUN.length}\r\nExpect: 100-continue\r\n\r\n`;
  const socket = await http.dial();
  socket.write(expect(WRITER));
  t.match(await nextText(socket), /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  socket.write(RUN);
  t.match(await nextText(socket), /^HTTP\/1\.1 201 /);
  socket.destroy();
  const refused = await dialled(expect(AUTH));
  t.match(read(refused), { statuses: [403], code: "FORBIDDEN" });
  t.match(refused, /^connection: close\r$/m, "what it may still send is not read as a request");
});

async function nextText(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString();
}

t.test("clients that dawdle are cut off, and nobody else waits for them", async (t) => {
  const slow = await makeOverHttp({ settings: settingsOf({ STEPGATE_REQUEST_TIMEOUT_MS: "1000" }) });
  t.teardown(slow.close);
  const starts = [
    "",
    "GET /v1/ru",
    `GET /v1/runs HTTP/1.1\r\n${HOST}X: `,
    `POST /v1/runs HTTP/1.1\r\n${HOST}${WRITER}${JSON_TYPE}Content-Length: 100\r\n\r\n{`,
    `POST /v1/runs HTTP/1.1\r\n${HOST}${WRITER}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`,
  ];
  const dawdlers = await Promise.all(
    starts
      .flatMap((start) => Array.from({ length: 8 }, () => start))
      .map(async (start) => {
        const socket = await slow.dial();
        socket.on("error", () => undefined);
        socket.write(start);
        // a byte now and then, as long as somebody listens
        const drip = setInterval(() => socket.writable && !/^$|chunked/.test(start) && socket.write("x"), 100);
        const answer = await text(socket).finally(() => clearInterval(drip));
        return { start, answer };
      })
      .concat(
        Array.from({ length: 20 }, async () => {
          t.equal((await slow.get({ path: "/v1/runs" })).status, 200, "another client is served meanwhile");
          return { start: "other", answer: "" };
        }),
      ),
  );
  for (const { start, answer } of dawdlers) {
    if (start === "other") continue;
    t.match(read(answer), { statuses: [408], code: "REQUEST_TIMEOUT" }, JSON.stringify(start.slice(0, 40)));
  }
});

t.test("idle connections are as many as the setting says, and further ones are closed at once", async (t) => {
  const few = await makeOverHttp({ settings: settingsOf({ STEPGATE_MAX_CONNECTIONS: "8" }) });
  t.teardown(few.close);
  const held = await Promise.all(Array.from({ length: 8 }, () => few.dial()));
  // one answer on each: then the server has them all
  for (const socket of held) {
    socket.write(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`);
    t.match(await nextText(socket), /^HTTP\/1\.1 200 /);
  }
  const further = await few.dial();
  further.on("error", () => undefined);
  t.equal(await text(further), "", "closed without an answer");
  const [one] = held;
  one?.write(`GET /v1/runs HTTP/1.1\r\n${HOST}${AUTH}\r\n`);
  t.match(one === undefined ? "" : await nextText(one), /^HTTP\/1\.1 200 /, "those that are in are served");
  for (const socket of held) socket.destroy();
});

t.test("bytes after a stream's request do not get into the stream", async (t) => {
  const socket = await http.dial();
  socket.on("error", () => undefined);
  socket.write(`GET /v1/runs/${RUN_ID}/events HTTP/1.1\r\n${HOST}${AUTH}\r\n`);
  const head = await nextText(socket);
  t.match(head, /text\/event-stream/);
  socket.write("\0nonsense\r\n\r\n");
  t.notMatch(await text(socket), "HTTP/1.1 400", "the connection ends instead");
});
