/**
 * The OpenAPI document: whole, consistent, and true, since its examples are accepted by the routes they describe.
 */
import t from "tap";
import { OPENAPI_EXAMPLES } from "../../src/gateway/openapi-examples.ts";
import { operationsOf, readDocument } from "./document.ts";
import { makeHarness } from "./harness.ts";

t.test("it is OpenAPI 3.1 and every reference in it resolves", async (t) => {
  const document = await readDocument(await makeHarness());
  t.equal(document.openapi, "3.1.0");
  const references = new Set(JSON.stringify(document).match(/"\$ref":"[^"]+"/g));
  t.ok(references.size > 20);
  for (const reference of references) {
    const pointer = reference.slice('"$ref":"#/'.length, -1).split("/");
    let value: unknown = document;
    for (const part of pointer) value = (value as Record<string, unknown> | undefined)?.[part];
    t.type(value, "object", reference);
  }
});

t.test("every operation has an id of its own, a summary, a tag, and problems as its errors", async (t) => {
  const operations = operationsOf(await readDocument(await makeHarness()));
  const ids = operations.map(({ operation }) => operation.operationId);
  t.equal(new Set(ids).size, ids.length);
  for (const { path, operation } of operations) {
    t.ok(operation.operationId && operation.summary && operation.tags?.length === 1, path);
    for (const range of ["4XX", "5XX"]) {
      t.match(operation.responses[range], { content: { "application/problem+json": {} } }, `${path} ${range}`);
    }
  }
});

t.test("a key is asked for everywhere but where nobody needs one, with the roles that may", async (t) => {
  const document = await readDocument(await makeHarness());
  t.same(document.security, [{ bearer: [] }]);
  for (const { path, operation } of operationsOf(document)) {
    const roles = operation["x-stepgate-roles"];
    if (roles === undefined) t.same(operation.security, [], path);
    else t.ok(roles.length > 0 && operation.security === undefined, path);
  }
});

t.test("every body has an example that its route accepts, and writes name the idempotency key", async (t) => {
  const harness = await makeHarness();
  const document = await readDocument(harness);
  const withBody: string[] = [];
  for (const { method, path, operation, request } of operationsOf(document)) {
    if (method !== "GET") {
      t.ok(
        operation.parameters?.some(({ name }) => name === "idempotency-key"),
        path,
      );
    }
    const media = operation.requestBody?.content["application/json"];
    if (media === undefined) continue;
    withBody.push(operation.operationId);
    t.same(media.example, OPENAPI_EXAMPLES[operation.operationId], path);
    t.ok((await harness.send(request)).status < 300, `${method} ${path}`);
  }
  t.same(withBody.sort(), Object.keys(OPENAPI_EXAMPLES).sort());
});

t.test("operations in a tenant show the header that names it to keys of the instance", async (t) => {
  const operations = operationsOf(await readDocument(await makeHarness()));
  const named = operations
    .filter(({ operation }) => operation.parameters?.some(({ $ref }) => $ref === "#/components/parameters/tenant"))
    .map(({ operation }) => operation.operationId);
  t.ok(named.includes("submitRun") && named.includes("listKeys"));
  t.notOk(named.includes("listTenants") || named.includes("getHealth"));
});

t.test("the document itself asks for a key, and is the same every time", async (t) => {
  const harness = await makeHarness();
  t.equal((await harness.send({ url: "/v1/openapi.json", key: null })).status, 401);
  const first = await harness.send({ url: "/v1/openapi.json", key: "sg_acme_author" });
  t.equal((await harness.send({ url: "/v1/openapi.json" })).text, first.text);
});
