/**
 * The door: no route without an entry, no path but ours, 405 with the methods that are there.
 */
import Fastify from "fastify";
import t from "tap";
import { guardRoutes } from "../../src/gateway/access.ts";
import { RUN_ID } from "./fakes.ts";
import { makeHarness } from "./harness.ts";
import { makeOverHttp } from "./over-http.ts";

t.test("a route that the table does not name does not register", async (t) => {
  const app = Fastify({ exposeHeadRoutes: false });
  guardRoutes(app, {
    authorize: async () => t.fail("nobody asks") as never,
    hosts: { allowedHosts: undefined, allowedOrigins: undefined, listen: { host: "127.0.0.1" } },
    isStopping: () => false,
  });
  t.throws(() => app.get("/v1/backdoor", async () => "open"), { code: "INTERNAL" });
  t.throws(() => app.delete("/v1/runs", async () => "open"), { code: "INTERNAL" }, "another method is another route");
  t.doesNotThrow(() => app.get("/healthz", async () => "ok"), "the control: a named route registers");
});

t.test("a path that is not exactly one of ours is nowhere", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const paths = [
    "/v1/runs/",
    "//v1/runs",
    "/v1//runs",
    "/V1/runs",
    "/v1/%72uns",
    "/v1%2Fruns",
    `/v1/runs%2F${RUN_ID}`,
    `/v1/runs/${RUN_ID}%2Fevents`,
    `/v1/runs/${RUN_ID}%00`,
    "/v1/runs;x=1",
    "/v1/./runs",
    "/v1/runs/..",
    "/v1/runs/../tools",
    "/v1/runs/%2e%2e/tools",
    "/v1/runs/%",
    "/v1\\runs",
    "/",
    "/v1",
    "/v1/unknown",
    `/v1/runs/${"a".repeat(129)}`,
    `/v1/runs/${"a".repeat(300)}`,
    "/v1/runs/-leading",
    "/v1/records/ABAB",
    "/v1/executors/No-op",
    "http://127.0.0.1:8181/v1/runs",
  ];
  for (const path of paths) {
    const answer = await http.get({ path });
    t.equal(answer.status, 404, path);
    t.match(JSON.parse(answer.text), { code: "NOT_FOUND" }, path);
  }
  t.equal(http.calls.length, 0, "no use case was reached");
  t.equal((await http.get({ path: "/v1/runs" })).status, 200, "the control");
});

t.test("another method on a path of ours is 405 and names those that are there", async (t) => {
  const harness = await makeHarness();
  const answer = await harness.send({ method: "DELETE", url: `/v1/runs/${RUN_ID}`, key: null });
  t.match(answer, { status: 405, headers: { allow: "GET" }, json: { code: "METHOD_NOT_ALLOWED" } });
  const options = await harness.send({ method: "OPTIONS", url: "/v1/tools/x" });
  t.match(options, { status: 405, headers: { allow: "GET, PUT" } });
});

t.test("a stopping server refuses what comes, so that another one gets it", async (t) => {
  const harness = await makeHarness();
  harness.server.drain();
  const answer = await harness.send({ url: "/v1/runs" });
  t.match(answer, { status: 503, json: { code: "SHUTTING_DOWN", retry: "later" } });
});
