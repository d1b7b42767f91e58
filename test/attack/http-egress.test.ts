/** Attacks on where HTTP requests go: forged hosts, rebinding, redirects, private hosts that are ours. */
import t from "tap";
import { Agent, request } from "undici";
import type { JsonObject } from "../../src/core/json.ts";
import { classifyAddress } from "../../src/executors/http/addresses.ts";
import { hostPortOf, hostPortText } from "../../src/executors/http/host-port.ts";
import { ask, httpAdapter, localSettings, startServer } from "../executors/http/local-server.ts";
import { ATTACKER_NAMES, SPELLINGS } from "./ssrf-spellings.ts";

const LEAST_SPELLINGS = 36;
/** How many of the spellings reach the victim where nothing guards it; without IPv6 a few less than here. */
const LEAST_CONTROLS = 18;

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

t.test("the control: who looks a name up, judges the answer and connects by the name is led inside", async (t) => {
  const inner = await startServer(t);
  const answers = ["93.184.216.34", "127.0.0.1"];
  const resolve = (): string => answers.shift() ?? "";
  t.equal(classifyAddress(resolve()), "public", "what is judged");
  const agent = new Agent({
    connect: {
      lookup: (_name, { all }, callback) => {
        const address = resolve();
        all === true ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4);
      },
    },
  });
  t.teardown(() => agent.destroy());
  const answer = await request(`http://rebind.example:${inner.port}/`, { dispatcher: agent });
  await answer.body.dump();
  t.equal(inner.requests.length, 1);
  const guarded = await httpAdapter({ names: { "rebind.example": () => [answers.shift() ?? "127.0.0.1"] } });
  const hostPort = `rebind.example:${inner.port}`;
  const result = await ask(guarded, { method: "GET", url: `http://${hostPort}/` }, { settings: { hosts: [hostPort] } });
  t.match(result, { ok: false, code: "egress_refused" }, "what is judged is what is connected to");
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

t.test("judges the addresses of a redirect as those of the first request, whatever its name is allowed", async (t) => {
  const victim = await startServer(t);
  const literals = ["127.0.0.1", "localhost", "inner.example", "mixed.example"];
  const names = {
    localhost: ["127.0.0.1"],
    "inner.example": ["127.0.0.1"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
  };
  const first = await startServer(t, (request, response) =>
    response.writeHead(307, { location: `http://${request.url?.slice(1)}/` }).end(),
  );
  const adapter = await httpAdapter({ names });
  const led = (to: string, mayBePrivate: boolean) =>
    ask(
      adapter,
      { method: "GET", url: `http://${first.hostPort}/${to}` },
      {
        settings: {
          ...localSettings([first.hostPort, to]),
          allow_private: [first.hostPort, ...(mayBePrivate ? [to] : [])],
        },
        minted: { egress: [first.hostPort, to] },
      },
    );
  for (const host of literals) {
    const to = `${host}:${victim.port}`;
    t.match(await led(to, false), { ok: false, code: "egress_refused" }, `${host}, listed and granted`);
  }
  t.equal(first.requests.length, literals.length, "it came as far as the redirect");
  t.equal(victim.connections(), 0);
  t.match(await led(`inner.example:${victim.port}`, true), { ok: true }, "the control: where it may be private");
  t.equal(victim.requests.length, 1);
});
