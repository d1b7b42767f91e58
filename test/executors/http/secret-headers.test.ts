/** Secrets in a request's headers: sent to the host that was asked, to no other origin, and not in the clear. */
import t from "tap";
import { callOf, never, stepSpec } from "../call.ts";
import { ask, httpAdapter, localSettings, startServer } from "./local-server.ts";

const VALUE = "Bearer 9f86d081884c7d659a2feaa0c55ad015";
const secrets = [
  { name: "Authorization", value: VALUE },
  { name: "X-Api-Key", value: "k-123456789" },
];

t.test("a secret is a header of the request, and of no argument of its token", async (t) => {
  const server = await startServer(t);
  const adapter = await httpAdapter();
  const inputs = { method: "GET", url: `http://${server.hostPort}/a`, headers: { accept: "application/json" } };
  const settings = localSettings([server.hostPort]);
  t.match(await ask(adapter, inputs, { settings, secrets }), { ok: true });
  t.match(server.requests[0]?.headers, {
    authorization: VALUE,
    "x-api-key": "k-123456789",
    accept: "application/json",
  });
  t.notOk(JSON.stringify(adapter.scope(stepSpec("http", inputs), settings)).includes("9f86d081"));
  t.match(await ask(adapter, inputs, { settings }), { ok: true });
  t.notMatch(server.requests[1]?.headers, { authorization: /./ }, "the control: without it there is none");
});

t.test("a redirect within the origin keeps it, one to any other drops it, whatever its name", async (t) => {
  const other = await startServer(t);
  const server = await startServer(t, (request, response) => {
    const to = request.url === "/same" ? "/there" : request.url === "/other" ? `http://${other.hostPort}/there` : "";
    if (to === "") response.end("{}");
    else response.writeHead(307, { location: to }).end();
  });
  const settings = localSettings([server.hostPort, other.hostPort]);
  const adapter = await httpAdapter();
  const egress = [server.hostPort, other.hostPort];
  const url = (path: string) => ({ method: "GET", url: `http://${server.hostPort}${path}` });
  t.match(await ask(adapter, url("/same"), { settings, secrets, minted: { egress } }), { ok: true });
  t.match(server.requests.at(-1), { url: "/there", headers: { authorization: VALUE, "x-api-key": "k-123456789" } });
  t.match(await ask(adapter, url("/other"), { settings, secrets, minted: { egress } }), { ok: true });
  t.equal(other.requests.length, 1, "the control: the redirect was followed");
  t.notOk(JSON.stringify(other.requests[0]?.headers).match(/9f86d081|k-123456789/), "without any of them");
});

t.test("what was refused or not reached names no value", async (t) => {
  const server = await startServer(t, (_, response) => response.destroy());
  const adapter = await httpAdapter();
  const settings = localSettings([server.hostPort]);
  const broken = await ask(adapter, { method: "GET", url: `http://${server.hostPort}/` }, { settings, secrets });
  t.match(broken, { ok: false, code: "connection_failed" });
  const context = callOf(adapter, { inputs: { method: "GET", url: "https://elsewhere.example/" }, settings, secrets });
  const refused = await adapter.execute(context, never);
  t.match(refused, { ok: false });
  for (const result of [broken, refused]) t.notOk(JSON.stringify(result).includes("9f86d081"));
});
