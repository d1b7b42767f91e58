/** Attacks on webhooks: forged hosts, rebinding, redirects, metadata, our own listeners, answers that never end. */
import type { ServerResponse } from "node:http";
import { createRequire } from "node:module";
import t from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import { hostPortOf, hostPortText } from "../../src/executors/http/host-port.ts";
import { makeTransports } from "../../src/executors/http/transports.ts";
import type { ApprovedHosts } from "../../src/sinks/approved-hosts.ts";
import { makeSendWebhook } from "../../src/sinks/send-webhook.ts";
import { startServer } from "../executors/http/local-server.ts";
import { ATTACKER_NAMES, SPELLINGS } from "./ssrf-spellings.ts";

const tenantUid = "00000000-0000-7000-8000-000000000001" as TenantUid;

interface World {
  readonly names?: Readonly<Record<string, readonly string[] | (() => readonly string[])>>;
  readonly forbidden?: readonly { readonly address: string; readonly port: number }[];
  readonly timeoutMs?: number;
}

/** Sends one message to a URL, from a tenant whose sinks may reach what is approved. */
function sender({ names = {}, forbidden = [], timeoutMs = 2000 }: World = {}) {
  const transports = makeTransports({
    resolve: async (hostname) => {
      const found = names[hostname.replace(/\.$/, "")];
      if (found === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return (typeof found === "function" ? found() : found).map((address) => ({
        address,
        family: address.includes(":") ? 6 : 4,
      }));
    },
    forbiddenAddresses: () => forbidden,
  });
  t.teardown(() => transports.close());
  const send = makeSendWebhook({ transports, nowMs: Date.now, timeoutMs, userAgent: "test" });
  return (url: string, approved: ApprovedHosts) => {
    const secret = { keyId: "k", wrappedKey: new Uint8Array(), sealed: new Uint8Array() };
    const sink = { tenantUid, name: "s", url, eventTypes: undefined, version: 1, secret, approved };
    const secrets = { current: "whsec_c2VjcmV0", previous: undefined };
    return send({ sink, secrets, id: "evt_1", body: "{}" }, new AbortController().signal);
  };
}

const REFUSED = { ok: false, fault: "egress_refused", isFinal: true };
const listed = (url: string): readonly string[] => [hostPortText(hostPortOf(new URL(url)))];

t.test("no spelling of a private or special address is reached, although its host is approved", async (t) => {
  const victim = await startServer(t, undefined, "127.0.0.1");
  const send = sender({ names: ATTACKER_NAMES });
  let tried = 0;
  for (const spelling of SPELLINGS) {
    const text = spelling.replace("%PORT%", String(victim.port)).replace(/^http:/, "https:");
    if (!URL.canParse(text)) continue;
    tried += 1;
    t.match(await send(text, { hosts: listed(text), privateHosts: [] }), REFUSED, text);
  }
  t.ok(tried > 30, `${tried} spellings`);
  t.equal(victim.connections(), 0);
});

t.test("a private host that was approved is reached, the control; metadata and our own listeners never", async (t) => {
  const victim = await startServer(t);
  const approved = { hosts: [], privateHosts: [victim.hostPort] };
  t.same(await sender()(`http://${victim.hostPort}/`, approved), { ok: true });
  t.match(victim.requests[0]?.headers, { "webhook-id": "evt_1", "webhook-signature": /^v1,/ });
  const own = sender({ forbidden: [{ address: "127.0.0.1", port: victim.port }] });
  t.match(await own(`http://${victim.hostPort}/`, approved), REFUSED);
  const metadata = "http://169.254.169.254/latest";
  t.match(await sender()(metadata, { hosts: [], privateHosts: listed(metadata) }), REFUSED);
  t.equal(victim.requests.length, 1);
});

t.test("a name that changes its mind between two tries gets nowhere", async (t) => {
  const victim = await startServer(t);
  const answers = [["93.184.216.34"], ["127.0.0.1"], ["169.254.169.254"]];
  let asked = 0;
  const send = sender({ names: { "rebind.example": () => answers[asked++] ?? ["127.0.0.1"] }, timeoutMs: 300 });
  const url = `https://rebind.example:${victim.port}/`;
  const approved = { hosts: listed(url), privateHosts: [] };
  t.match(await send(url, approved), { ok: false, isFinal: false }, "a public address that does not answer");
  t.match(await send(url, approved), REFUSED);
  t.match(await send(url, approved), REFUSED);
  t.equal(asked, 3, "each try asks once and connects to what it was told");
  t.equal(victim.connections(), 0);
});

t.test("what is not approved any more is refused before a name is asked for", async (t) => {
  const victim = await startServer(t);
  const url = `http://${victim.hostPort}/`;
  const refusals = [
    { why: "nothing is approved", url, approved: { hosts: [], privateHosts: [] } },
    { why: "http to a public host", url, approved: { hosts: listed(url), privateHosts: [] } },
    { why: "another port", url, approved: { hosts: [], privateHosts: ["127.0.0.1:1"] } },
    { why: "a user in the URL", url: url.replace("//", "//a:b@"), approved: { hosts: [], privateHosts: listed(url) } },
  ];
  for (const { why, url, approved } of refusals) t.match(await sender()(url, approved), REFUSED, why);
  t.equal(victim.connections(), 0);
  let asked = 0;
  const ask = () => {
    asked += 1;
    return ["93.184.216.34"];
  };
  const withdrawn = sender({ names: { "hooks.example": ask }, timeoutMs: 300 });
  t.match(await withdrawn("https://hooks.example/", { hosts: ["other.example"], privateHosts: [] }), REFUSED);
  t.equal(asked, 0, "nobody was asked where it is");
});

t.test("a redirect is not followed, and is final", async (t) => {
  const inner = await startServer(t);
  const outer = await startServer(t, (_, response) =>
    response.writeHead(307, { location: `http://${inner.hostPort}/` }).end(),
  );
  const approved = { hosts: [], privateHosts: [outer.hostPort, inner.hostPort] };
  t.match(await sender()(`http://${outer.hostPort}/`, approved), {
    ok: false,
    fault: "too_many_redirects",
    isFinal: true,
  });
  t.equal(inner.requests.length, 0);
});

t.test("what a status and an answer mean", async (t) => {
  const told: { status: number; headers?: Record<string, string>; body?: string } = { status: 200 };
  const server = await startServer(t, (_, response) =>
    response.writeHead(told.status, told.headers ?? {}).end(told.body),
  );
  const approved = { hosts: [], privateHosts: [server.hostPort] };
  const send = () => sender()(`http://${server.hostPort}/`, approved);
  for (const status of [200, 201, 202, 204]) {
    told.status = status;
    t.same(await send(), { ok: true }, String(status));
  }
  for (const status of [408, 429, 500, 503, 599]) {
    told.status = status;
    t.match(await send(), { ok: false, fault: `status_${status}`, isFinal: false }, String(status));
  }
  for (const status of [304, 400, 401, 404, 410, 422, 451]) {
    told.status = status;
    t.match(await send(), { ok: false, fault: `status_${status}`, isFinal: true }, String(status));
  }
  Object.assign(told, { status: 429, headers: { "retry-after": "7" } });
  t.match(await send(), { retryAfterMs: 7000 });
  Object.assign(told, { status: 200, headers: {}, body: "x".repeat(1 << 20) });
  t.same(await send(), { ok: true }, "an answer that is too long was one all the same");
});

t.test("a receiver that never answers is given up in time", async (t) => {
  const server = await startServer(t, () => undefined);
  const send = sender({ timeoutMs: 200 });
  const approved = { hosts: [], privateHosts: [server.hostPort] };
  t.match(await send(`http://${server.hostPort}/`, approved), { ok: false, fault: "timeout", isFinal: false });
});

t.test("the status line says what became of a message, whatever comes after it", { timeout: 60_000 }, async (t) => {
  const ends: (() => void)[] = [];
  t.teardown(() => ends.forEach((end) => void end()));
  const bodies: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "breaks off": (response) => response.write("x", () => response.destroy()),
    "never ends": (response) => {
      response.write("x");
      const drip = setInterval(() => response.write("x"), 20);
      ends.push(() => clearInterval(drip));
    },
    "never ends, fast": (response) => {
      const fill = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", fill);
      fill();
    },
    "is not packed as it says": (response) => response.setHeader("content-encoding", "gzip").end("x"),
    "is packed in a way of its own": (response) => response.setHeader("content-encoding", "zz").end("x"),
  };
  let told: { readonly status: number; readonly body: (response: ServerResponse) => void };
  const server = await startServer(t, (_, response) => {
    response.statusCode = told.status;
    response.setHeader("retry-after", "7");
    told.body(response);
  });
  const send = sender({ timeoutMs: 50_000 });
  const approved = { hosts: [], privateHosts: [server.hostPort] };
  for (const [name, body] of Object.entries(bodies)) {
    told = { status: 200, body };
    t.same(await send(`http://${server.hostPort}/`, approved), { ok: true }, `200, and a body that ${name}`);
    told = { status: 503, body };
    const refused = { ok: false, fault: "status_503", isFinal: false, retryAfterMs: 7000 };
    t.same(await send(`http://${server.hostPort}/`, approved), refused, `503, and a body that ${name}`);
  }
});

/** Made for tests of time: puts forward the clock of undici's timers of more than a second. */
const undiciTimers = createRequire(import.meta.url)("undici/lib/util/timers.js") as {
  readonly tick: (ms: number) => void;
};

t.test("a receiver has as long as was set, however long that is", async (t) => {
  const server = await startServer(t, (_, response) => {
    // the first makes a timer that was just set a running one
    for (let minute = 0; minute < 2; minute += 1) undiciTimers.tick(60_000);
    setImmediate(() => setImmediate(() => response.writeHead(204).end()));
  });
  const approved = { hosts: [], privateHosts: [server.hostPort] };
  t.same(await sender({ timeoutMs: 120_000 })(`http://${server.hostPort}/`, approved), { ok: true });
});
