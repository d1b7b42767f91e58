/**
 * The metrics' own listener, as bytes on a socket: one route, every refusal a problem with its code, limits of its own.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { METRICS_LIMITS, type MetricsLimits, makeMetricsServer } from "../../src/gateway/metrics-server.ts";
import { makeFakes } from "./fakes.ts";
import { serverDeps } from "./harness.ts";

interface Dialled {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly code: unknown;
}

/** Listens, and returns a bare connection for each call. */
async function startMetrics(
  t: Test,
  limits: MetricsLimits = METRICS_LIMITS,
  metricsText: () => Promise<string> = async () => "# TYPE stepgate_decisions_total counter\n",
) {
  const lines: string[] = [];
  const fakes = makeFakes();
  const deps = serverDeps(fakes, lines);
  const ports = { health: { ...fakes.ports.health, metricsText } };
  const app = makeMetricsServer({ ...deps, ports }, limits);
  await app.listen({ host: "127.0.0.1", port: 0 });
  t.teardown(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const dial = async (): Promise<Socket> => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  const send = async (bytes: string): Promise<Dialled> => {
    const socket = await dial();
    socket.write(bytes);
    return read(await text(socket));
  };
  return { app, dial, send, lines };
}

function read(answer: string): Dialled {
  const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
  const isProblem = head.includes("content-type: application/problem+json");
  return {
    status: Number(/^HTTP\/1\.1 (\d\d\d) /.exec(head)?.[1]),
    head,
    body,
    code: isProblem ? (JSON.parse(body) as { code: unknown }).code : undefined,
  };
}

const END = "Host: a\r\nConnection: close\r\n\r\n";
const GET = `GET /metrics HTTP/1.1\r\n${END}`;

t.test("it serves metrics to whoever asks, and keeps them out of caches", async (t) => {
  const { send } = await startMetrics(t);
  const { status, head, body } = await send(GET);
  t.equal(status, 200);
  t.match(head, /^content-type: text\/plain; version=0\.0\.4; charset=utf-8$/m);
  t.match(head, /^cache-control: no-store$/m);
  t.match(head, /^x-content-type-options: nosniff$/m);
  t.equal(body, "# TYPE stepgate_decisions_total counter\n");
});

t.test("whatever else is asked is refused with a problem and its code", async (t) => {
  const { send, lines } = await startMetrics(t);
  const many = "A: b\r\n".repeat(300);
  const refusals: Readonly<Record<string, readonly [request: string, status: number, code: string]>> = {
    "another path": [`GET /v1/runs HTTP/1.1\r\n${END}`, 404, "NOT_FOUND"],
    "the API's probe": [`GET /healthz HTTP/1.1\r\n${END}`, 404, "NOT_FOUND"],
    "an encoded path": [`GET /%6detrics/ HTTP/1.1\r\n${END}`, 404, "NOT_FOUND"],
    "a path that cannot be read": [`GET /%ff HTTP/1.1\r\n${END}`, 404, "NOT_FOUND"],
    POST: [`POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n${END}`, 405, "METHOD_NOT_ALLOWED"],
    DELETE: [`DELETE /metrics HTTP/1.1\r\n${END}`, 405, "METHOD_NOT_ALLOWED"],
    CONNECT: [`CONNECT a:1 HTTP/1.1\r\n${END}`, 405, "METHOD_NOT_ALLOWED"],
    "a body": [`GET /metrics HTTP/1.1\r\nContent-Length: 2\r\n${END}{}`, 400, "REQUEST_MALFORMED"],
    "a body in chunks": [
      `GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${END}0\r\n\r\n`,
      400,
      "REQUEST_MALFORMED",
    ],
    "two hosts": [`GET /metrics HTTP/1.1\r\nHost: b\r\n${END}`, 400, "REQUEST_MALFORMED"],
    "an expectation": [`GET /metrics HTTP/1.1\r\nExpect: x\r\n${END}`, 400, "REQUEST_MALFORMED"],
    "no HTTP": [`\x16\x03\x01\r\n${END}`, 400, "REQUEST_MALFORMED"],
    "a long head": [`GET /metrics HTTP/1.1\r\nA: ${"b".repeat(9_000)}\r\n${END}`, 431, "HEADERS_TOO_LARGE"],
    "many headers": [`GET /metrics HTTP/1.1\r\n${many}${END}`, 431, "HEADERS_TOO_LARGE"],
  };
  for (const [why, [request, status, code]] of Object.entries(refusals)) {
    const answer = await send(request);
    t.match(answer, { status, code }, why);
    if (status === 405) t.match(answer.head, /^allow:/im, why);
  }
  t.equal(lines.filter((line) => line.includes("request failed")).length, 0, "none is a fault of ours");
});

t.test("a fault while they are collected is a problem without its cause, and the log has it", async (t) => {
  const { send, lines } = await startMetrics(t, METRICS_LIMITS, async () => {
    throw new TypeError("planted-cause");
  });
  const answer = await send(GET);
  t.match(answer, { status: 500, code: "INTERNAL" });
  t.notMatch(answer.body, "planted-cause");
  t.match(lines.join(""), "planted-cause");
});

t.test("a head that does not come is answered once its time is over", async (t) => {
  const { send } = await startMetrics(t, { ...METRICS_LIMITS, requestTimeoutMs: 100 });
  t.match(await send("GET /metrics HTTP/1.1\r\nHost:"), { status: 408, code: "REQUEST_TIMEOUT" });
});

t.test("connections beyond its limit are closed, and one that ends makes room", async (t) => {
  const { app, dial, send } = await startMetrics(t, { ...METRICS_LIMITS, maxConnections: 1 });
  const accepted = once(app.server, "connection");
  const first = await dial();
  const [held] = (await accepted) as [Socket];
  first.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(first, "data");
  const second = await dial();
  t.equal(await text(second), "", "closed without an answer");
  // the server's own end of it: that is what counts
  const closed = once(held, "close");
  first.end();
  await closed;
  t.equal((await send(GET)).status, 200);
});
