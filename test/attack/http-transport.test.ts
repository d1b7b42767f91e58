/** Attacks below HTTP's meaning: certificates, proxies of the environment, framing, injected lines, aborts in each phase. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createSecureContext, getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { ask, httpAdapter, localSettings, rawServer, startServer } from "../executors/http/local-server.ts";
import { early, expired, good, leafKey, root, selfSigned, stranger } from "./certificates.ts";

const LOOPBACK = ["127.0.0.1"];

/** One server with a certificate for each name it is asked by. */
async function startTls(t: Test): Promise<{ readonly port: number; readonly requests: () => number }> {
  const byName: Readonly<Record<string, string>> = {
    "expired.example": expired,
    "early.example": early,
    "stranger.example": stranger,
    "self.example": selfSigned,
  };
  const key = `-----BEGIN PRIVATE KEY-----\n${leafKey.toString("base64")}\n-----END PRIVATE KEY-----\n`;
  let requests = 0;
  const server = createHttpsServer(
    {
      key,
      cert: good,
      SNICallback: (name, callback) => callback(null, createSecureContext({ key, cert: byName[name] ?? good })),
    },
    (request, response) => {
      requests += 1;
      if (request.url === "/down") response.writeHead(302, { location: `http://${request.headers.host}/` }).end();
      else response.setHeader("content-type", "application/json").end("{}");
    },
  );
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, requests: () => requests };
}

t.test("sends nothing to a host whose certificate does not verify, whatever our environment says", async (t) => {
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, root]);
  t.teardown(() => {
    setDefaultCACertificates(trusted);
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  });
  const { port, requests } = await startTls(t);
  const names = ["good", "down", "expired", "early", "stranger", "self", "other"].map((name) => `${name}.example`);
  const hosts = names.map((name) => `${name}:${port}`);
  const adapter = httpAdapter({ names: Object.fromEntries(names.map((name) => [name, LOOPBACK])) });
  const get = (host: string, path = "/") =>
    ask(adapter, { method: "GET", url: `https://${host}.example:${port}${path}` }, { settings: localSettings(hosts) });
  t.match(await get("good"), { ok: true }, "the control");
  t.match(await get("down", "/down"), { ok: false, code: "redirect_refused", retryable: false }, "from https to http");
  for (const environment of [undefined, "0"]) {
    if (environment !== undefined) process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = environment;
    for (const name of ["expired", "early", "stranger", "self", "other"])
      t.match(await get(name), { ok: false, code: "certificate_refused", retryable: false }, name);
  }
  t.equal(requests(), 2);
});

t.test("goes around no proxy that the environment names", async (t) => {
  const target = await startServer(t);
  let proxied = 0;
  const proxy = await rawServer(t, (write, end) => {
    proxied += 1;
    write("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    end();
  });
  const environment = Object.fromEntries(
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].map((name) => [
      name,
      `http://${proxy}`,
    ]),
  );
  const script = join(import.meta.dirname, "behind-proxy.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, target.hostPort], {
    env: { ...process.env, ...environment, NODE_USE_ENV_PROXY: "1", NO_PROXY: "", no_proxy: "" },
  });
  t.same(JSON.parse(stdout), { guarded: true });
  t.equal(target.requests.length, 1, "ours came straight");
  t.ok(proxied > 0, "the control: fetch of the same process went through the proxy");
});

t.test("takes nothing that a host frames to be read in two ways", async (t) => {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
  const drips: NodeJS.Timeout[] = [];
  t.teardown(() => drips.forEach(clearInterval));
  const dripped = (first: string, again: string) => (write: (text: string) => void) => {
    write(first);
    drips.push(setInterval(() => write(again), 10));
  };
  const attacks: readonly {
    readonly why: string;
    readonly answer: (write: (text: string) => void) => void;
    readonly code: RegExp;
  }[] = [
    {
      why: "a length and chunks",
      answer: (write) => write(`${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n`),
      code: /^response_malformed$/,
    },
    {
      why: "a length that is no number",
      answer: (write) => write(`${head}content-length: +4\r\n\r\nfour`),
      code: /^response_malformed$/,
    },
    {
      why: "a chunk's length that is no number",
      answer: (write) => write(`${head}transfer-encoding: chunked\r\n\r\n0x4\r\nfour\r\n0\r\n\r\n`),
      code: /^response_malformed$/,
    },
    {
      why: "U+0000 in a header",
      answer: (write) => write(`${head}x-a: b\0c\r\ncontent-length: 0\r\n\r\n`),
      code: /^response_malformed$/,
    },
    {
      why: "a header with a blank before its colon",
      answer: (write) => write(`${head}content-length : 4\r\n\r\nfour`),
      code: /^response_malformed$/,
    },
    {
      why: "another protocol that was not asked for",
      answer: (write) => write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      code: /^(connection_failed|response_malformed)$/,
    },
    {
      why: "announcements without an end",
      answer: dripped("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"),
      code: /^timeout$/,
    },
    {
      why: "a chunk's extension without an end",
      answer: dripped(`${head}transfer-encoding: chunked\r\n\r\n4;x=`, "x".repeat(1024)),
      code: /^(timeout|response_malformed)$/,
    },
    {
      why: "64 kB of trailers",
      answer: (write) =>
        write(`${head}transfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n${"x-many: 1\r\n".repeat(6000)}\r\n`),
      code: /^headers_too_large$/,
    },
  ];
  const adapter = httpAdapter();
  for (const { why, answer, code } of attacks) {
    const hostPort = await rawServer(t, answer);
    const inputs = { method: "GET", url: `http://${hostPort}/`, timeout_ms: 500 };
    const result = await ask(adapter, inputs, { settings: localSettings([hostPort]) });
    t.match(result, { ok: false, kind: "execution_error", code }, why);
  }
});

t.test("gives no request the answer that a host sent before it was asked", async (t) => {
  const answer = (body: string) =>
    `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const hostPort = await rawServer(t, (write) => write(`${answer("asked")}${answer("forged")}`));
  const adapter = httpAdapter();
  for (const why of ["the first", "the second"])
    t.match(
      await ask(adapter, { method: "GET", url: `http://${hostPort}/` }, { settings: localSettings([hostPort]) }),
      { ok: true, output: { body: "asked" } },
      why,
    );
});

t.test("writes no line into a request that its step did not spell as one value", async (t) => {
  const { hostPort, requests } = await startServer(t);
  const adapter = httpAdapter();
  const settings = localSettings([hostPort]);
  const lines = ["\r\nx-injected: 1", "\nx-injected: 1", "\rx-injected: 1", "%0d%0ax-injected: 1", "\u010a\u010dx"];
  for (const text of lines) {
    const url = `http://${hostPort}/a${text}?q=${text}#${text}`;
    await ask(adapter, { method: "GET", url, headers: { "x-own": "1" } }, { settings });
    const refused = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}/`, headers: { "x-own": text } },
      { settings },
    );
    if (text.startsWith("%")) t.match(refused, { ok: true }, "a percent sign is a value like any other");
    else t.match(refused, { ok: false, code: "inputs_malformed" }, JSON.stringify(text));
    t.match(
      await ask(adapter, { method: `GET ${text}`, url: `http://${hostPort}/` }, { settings }),
      { ok: false, code: "inputs_malformed" },
      "a method is one of a list",
    );
  }
  for (const name of [
    "Host",
    "HOST",
    "host",
    ":authority",
    "Content-Length",
    "Connection",
    "X-Forwarded-Host",
    "x own",
  ])
    t.match(
      await ask(
        adapter,
        { method: "GET", url: `http://${hostPort}/`, headers: { [name]: "other.example" } },
        { settings },
      ),
      { ok: false, code: /^(header_refused|inputs_malformed)$/ },
      name,
    );
  t.ok(requests.length >= lines.length, "the control: requests were sent");
  for (const { headers } of requests) {
    t.equal(headers["x-injected"], undefined);
    t.equal(headers.host, hostPort);
  }
});

t.test("leaves no socket open when it is stopped, in whichever phase", async (t) => {
  const sockets = new Set<Socket>();
  const answers = new Map<string, string>([
    ["headers", ""],
    ["body", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nfour"],
    ["redirect", "HTTP/1.1 302 Found\r\nlocation: /headers\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
  ]);
  let onPhase = (): void => undefined;
  let onClosed = (): void => undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      sockets.delete(socket);
      onClosed();
    });
    socket.on("data", (bytes) => {
      const phase = /^GET \/(\w+)/.exec(bytes.toString("latin1"))?.[1] ?? "handshake";
      socket.write(answers.get(phase) ?? "");
      if (phase !== "redirect") onPhase();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const address = server.address();
  const hostPort = `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  const stop = async (url: string, reason: unknown) => {
    const abort = new AbortController();
    const reached = new Promise<void>((resolve) => {
      onPhase = resolve;
    });
    const running = ask(
      httpAdapter(),
      { method: "GET", url },
      { settings: localSettings([hostPort], { timeout_ms: 60_000 }), signal: abort.signal },
    );
    await reached;
    abort.abort(reason);
    return running;
  };
  const before = readdirSync("/proc/self/fd").length;
  const reasons = { deadline_exceeded: new DOMException("late", "TimeoutError"), cancelled: undefined } as const;
  for (const [kind, reason] of Object.entries(reasons))
    for (const phase of ["headers", "body", "redirect"]) {
      t.match(await stop(`http://${hostPort}/${phase}`, reason), { ok: false, kind }, phase);
      while (sockets.size > 0)
        await new Promise<void>((resolve) => {
          onClosed = resolve;
        });
      t.equal(sockets.size, 0, `${kind} in ${phase}`);
    }
  t.ok(readdirSync("/proc/self/fd").length <= before, "and no descriptor is left");
  // the connection itself ends with the five seconds that it may take; the step does not wait for it
  t.match(
    await stop(`https://${hostPort}/`, undefined),
    { ok: false, kind: "cancelled" },
    "a handshake without an answer",
  );
  t.equal(sockets.size, 1, "the control: it was still being made");
  for (const socket of sockets) socket.destroy();
});

t.test("asks nobody once it was stopped while a name was looked up", async (t) => {
  const server = await startServer(t);
  let isAsked = (): void => undefined;
  let answer = (_: readonly string[]): void => undefined;
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  const adapter = httpAdapter({
    names: {
      "slow.example": () => {
        isAsked();
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    },
  });
  const abort = new AbortController();
  const hostPort = `slow.example:${server.port}`;
  const inputs = { method: "GET", url: `http://${hostPort}/` };
  const running = ask(adapter, inputs, { settings: localSettings([hostPort]), signal: abort.signal });
  await asked;
  abort.abort();
  t.match(await running, { ok: false, kind: "cancelled" }, "it does not wait for the name");
  answer(LOOPBACK);
  const other = `127.0.0.1:${server.port}`;
  t.match(await ask(adapter, { method: "GET", url: `http://${other}/` }, { settings: localSettings([other]) }), {
    ok: true,
  });
  t.equal(server.requests.length, 1, "only the later request arrived");
});
