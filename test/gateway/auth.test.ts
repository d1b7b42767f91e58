/**
 * Who calls, in which tenant, from where: credentials, the tenant header, Host and Origin.
 */
import t from "tap";
import { makeHarness, settingsOf } from "./harness.ts";

t.test("only a bearer token of a valid key is let in, and every other one gets the same answer", async (t) => {
  const harness = await makeHarness();
  const refused = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer  sg_acme_reader",
    "Bearer sg_acme_reader ,x",
    "Bearer sg_acme_reader x",
    "Bearer sg_acme_nobody",
    "Basic c2dfYWNtZV9yZWFkZXI6",
    "sg_acme_reader",
    `Bearer ${"x".repeat(513)}`,
    "Bearer sg_acme_reader\u00e9",
  ];
  const texts = new Set<string>();
  for (const authorization of refused) {
    const answer = await harness.send({ url: "/v1/runs", key: null, headers: { authorization } });
    t.match(answer, { status: 401, headers: { "www-authenticate": 'Bearer realm="stepgate"' } }, authorization);
    texts.add(answer.text.replace(/urn:uuid:[0-9a-f-]+/, ""));
  }
  t.equal(texts.size, 1, "byte for byte, but for the request's id");
  t.equal(harness.calls.length, 0);
  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    const answer = await harness.send({
      url: "/v1/runs",
      key: null,
      headers: { authorization: `${scheme} sg_acme_reader` },
    });
    t.equal(answer.status, 200, scheme);
  }
  const inQuery = await harness.send({ url: "/v1/runs?access_token=sg_acme_reader", key: null });
  t.equal(inQuery.status, 401, "a key in the query is none");
});

t.test("a key of the instance acts in the tenant it names, in `default` without a name", async (t) => {
  const harness = await makeHarness();
  const list = (headers: Record<string, string>) => harness.send({ url: "/v1/runs", key: null, headers });
  const authorization = "Bearer sg_all_root";
  await list({ authorization });
  await list({ authorization, "stepgate-tenant": "globex" });
  t.match(harness.calls, [
    { input: { caller: { tenantId: "default", isInstanceWide: true } } },
    { input: { caller: { tenantId: "globex", isInstanceWide: true } } },
  ]);
  for (const tenant of ["nobody", "", "acme,globex", "../acme", "x".repeat(200)]) {
    const answer = await list({ authorization, "stepgate-tenant": tenant });
    t.match(answer, { status: 404, json: { code: "NOT_FOUND" } }, tenant);
  }
});

t.test("a tenant's key names no tenant: the answer is the same whether that tenant exists or not", async (t) => {
  const harness = await makeHarness();
  const texts = new Set<string>();
  for (const tenant of ["acme", "globex", "nobody"]) {
    const answer = await harness.send({
      url: "/v1/runs",
      key: "sg_acme_reader",
      headers: { "stepgate-tenant": tenant },
    });
    t.match(answer, { status: 400, json: { code: "REQUEST_MALFORMED" } }, tenant);
    texts.add(answer.text.replace(/urn:uuid:[0-9a-f-]+/, ""));
  }
  t.equal(texts.size, 1);
  t.equal(harness.calls.length, 0);
});

t.test("platform on a tenant's key counts for nothing", async (t) => {
  const harness = await makeHarness();
  t.match(await harness.send({ url: "/v1/tenants", key: "sg_acme_platform" }), { status: 403 });
  harness.keys.set("sg_both", {
    keyId: "both",
    owner: "x",
    roles: ["reader", "platform"],
    tenant: { tenantUid: "u" as never, tenantId: "acme", authorityVersion: 1 },
  });
  t.match(await harness.send({ url: "/v1/tenants", key: "sg_both" }), { status: 403 });
  await harness.send({ url: "/v1/tenants/acme", key: "sg_both" });
  t.match(harness.calls, [{ input: { holder: { roles: ["reader"] } } }], "nor does a use case see it");
});

t.test(
  "a request for another host or from a page that nobody allowed is refused before its key is looked at",
  async (t) => {
    const harness = await makeHarness();
    const list = (headers: Record<string, string>) => harness.send({ url: "/v1/runs", headers });
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8181", "127.0.0.1:8181:1"]) {
      t.match(await list({ host }), { status: 403, json: { code: "ORIGIN_REFUSED", header: "host" } }, host);
    }
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:8181", "file://"]) {
      t.match(await list({ origin }), { status: 403, json: { code: "ORIGIN_REFUSED", header: "origin" } }, origin);
    }
    const rebound = await harness.send({ url: "/v1/runs", key: null, headers: { host: "evil.example" } });
    t.match(rebound, { json: { code: "ORIGIN_REFUSED" } });
    for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:8181", "[::1]:8181"]) {
      t.equal((await list({ host })).status, 200, host);
    }
  },
);

t.test("the allow-lists are what the settings say, and nothing beside", async (t) => {
  const settings = settingsOf({
    STEPGATE_ALLOWED_HOSTS: "gate.example,gate.example:8443,10.0.0.1:9000",
    STEPGATE_ALLOWED_ORIGINS: "https://console.example",
  });
  const harness = await makeHarness({ settings });
  const list = async (headers: Record<string, string>) => (await harness.send({ url: "/v1/runs", headers })).status;
  for (const host of ["gate.example", "Gate.Example:443", "10.0.0.1:9000"]) t.equal(await list({ host }), 200, host);
  for (const host of ["127.0.0.1:8181", "localhost", "10.0.0.1", "10.0.0.1:9001"])
    t.equal(await list({ host }), 403, host);
  t.equal(await list({ host: "gate.example", origin: "https://console.example" }), 200);
  t.equal(await list({ host: "gate.example", origin: "http://console.example" }), 403);
});

t.test("the address listened on is a host by itself, a wildcard is none", async (t) => {
  const at = async (listen: string, host: string) => {
    const harness = await makeHarness({ settings: settingsOf({ STEPGATE_LISTEN: listen }) });
    return (await harness.send({ url: "/v1/runs", headers: { host } })).status;
  };
  t.equal(await at("10.0.0.5:8181", "10.0.0.5:8181"), 200);
  t.equal(await at("0.0.0.0:8181", "0.0.0.0:8181"), 403);
  t.equal(await at("0.0.0.0:8181", "localhost:8181"), 200);
});

t.test("probes answer under any host name, since they come by address", async (t) => {
  const harness = await makeHarness();
  for (const url of ["/healthz", "/readyz"]) {
    t.equal((await harness.send({ url, key: null, headers: { host: "10.1.2.3:8181" } })).status, 200, url);
  }
  const jwks = await harness.send({ url: "/.well-known/jwks.json", key: null, headers: { host: "10.1.2.3" } });
  t.equal(jwks.status, 403, "only probes");
});
