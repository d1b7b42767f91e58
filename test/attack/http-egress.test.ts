/** Attacks on the HTTP transport: forged hosts, rebinding, redirects, private hosts that are ours, bombs and drips. */
import { once } from "node:events";
import { createServer } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import { Agent, request } from "undici";
import type { JsonObject } from "../../src/core/json.ts";
import { hostPortOf, hostPortText } from "../../src/executors/http/host-port.ts";
import { ask, httpAdapter, localSettings, startServer } from "../executors/http/local-server.ts";
import { ATTACKER_NAMES, SPELLINGS } from "./ssrf-spellings.ts";

const LEAST_SPELLINGS = 36;
/** How many of the spellings reach the victim where nothing guards it; without IPv6 a few less than here. */
const LEAST_CONTROLS = 18;
const MIB = 1_048_576;

t.test("reaches nothing by any spelling, although each is on the allow-list by name", async (t) => {
  const victim = await startServer(t, undefined, "127.0.0.1");
  const adapter = await httpAdapter({ names: ATTACKER_NAMES });
  t.ok(SPELLINGS.length >= LEAST_SPELLINGS, `${SPELLINGS.length} spellings`);
  for (const spelling of SPELLINGS) {
    const url = spelling.replace("%PORT%", String(victim.port));
    const listed = URL.canParse(url) ? [hostPortText(hostPortOf(new URL(url)))] : [];
    const result = await ask(adapter, { method: "GET", url }, { settings: { hosts: listed, timeout_ms: 2000 } });
    t.match(
      result,
      { ok: false, kind: "execution_error", code: /^(egress_refused|url_malformed)$/, retryable: false },
      url,
    );
  }
  t.equal(victim.connections(), 0);
});

t.test("the control: without the guard the same spellings reach it", async (t) => {
  const victim = await startServer(t, undefined, "127.0.0.1");
  const agent = new Agent({
    connect: {
      timeout: 300,
      lookup: (name, options, callback) => {
        const [address = "127.0.0.1"] = (ATTACKER_NAMES[name.replace(/\.$/, "")] ?? []).filter(
          (each) => each.startsWith("127.") || each === "0.0.0.0",
        );
        options.all === true ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4);
      },
    },
  });
  t.teardown(() => agent.destroy());
  let reached = 0;
  for (const spelling of SPELLINGS.filter((url) => !/\/\/(10\.|172|192|100\.|16[89]|198|22|25|\[f|\[2001)/.test(url))) {
    const url = spelling.replace("%PORT%", String(victim.port));
    const answer = await request(url, { dispatcher: agent }).catch(() => undefined);
    if (answer !== undefined) reached += 1;
    await answer?.body.dump();
  }
  t.ok(reached >= LEAST_CONTROLS, `${reached} reached it`);
});

t.test("resolves once and connects to that: a name that changes its mind gets nowhere", async (t) => {
  const inner = await startServer(t);
  const answers = [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]];
  let asked = 0;
  const adapter = await httpAdapter({ names: { "rebind.example": () => answers[asked++] ?? [] } });
  const hostPort = `rebind.example:${inner.port}`;
  const get = (settings: JsonObject) => ask(adapter, { method: "GET", url: `http://${hostPort}/` }, { settings });
  t.match(await get(localSettings([hostPort])), { ok: true });
  t.equal(asked, 1);
  t.match(
    await get({ hosts: [hostPort] }),
    { ok: false, code: "egress_refused" },
    "a kept connection of other settings does not serve",
  );
  t.equal(asked, 2);
  t.match(await get({ hosts: [hostPort] }), { ok: false, code: "egress_refused" });
  t.equal(inner.requests.length, 1);
});

t.test("lets no private entry reach metadata, our own listeners or the database", async (t) => {
  const own = await startServer(t);
  const spellings = [
    `127.0.0.1:${own.port}`,
    `localhost:${own.port}`,
    `[::ffff:7f00:1]:${own.port}`,
    `db.example:${own.port}`,
  ];
  const names = { localhost: ["127.0.0.1"], "db.example": ["127.0.0.1"], "meta.example": ["169.254.169.254"] };
  for (const address of ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"]) {
    const adapter = await httpAdapter({ names, forbidden: [{ address, port: own.port }] });
    for (const hostPort of spellings) {
      const result = await ask(
        adapter,
        { method: "GET", url: `http://${hostPort}/` },
        { settings: localSettings([hostPort]) },
      );
      t.match(result, { ok: false, code: "egress_refused" }, `${hostPort} while ${address} is ours`);
    }
  }
  const adapter = await httpAdapter({ names, forbidden: [{ address: "127.0.0.1", port: own.port + 1 }] });
  for (const hostPort of [
    "169.254.169.254:80",
    "meta.example:80",
    "[fd00:ec2::254]:80",
    "100.100.100.200:80",
    "0.0.0.0:80",
  ]) {
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}/latest/meta-data` },
      { settings: localSettings([hostPort]) },
    );
    t.match(result, { ok: false, code: "egress_refused" }, hostPort);
  }
  t.equal(own.connections(), 0);
  const control = await ask(
    adapter,
    { method: "GET", url: `http://127.0.0.1:${own.port}/` },
    { settings: localSettings([`127.0.0.1:${own.port}`]) },
  );
  t.match(control, { ok: true }, "the control: another port of this machine, allowed by name");
});

t.test("follows no redirect to where the first request could not go", async (t) => {
  const victim = await startServer(t);
  const other = await startServer(t);
  const targets: Readonly<Record<string, string>> = {
    "/victim": `http://${victim.hostPort}/`,
    "/metadata": "http://169.254.169.254/latest/meta-data",
    "/file": "file:///etc/passwd",
    "/user": `http://user:password@${other.hostPort}/`,
    "/loop": "/loop",
    "/other": `http://${other.hostPort}/`,
    "/here": "/final",
  };
  const first = await startServer(t, (request, response) => {
    const location = targets[request.url ?? ""];
    location === undefined ? response.end("{}") : response.writeHead(302, { location }).end("elsewhere");
  });
  const adapter = await httpAdapter();
  const settings = localSettings([first.hostPort, other.hostPort]);
  const get = (path: string, egress?: readonly string[]) =>
    ask(
      adapter,
      {
        method: "GET",
        url: `http://${first.hostPort}${path}`,
        headers: { Authorization: "Bearer x", "X-Api-Key": "k", Accept: "*/*" },
      },
      { settings, ...(egress === undefined ? {} : { minted: { egress } }) },
    );
  for (const path of ["/victim", "/metadata", "/file", "/user"])
    t.match(await get(path, ["127.0.0.1", "169.254.169.254"]), { ok: false, code: "egress_refused" }, path);
  t.match(
    await get("/other"),
    { ok: false, code: "egress_refused" },
    "listed in the settings, but not granted by the token",
  );
  t.match(await get("/loop"), { ok: false, code: "too_many_redirects" });
  t.equal(first.requests.filter(({ url }) => url === "/loop").length, 4, "the first and three more");
  t.equal(victim.connections() + other.connections(), 0);
  t.match(await get("/here"), { ok: true, output: { status: 200 } }, "the control: within the host");
  t.match(first.requests.at(-1)?.headers, { authorization: "Bearer x" });
  t.match(await get("/other", ["127.0.0.1"]), { ok: true }, "the control: to a host that token and settings allow");
  t.match(other.requests.at(-1)?.headers, { accept: "*/*", authorization: undefined, "x-api-key": undefined });
});

t.test("is not filled by bombs: packed, endless, lying", async (t) => {
  const gzipBomb = gzipSync(Buffer.alloc(200 * MIB));
  const brotliBomb = brotliCompressSync(Buffer.alloc(64 * MIB), { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } });
  const attacks: Readonly<
    Record<
      string,
      { readonly headers: Record<string, string>; readonly body: Buffer | "endless"; readonly code: RegExp }
    >
  > = {
    "/gzip": { headers: { "content-encoding": "gzip" }, body: gzipBomb, code: /^response_too_large$/ },
    "/brotli": { headers: { "content-encoding": "br" }, body: brotliBomb, code: /^response_too_large$/ },
    "/twice": { headers: { "content-encoding": "gzip, gzip" }, body: gzipSync(gzipBomb), code: /^encoding_refused$/ },
    "/deflate": { headers: { "content-encoding": "deflate" }, body: Buffer.from("x"), code: /^encoding_refused$/ },
    "/not-gzip": { headers: { "content-encoding": "gzip" }, body: Buffer.from("plain"), code: /^response_malformed$/ },
    "/cut-gzip": {
      headers: { "content-encoding": "gzip" },
      body: gzipSync("whole").subarray(0, 12),
      code: /^response_malformed$/,
    },
    "/endless": { headers: {}, body: "endless", code: /^response_too_large$/ },
    "/large": { headers: {}, body: Buffer.alloc(MIB + 1, 0x20), code: /^response_too_large$/ },
  };
  const { hostPort } = await startServer(t, (request, response) => {
    const attack = attacks[request.url ?? ""];
    response.writeHead(200, { "content-type": "text/plain", ...attack?.headers });
    if (attack?.body !== "endless") return void response.end(attack?.body);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x79)));
    };
    response.on("drain", more);
    more();
  });
  const adapter = await httpAdapter();
  const before = process.memoryUsage().rss;
  for (const [path, { code }] of Object.entries(attacks)) {
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}${path}` },
      { settings: localSettings([hostPort], { max_bytes: MIB }) },
    );
    t.match(result, { ok: false, kind: "execution_error", code }, path);
  }
  t.ok(process.memoryUsage().rss - before < 64 * MIB, "and memory stays where it was");
  const exact = await ask(
    adapter,
    { method: "GET", url: `http://${hostPort}/not-gzip` },
    { settings: localSettings([hostPort]), limits: { calls: 1, bytes_out: 4 } },
  );
  t.match(exact, { ok: false, code: "response_too_large" }, "the token's own limit holds too");
});

/** A server that writes what it likes instead of HTTP. */
async function rawServer(
  t: Test,
  onRequest: (write: (text: string) => void, end: () => void) => void,
): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () =>
      onRequest(
        (text) => void socket.write(text),
        () => void socket.end(),
      ),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

t.test("ends what drips, lies about its length or is not HTTP", async (t) => {
  const drips: NodeJS.Timeout[] = [];
  t.teardown(() => drips.forEach(clearInterval));
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
  const attacks = [
    {
      why: "a byte now and then",
      answer: (write: (text: string) => void) => {
        write(`${head}content-length: 100000\r\n\r\n`);
        drips.push(setInterval(() => write("x"), 20));
      },
      code: /^timeout$/,
    },
    {
      why: "a header now and then",
      answer: (write: (text: string) => void) => {
        write(head);
        drips.push(setInterval(() => write("x-more: 1\r\n"), 20));
      },
      code: /^timeout$/,
    },
    { why: "nothing at all", answer: () => undefined, code: /^timeout$/ },
    {
      why: "64 kB in one header",
      answer: (write: (text: string) => void) => write(`${head}x-large: ${"x".repeat(65_536)}\r\n\r\n`),
      code: /^headers_too_large$/,
    },
    {
      why: "64 kB in many headers",
      answer: (write: (text: string) => void) => write(`${head}${"x-many: 1\r\n".repeat(6000)}\r\n`),
      code: /^headers_too_large$/,
    },
    {
      why: "less than it said",
      answer: (write: (text: string) => void, end: () => void) => {
        write(`${head}content-length: 10\r\n\r\nfour`);
        end();
      },
      code: /^(connection_failed|response_malformed)$/,
    },
    {
      why: "another protocol",
      answer: (write: (text: string) => void, end: () => void) => {
        write("SSH-2.0-OpenSSH_9.2\r\n");
        end();
      },
      code: /^(response_malformed|connection_failed)$/,
    },
    {
      why: "two lengths",
      answer: (write: (text: string) => void, end: () => void) => {
        write(`${head}content-length: 4\r\ncontent-length: 5\r\n\r\nfour`);
        end();
      },
      code: /^response_malformed$/,
    },
    {
      why: "an end before any answer",
      answer: (_write: unknown, end: () => void) => end(),
      code: /^connection_failed$/,
    },
  ];
  const adapter = await httpAdapter();
  for (const { why, answer, code } of attacks) {
    const hostPort = await rawServer(t, answer);
    const startedMs = performance.now();
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}/`, timeout_ms: 400 },
      { settings: localSettings([hostPort]) },
    );
    t.match(result, { ok: false, kind: "execution_error", code }, why);
    t.ok(performance.now() - startedMs < 3000, "and in time");
  }
  const plain = await startServer(t);
  t.match(
    await ask(
      adapter,
      { method: "GET", url: `https://${plain.hostPort}/` },
      { settings: localSettings([plain.hostPort]) },
    ),
    { ok: false, code: "connection_failed" },
    "TLS to a plain port",
  );
});

t.test("survives its own aborts, at any moment of an exchange", async (t) => {
  const { hostPort } = await startServer(t, (request, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    if (request.url === "/body") response.write("x".repeat(100_000));
  });
  const adapter = await httpAdapter();
  for (const path of ["/head", "/body"])
    for (const afterMs of [0, 1, 5, 20, 50]) {
      const abort = new AbortController();
      const running = ask(
        adapter,
        { method: "GET", url: `http://${hostPort}${path}` },
        { settings: localSettings([hostPort]), signal: abort.signal },
      );
      setTimeout(() => abort.abort(), afterMs);
      t.match(await running, { ok: false, kind: "cancelled", code: "aborted" }, `${path} after ${afterMs} ms`);
    }
});
