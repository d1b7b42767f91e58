/**
 * Who may use which route: every pair of route and role, taken from the OpenAPI document, so new routes join by themselves.
 */
import t from "tap";
import { findAccess, ROLES, ROUTE_ACCESS } from "../../src/gateway/roles.ts";
import { operationsOf, readDocument } from "./document.ts";
import { makeHarness } from "./harness.ts";

t.test("E4 a role is let in where the table names it, and nowhere else; a refusal reaches no use case", async (t) => {
  const harness = await makeHarness();
  const operations = operationsOf(await readDocument(harness));
  for (const { method, path, operation, request } of operations) {
    const allowed = operation["x-stepgate-roles"];
    if (allowed === undefined) continue;
    for (const role of ROLES) {
      harness.calls.length = 0;
      const answer = await harness.send({ ...request, key: `sg_all_${role}` });
      const pair = `${role} → ${method} ${path}`;
      if (allowed.includes(role)) t.notOk([401, 403].includes(answer.status), `${pair}: ${answer.status}`);
      else {
        t.match(answer, { status: 403, json: { code: "FORBIDDEN" } }, pair);
        t.equal(harness.calls.length, 0, pair);
      }
    }
  }
});

t.test("only probes and public keys answer without a key", async (t) => {
  const harness = await makeHarness();
  const open: string[] = [];
  for (const { path, request, operation } of operationsOf(await readDocument(harness))) {
    harness.calls.length = 0;
    const answer = await harness.send({ ...request, key: null });
    if (answer.status === 200) open.push(path);
    else t.match(answer, { status: 401, json: { code: "UNAUTHENTICATED" } }, path);
    t.equal(harness.calls.length, 0, `${path}: no use case is reached`);
    t.same(operation.security, answer.status === 200 ? [] : undefined, `${path}: the document says the same`);
  }
  t.same(open.sort(), ["/.well-known/jwks.json", "/healthz", "/readyz"]);
});

t.test("the table of the specification stands: what each role may change", async (t) => {
  const writes = Object.entries(ROUTE_ACCESS).filter(([name]) => !name.startsWith("GET "));
  const byRole = (role: string) =>
    writes.flatMap(([name, access]) => ("roles" in access && access.roles.includes(role as never) ? [name] : []));
  t.same(byRole("reader"), [], "a reader changes nothing");
  t.same(byRole("submitter"), ["POST /v1/runs", "POST /v1/runs/:run/cancel", "POST /v1/steps", "POST /v1/decisions"]);
  t.notOk(byRole("operator").some((name) => /keys|tenants|steps|decisions/.test(name)));
  t.same(byRole("approver"), ["POST /v1/approvals/:approval"]);
  t.same(byRole("admin"), ["POST /v1/approvals/:approval", "POST /v1/keys", "DELETE /v1/keys/:key"]);
  t.same(byRole("platform"), ["POST /v1/keys", "DELETE /v1/keys/:key", "PUT /v1/tenants/:tenant"]);
});

t.test("platform sees no payload", async (t) => {
  for (const [name, access] of Object.entries(ROUTE_ACCESS)) {
    if (!("roles" in access) || !/runs|steps|decisions|approvals|records|artifacts/.test(name)) continue;
    t.notOk((access.roles as readonly string[]).includes("platform"), name);
  }
});

t.test("every entry of the table is a route of the server", async (t) => {
  const harness = await makeHarness();
  const routes = operationsOf(await readDocument(harness)).map(
    ({ method, path }) => `${method} ${path.replace(/\{([a-z]+)\}/g, ":$1")}`,
  );
  t.same(Object.keys(ROUTE_ACCESS).sort(), routes.sort());
});

t.test("no other name is found in the table, also none that every object has", async (t) => {
  for (const pattern of ["/v1/backdoor", "constructor", "/v1/runs/"]) t.equal(findAccess("GET", pattern), undefined);
  t.equal(findAccess("", "constructor"), undefined);
});
