/** http: the contract, what is refused before anything is sent, what an answer means. */
import { gzipSync } from "node:zlib";
import t from "tap";
import type { JsonObject } from "../../../src/core/json.ts";
import type { GuardedTransport } from "../../../src/executors/http/guard.ts";
import { makeHttpAdapter } from "../../../src/executors/http/http-adapter.ts";
import { testHttpGuard } from "../../../src/executors/http/self-test.ts";
import { NOW_SEC } from "../../capability/issuer.ts";
import { executorContract } from "../../contract/executor.ts";
import { adapterDeps, callOf, never, stepSpec } from "../call.ts";
import { ask, httpAdapter, localSettings, startServer } from "./local-server.ts";

t.test("http keeps the contract", async (t) => {
  const { hostPort, requests } = await startServer(t);
  await executorContract(t, {
    make: async () => httpAdapter(),
    inputs: { method: "POST", url: `http://${hostPort}/sink`, body: { a: 1 } },
    settings: localSettings([hostPort]),
    otherInputs: { method: "POST", url: `http://${hostPort}/sink`, body: { a: 2 } },
    badInputs: [
      {},
      { method: "GET" },
      { method: "get", url: `http://${hostPort}/` },
      { method: "TRACE", url: `http://${hostPort}/` },
      { method: "GET", url: "/relative" },
      { method: "GET", url: `http://${hostPort}/`, unknown: 1 },
      { method: "GET", url: `http://${hostPort}/`, body: "x" },
      { method: "GET", url: `http://${hostPort}/`, headers: { Host: "other" } },
      { method: "GET", url: `http://${hostPort}/`, headers: { "Transfer-Encoding": "chunked" } },
      { method: "GET", url: `http://${hostPort}/`, headers: { "Proxy-Authorization": "x" } },
      { method: "GET", url: `http://${hostPort}/`, headers: { "x-a": "1\r\nx-b: 2" } },
      { method: "GET", url: `http://${hostPort}/`, headers: { "x-a": "1", "X-A": "2" } },
      { method: "GET", url: `http://${hostPort}/`, headers: { "bad name": "1" } },
    ],
    effects: () => requests.length,
  });
});

t.test("A18 asks the token for the host, and refuses by name what the settings do not list", async (t) => {
  const { hostPort, connections } = await startServer(t);
  const adapter = await httpAdapter();
  const inputs = { method: "GET", url: `http://${hostPort}/` };
  const spec = stepSpec("http", inputs);
  t.same(adapter.scope(spec, localSettings([hostPort])).egress, [hostPort]);
  t.same(
    adapter.scope(stepSpec("http", { method: "GET", url: "https://API.example.com/x" }), { hosts: ["api.example.com"] })
      .egress,
    ["api.example.com:443"],
  );
  const wanted = { minimum: "none", weakerAllowed: false } as const;
  const refusals: readonly (readonly [JsonObject, JsonObject, string])[] = [
    [inputs, adapter.defaultSettings, "host_not_allowed"],
    [inputs, { hosts: ["127.0.0.1"] }, "host_not_allowed"],
    [{ ...inputs, method: "DELETE" }, { hosts: [hostPort], methods: ["GET"] }, "method_not_allowed"],
    [{ ...inputs, url: `http://user@${hostPort}/` }, localSettings([hostPort]), "url_names_user"],
    [{ ...inputs, url: `ftp://${hostPort}/` }, localSettings([hostPort]), "scheme_not_allowed"],
    [{ ...inputs, url: "file:///etc/passwd" }, localSettings([hostPort]), "scheme_not_allowed"],
  ];
  for (const [asked, settings, reason] of refusals) {
    const check = adapter.check(stepSpec("http", asked), settings, wanted);
    t.match(check, { ok: false, kind: "capability_denied" }, reason);
    t.ok(!check.ok && check.reasons.includes(reason), reason);
    t.same(adapter.scope(stepSpec("http", asked), settings).egress, [], "and it is in no scope");
    t.match(await ask(adapter, asked, { settings }), { ok: false }, `${reason}, when executed anyway`);
  }
  const narrowed = callOf(adapter, { inputs, settings: localSettings([hostPort]), minted: { egress: ["a.example"] } });
  t.match(await adapter.execute(narrowed, never), { ok: false, kind: "capability_denied", code: "egress" });
  t.equal(connections(), 0);
});

t.test("answers with status, headers and JSON or text, whatever the status below 500", async (t) => {
  const answers: Readonly<Record<string, readonly [number, Record<string, string>, string | Buffer]>> = {
    "/json": [200, {}, '{"a":[1]}'],
    "/problem": [404, { "content-type": "application/problem+json" }, '{"title":"none"}'],
    "/text": [
      201,
      { "content-type": "text/plain; charset=UTF-8", "set-cookie": "s=1", "x-count": "3" },
      "gr\u00fc\u00dfe",
    ],
    "/packed": [200, { "content-type": "text/plain", "content-encoding": "gzip" }, gzipSync("unpacked")],
    "/empty": [204, {}, ""],
    "/nothing": [200, { "content-type": "" }, ""],
    "/unchanged": [304, { etag: "x" }, ""],
  };
  const { hostPort, requests } = await startServer(t, (request, response) => {
    const [status, headers, body] = answers[request.url ?? ""] ?? [500, {}, ""];
    for (const [name, value] of Object.entries(headers))
      value === "" ? response.removeHeader(name) : response.setHeader(name, value);
    response.writeHead(status).end(body);
  });
  const adapter = await httpAdapter();
  const get = (path: string, more: JsonObject = {}) =>
    ask(adapter, { method: "GET", url: `http://${hostPort}${path}`, ...more }, { settings: localSettings([hostPort]) });
  t.match(await get("/json"), {
    ok: true,
    output: { status: 200, json: { a: [1] }, headers: { "content-type": "application/json" } },
  });
  t.match(await get("/problem"), { ok: true, output: { status: 404, json: { title: "none" } } });
  const text = await get("/text", { headers: { Accept: "text/plain" } });
  t.match(text, {
    ok: true,
    output: { status: 201, body: "gr\u00fc\u00dfe", headers: { "x-count": "3" } },
    usage: { tokens: 0, usdMicros: 0 },
  });
  t.notMatch(text, { output: { headers: { "set-cookie": /./ } } }, "a session is no output");
  t.match(requests.at(-1)?.headers, { accept: "text/plain", "accept-encoding": "gzip, br", "user-agent": "stepgate" });
  t.match(await get("/packed"), { output: { body: "unpacked" } });
  for (const path of ["/empty", "/nothing", "/unchanged"])
    t.match(await get(path), { ok: true, output: { body: "" } }, path);
  t.match(
    await ask(adapter, { method: "HEAD", url: `http://${hostPort}/packed` }, { settings: localSettings([hostPort]) }),
    { ok: true, output: { status: 200, body: "" } },
  );
});

t.test("sends a text as it is and anything else as canonical JSON", async (t) => {
  const { hostPort, requests } = await startServer(t);
  const adapter = await httpAdapter();
  const post = (more: JsonObject) =>
    ask(adapter, { method: "POST", url: `http://${hostPort}/`, ...more }, { settings: localSettings([hostPort]) });
  await post({ body: '{"b": 1}' });
  t.match(requests.at(-1), { body: '{"b": 1}', headers: { "content-type": "text/plain; charset=utf-8" } });
  await post({ body: { b: 1, a: null } });
  t.match(requests.at(-1), { body: '{"a":null,"b":1}', headers: { "content-type": "application/json" } });
  await post({ body: "<a/>", headers: { "Content-Type": "application/xml" } });
  t.match(requests.at(-1), { body: "<a/>", headers: { "content-type": "application/xml" } });
});

t.test("fails, to be tried again, where the host says that it cannot now", async (t) => {
  const { hostPort } = await startServer(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    response.writeHead(status, { "retry-after": "7" }).end('{"why":"busy"}');
  });
  const adapter = await httpAdapter();
  for (const status of [429, 500, 503]) {
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}/${status}` },
      { settings: localSettings([hostPort]) },
    );
    t.match(result, {
      ok: false,
      kind: "execution_error",
      code: "http_status",
      retryable: true,
      retryAfterMs: 7000,
      details: { status, json: { why: "busy" } },
    });
  }
  const gone = await ask(
    adapter,
    { method: "GET", url: "http://127.0.0.1:9/" },
    { settings: localSettings(["127.0.0.1:9"]) },
  );
  t.match(gone, { ok: false, code: "connection_failed", retryable: true });
  const unnamed = await ask(
    adapter,
    { method: "GET", url: "https://nowhere.example/" },
    { settings: { hosts: ["nowhere.example"] } },
  );
  t.match(unnamed, { ok: false, code: "connection_failed", retryable: true });
});

t.test("refuses content that is not what was agreed", async (t) => {
  const answers: Readonly<Record<string, readonly [Record<string, string>, string | Buffer, string]>> = {
    "/image": [{ "content-type": "image/png" }, "x", "content_type_refused"],
    "/untyped": [{ "content-type": "" }, "x", "content_type_refused"],
    "/twice": [{}, '{"a":1,"a":2}', "output_not_json"],
    "/latin": [{ "content-type": "text/plain; charset=iso-8859-1" }, "x", "output_not_text"],
    "/bytes": [{ "content-type": "text/plain" }, Buffer.from([0x61, 0xff]), "output_not_text"],
    "/zero": [{ "content-type": "text/plain" }, "a\u0000b", "output_not_text"],
  };
  const { hostPort } = await startServer(t, (request, response) => {
    const [headers, body] = answers[request.url ?? ""] ?? [{}, ""];
    for (const [name, value] of Object.entries(headers))
      value === "" ? response.removeHeader(name) : response.setHeader(name, value);
    response.end(body);
  });
  const adapter = await httpAdapter();
  for (const [path, [, , code]] of Object.entries(answers)) {
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}${path}` },
      { settings: localSettings([hostPort]) },
    );
    t.match(result, { ok: false, kind: "execution_error", code, retryable: false, details: { status: 200 } }, path);
  }
});

t.test("shows by its self-test that the guard stands, with a control", async (t) => {
  const adapter = await httpAdapter();
  const report = await adapter.selfTest();
  t.match(report, {
    level: "none",
    checks: [
      { held: true, detail: "egress_refused" },
      { held: true, detail: "status 200" },
      { held: true, detail: "egress_refused" },
    ],
  });
});

t.test(
  "E5 a guard that lets through what it must not, or whose control fails, or that breaks down: no step is sent",
  async (t) => {
    const { hostPort, requests } = await startServer(t);
    const reached: GuardedTransport["request"] = async () => ({
      ok: true,
      response: { status: 200, headers: {}, body: Buffer.from("reached") },
    });
    const refused: GuardedTransport["request"] = async () => ({ ok: false, fault: "egress_refused" });
    const close = async () => undefined;
    const resolve = async () => [];
    const broken = {
      "lets everything through": () => testHttpGuard({ resolve, openTransport: () => ({ request: reached, close }) }),
      "refuses everything, the control too": () =>
        testHttpGuard({ resolve, openTransport: () => ({ request: refused, close }) }),
      "breaks down": () => Promise.reject(new Error("no socket")),
      "shows nothing": async () => ({ level: "none" as const, checks: [], advice: undefined }),
    };
    for (const [why, proveGuard] of Object.entries(broken)) {
      const adapter = makeHttpAdapter({
        ...adapterDeps(),
        resolve,
        forbiddenAddresses: () => [],
        clock: { nowMs: () => NOW_SEC * 1000 },
        proveGuard,
      });
      const settings = localSettings([hostPort]);
      const inputs = { method: "GET", url: `http://${hostPort}/` };
      const check = () => adapter.check(stepSpec("http", inputs), settings, { minimum: "none", weakerAllowed: true });
      t.match(
        check(),
        { ok: false, kind: "sandbox_unavailable", reasons: ["guard_unproved"] },
        `${why}: before any test`,
      );
      await adapter.selfTest().catch(() => undefined);
      t.match(check(), { ok: false, kind: "sandbox_unavailable", reasons: ["guard_unproved"] }, why);
      t.match(
        await ask(adapter, inputs, { settings }),
        { ok: false, code: "guard_unproved" },
        `${why}: nor is it sent`,
      );
    }
    t.equal(requests.length, 0);
  },
);
