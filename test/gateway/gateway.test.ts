/**
 * The gateway as a process part: listening, the port that is taken, metrics on their own address, stopping.
 */
import { createServer } from "node:http";
import t from "tap";
import { Gateway } from "../../src/gateway/gateway.ts";
import { makeFakes } from "./fakes.ts";
import { serverDeps, settingsOf } from "./harness.ts";

function makeGateway(environment: Readonly<Record<string, string>>) {
  return new Gateway(serverDeps(makeFakes(), [], { settings: settingsOf(environment) }));
}

t.test("it listens where it was told, answers, and stops", async (t) => {
  const gateway = makeGateway({ STEPGATE_LISTEN: "127.0.0.1:0" });
  const { url, metricsUrl } = await gateway.start();
  t.match(url, /^http:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  t.equal(metricsUrl, undefined);
  t.equal((await fetch(`${url}/healthz`)).status, 200);
  t.equal((await fetch(`${url}/metrics`)).status, 401, "metrics need a key here");
  await gateway.stop();
  await gateway.stop();
  await t.rejects(fetch(`${url}/healthz`));
});

t.test("metrics on an address of their own need no key, and are no route of the API then", async (t) => {
  const gateway = makeGateway({ STEPGATE_LISTEN: "127.0.0.1:0", STEPGATE_METRICS_LISTEN: "127.0.0.1:0" });
  t.teardown(() => gateway.stop());
  const { url, metricsUrl } = await gateway.start();
  const metrics = await fetch(`${metricsUrl}/metrics`);
  t.equal(metrics.status, 200);
  t.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  t.equal((await fetch(`${metricsUrl}/v1/runs`)).status, 404, "nothing else is there");
  t.equal((await fetch(`${url}/metrics`)).status, 404);
});

t.test("an address that is taken stops the start by name", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const gateway = makeGateway({ STEPGATE_LISTEN: `127.0.0.1:${port}` });
  t.teardown(() => gateway.stop());
  await t.rejects(gateway.start(), { code: "PORT_TAKEN", detail: { host: "127.0.0.1", port } });
});

t.test("an address that this machine does not have stops the start too", async (t) => {
  const gateway = makeGateway({ STEPGATE_LISTEN: "192.0.2.1:8181" });
  t.teardown(() => gateway.stop());
  await t.rejects(gateway.start(), { code: "PORT_TAKEN", detail: { reason: "EADDRNOTAVAIL" } });
});
