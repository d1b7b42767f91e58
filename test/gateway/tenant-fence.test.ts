/**
 * Another tenant's things: every operation of the OpenAPI document with the first tenant's ids, sent by the second.
 */
import t from "tap";
import { operationsOf, readDocument } from "./document.ts";
import { APPROVAL_ID, DIGEST, KEY_ID, uuid } from "./fakes.ts";
import { type Answer, makeHarness } from "./harness.ts";

/** The answer without what belongs to the request alone. */
function bare({ status, text, headers }: Answer): object {
  const { date: _date, "x-request-id": _id, ...rest } = headers as Record<string, unknown>;
  return { status, text: text.replace(/urn:uuid:[0-9a-f-]{36}/, "urn:uuid:"), rest };
}

/** The same request for things that nobody has. */
function elsewhere(url: string): string {
  return url
    .replace("support-1", "support-2")
    .replace(DIGEST, "cd".repeat(32))
    .replace(APPROVAL_ID, uuid(201))
    .replace(KEY_ID, "00000000000000bb")
    .replace("/tools/tickets", "/tools/nothing")
    .replace("/secrets/crm.key", "/secrets/nothing")
    .replace("/tenants/acme", "/tenants/nobody");
}

t.test("K5 a second tenant gets the same 404 for the first one's things as for things that nobody has", async (t) => {
  const harness = await makeHarness();
  let checked = 0;
  for (const { method, path, operation, request } of operationsOf(await readDocument(harness))) {
    const roles = operation["x-stepgate-roles"];
    const missing = elsewhere(request.url);
    // settings of a step type belong to whoever asks; a put makes the tenant's own thing
    if (
      roles === undefined ||
      missing === request.url ||
      ["putTool", "putSecret", "putTenant"].includes(operation.operationId)
    )
      continue;
    const role = roles.find((one) => one !== "platform");
    const key = `sg_globex_${role}`;
    const foreign = await harness.send({ ...request, key });
    const absent = await harness.send({ ...request, key, url: missing });
    t.equal(foreign.status, 404, `${method} ${path}`);
    t.same(bare(foreign), bare(absent), `${method} ${path}: equal bytes`);
    const own = await harness.send({ ...request, key: `sg_acme_${role}` });
    t.not(own.status, 404, `${method} ${path}: the control, its owner is answered`);
    checked += 1;
  }
  t.ok(checked >= 16, `${checked} operations name a thing`);
});

t.test("K5 another tenant's idempotency key is another key", async (t) => {
  const harness = await makeHarness();
  const create = (key: string) =>
    harness.send({
      method: "POST",
      url: "/v1/keys",
      key,
      headers: { "idempotency-key": "k1" },
      body: { owner: "a", roles: ["reader"] },
    });
  t.equal((await create("sg_acme_admin")).status, 201);
  const other = await create("sg_globex_admin");
  t.equal(other.status, 201);
  t.equal(other.headers["idempotency-replayed"], undefined);
  t.equal(harness.calls.length, 2, "both were made");
});
