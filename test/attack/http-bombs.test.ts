/** Attacks on who waits for an answer: bombs, lies about length and packing, drips, aborts at any moment. */
import { once } from "node:events";
import { createServer } from "node:net";
import { brotliCompressSync, brotliDecompressSync, constants, gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { ask, httpAdapter, localSettings, startServer } from "../executors/http/local-server.ts";

const MIB = 1_048_576;

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
    "/members": {
      headers: { "content-encoding": "gzip" },
      // each within the bound
      body: Buffer.concat(Array(32).fill(gzipSync(Buffer.alloc(MIB / 16)))),
      code: /^response_too_large$/,
    },
    "/packed-over": {
      headers: { "content-encoding": "gzip" },
      body: gzipSync(Buffer.alloc(MIB + 1, 0x20)),
      code: /^response_too_large$/,
    },
    "/large": { headers: {}, body: Buffer.alloc(MIB + 1, 0x20), code: /^response_too_large$/ },
  };
  const controls: typeof attacks = {
    "/whole": { headers: {}, body: Buffer.alloc(MIB, 0x20), code: /^$/ },
    "/packed-whole": {
      headers: { "content-encoding": "gzip" },
      body: gzipSync(Buffer.alloc(MIB, 0x20)),
      code: /^$/,
    },
  };
  const { hostPort } = await startServer(t, (request, response) => {
    const attack = { ...attacks, ...controls }[request.url ?? ""];
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
  for (const path of Object.keys(controls)) {
    const result = await ask(
      adapter,
      { method: "GET", url: `http://${hostPort}${path}` },
      { settings: localSettings([hostPort], { max_bytes: MIB }) },
    );
    t.match(result, { ok: true }, `the control: exactly as much as may be, ${path}`);
    t.equal(result.ok && String((result.output as JsonObject)["body"]).length, MIB);
  }
  t.equal(brotliDecompressSync(brotliBomb).length, 64 * MIB, "the control: a bomb is one where nothing bounds it");
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
