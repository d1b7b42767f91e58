/**
 * Who may use which route (spec 09), tried on the whole product: every pair of route and role of the OpenAPI document.
 *
 * A request is one that the route's roles are answered: what is refused is refused for its role alone.
 */
import t from "tap";
import { ROLES } from "../../src/gateway/roles.ts";
import { METRICS } from "../../src/telemetry/names.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import {
  ADMIN_KEY,
  type LiveAnswer,
  type LiveApi,
  type LiveOperation,
  type LiveRequest,
  makeKey,
  PLANTED,
  startLiveApi,
} from "./live-api.ts";
import { completeKnown, fillKnown, type Known } from "./live-harvest.ts";
import { furnish, type LiveWorld } from "./live-world.ts";

let api: LiveApi;
let world: LiveWorld;
let known: Known;

t.before(async () => {
  api = await startLiveApi(t, await openTestDatabase(t));
  world = await furnish(api);
  known = await completeKnown(api, world.known, api.keys.acme.reader);
});

/** With ids that are there and the document's own example. */
function requestsFor({ method, path, operation }: LiveOperation): readonly LiveRequest[] {
  const example = operation.requestBody?.content["application/json"]?.example;
  return fillKnown(path, known).map((target) => ({
    method,
    path: target,
    headers: { accept: "application/json" },
    ...(example !== undefined && { body: example as object }),
  }));
}

function requestFor(operation: LiveOperation): LiveRequest {
  const [request] = requestsFor(operation);
  if (request === undefined) throw new TypeError(`no known values for ${operation.path}`);
  return request;
}

/** The answer to the first request that finds its thing. */
async function answerTo(operation: LiveOperation, key: string, headers: LiveRequest["headers"]): Promise<LiveAnswer> {
  let answer: LiveAnswer | undefined;
  for (const request of requestsFor(operation)) {
    answer = await api.send({ ...request, headers: { ...request.headers, ...headers }, key });
    if (answer.status !== 404) return answer;
  }
  return answer ?? (await api.send(requestFor(operation)));
}

/** What anybody could change, as the database has it. */
async function fingerprint(): Promise<string> {
  const rows = await api.rig.rows(
    `select (select count(*) from stepgate.runs) as runs, (select max(authority_version) from stepgate.tenants) as authority,
            (select count(*) from stepgate.api_keys where revoked_at is null) as keys, (select count(*) from stepgate.tools) as tools,
            (select count(*) + sum(version) from stepgate.secrets) as secrets,
            (select count(*) from stepgate.breakpoints) as breakpoints, (select count(*) from stepgate.records) as records,
            (select count(*) from stepgate.audit_log) as audit, (select count(*) from stepgate.steps) as steps,
            (select count(*) from stepgate.approvals where state = 'open') as approvals, (select count(*) from stepgate.idempotency) as idempotency`,
  );
  return JSON.stringify(rows[0]);
}

t.test(
  "E4 every pair of route and role: a role that the document does not name is refused and changes nothing",
  async (t) => {
    const before = await fingerprint();
    let pairs = 0;
    for (const operation of api.operations) {
      const roles = operation.operation["x-stepgate-roles"];
      if (roles === undefined) continue;
      const request = requestFor(operation);
      for (const role of ROLES) {
        if (roles.includes(role)) continue;
        const keys = [api.keys.instance[role], ...(role === "platform" ? [] : [api.keys.acme[role]])];
        for (const key of keys) {
          const isInstance = key === api.keys.instance[role];
          const headers = {
            ...request.headers,
            ...(isInstance && { "stepgate-tenant": "acme" }),
            "idempotency-key": "e4",
          };
          const answer = await api.send({ ...request, headers, key });
          const pair = `${role}${isInstance ? " of the instance" : ""} → ${operation.method} ${operation.path}`;
          t.match(answer, { status: 403, json: { code: "FORBIDDEN" } }, pair);
          pairs += 1;
        }
      }
    }
    t.ok(pairs > 200, `${pairs} pairs`);
    t.equal(await fingerprint(), before, "nothing was changed");
  },
);

t.test("E4 every pair of route and role: a role that the document names is answered", async (t) => {
  // what ends or revokes goes last, so that everything before it still finds its thing
  const ordered = [...api.operations].sort((a, b) => ending(a) - ending(b));
  for (const operation of ordered) {
    const roles = operation.operation["x-stepgate-roles"] ?? [];
    for (const role of ROLES.filter((one) => roles.includes(one))) {
      const isPlatform = role === "platform";
      const key = isPlatform ? api.keys.instance.platform : api.keys.acme[role];
      const isTenant = operation.operation["x-stepgate-tenant"] === true;
      const answer = await answerTo(operation, key, isPlatform && isTenant ? { "stepgate-tenant": "acme" } : {});
      const pair = `${role} → ${operation.method} ${operation.path}: ${answer.status} ${answer.json?.["code"] ?? ""}`;
      t.notOk(
        [401, 404, 405].includes(answer.status) || answer.json?.["code"] === "FORBIDDEN" || answer.status >= 500,
        pair,
      );
    }
  }
});

function ending({ method, path }: LiveOperation): number {
  if (method === "DELETE") return 2;
  return path.endsWith("/cancel") ? 1 : 0;
}

t.test("E4 a key that does not count gets the same 401 on every route, whatever is wrong with it", async (t) => {
  const good = api.keys.acme.reader;
  const [, id = ""] = good.split("_");
  const expired = await makeKey(api.send, "acme", {
    owner: "x",
    roles: ["reader"],
    expires_at: "2020-01-01T00:00:00Z",
  });
  const revoked = await makeKey(api.send, "acme", { owner: "x", roles: ["reader"] });
  const revocation = { method: "DELETE", path: `/v1/keys/${revoked.split("_")[1]}`, key: api.keys.acme.admin };
  t.equal((await api.send(revocation)).status, 204);
  const wrong: Readonly<Record<string, string | undefined>> = {
    none: undefined,
    "wrong secret": `${good.slice(0, -1)}${good.endsWith("A") ? "B" : "A"}`,
    "unknown id": good.replace(
      id,
      id.replace(/^./, (first) => (first === "0" ? "1" : "0")),
    ),
    expired,
    revoked,
    empty: "",
    "another product's": "sk-live-0123456789",
    "too long": `sg_${"x".repeat(600)}`,
    "the id alone": `sg_${id}_`,
    "with a space": `${good} x`,
  };
  for (const operation of api.operations) {
    const isOpen = operation.operation.security !== undefined;
    const answers = new Set<string>();
    for (const [why, key] of Object.entries(wrong)) {
      const answer = await api.send({ ...requestFor(operation), key });
      const name = `${why}: ${operation.method} ${operation.path}`;
      if (isOpen) t.equal(answer.status, 200, name);
      else {
        t.match(
          answer,
          { status: 401, json: { code: "UNAUTHENTICATED" }, headers: { "www-authenticate": /^Bearer / } },
          name,
        );
        answers.add(answer.text.replace(/urn:uuid:[0-9a-f-]+/, ""));
      }
    }
    if (!isOpen) t.equal(answers.size, 1, `${operation.path}: no difference is told`);
  }
  const open = api.operations.filter(({ operation }) => operation.security !== undefined).map(({ path }) => path);
  t.same(open.sort(), ["/.well-known/jwks.json", "/healthz", "/readyz"], "unauthenticated: these alone");
});

t.test("E4 a scheme that is not Bearer is no key", async (t) => {
  const headers = [
    `Basic ${api.keys.acme.reader}`,
    `Token ${api.keys.acme.reader}`,
    api.keys.acme.reader,
    "Bearer",
    "Bearer  ",
  ];
  for (const authorization of headers) {
    const answer = await api.send({ path: "/v1/runs", headers: { authorization } });
    t.match(answer, { status: 401, json: { code: "UNAUTHENTICATED" } }, authorization.slice(0, 8));
  }
  const lower = await api.send({ path: "/v1/runs", headers: { authorization: `bearer ${api.keys.acme.reader}` } });
  t.equal(lower.status, 200, "the scheme's case is free (RFC 9110 §11.1)");
});

t.test("E4 platform sees no payload, on any route, of any run", async (t) => {
  for (const operation of api.operations) {
    const { method, path } = operation;
    if (method !== "GET") continue;
    const request = requestFor(operation);
    for (const headers of [{}, { "stepgate-tenant": "acme" }]) {
      const answer = await api.send({
        ...request,
        headers: { ...request.headers, ...headers },
        key: api.keys.instance.platform,
      });
      t.notMatch(answer.text, PLANTED, `${path}: ${answer.status}`);
      if (/^\/v1\/(?:runs|records|artifacts|steps|decisions|approvals)/.test(path)) t.equal(answer.status, 403, path);
    }
  }
  const control = await api.send({ path: `/v1/runs/${world.runUid}`, key: api.keys.acme.reader });
  t.match(control.text, PLANTED, "the control: the tenant's own reader sees it");
});

t.test("E4 a tenant's key whose row says platform still has no say over the instance", async (t) => {
  const key = await makeKey(api.send, "acme", { owner: "x", roles: ["admin"] });
  await api.rig.rows("update stepgate.api_keys set roles = '{admin,platform}' where key_id = $1", [
    key.split("_")[1] ?? "",
  ]);
  for (const path of ["/v1/tenants"]) t.match(await api.send({ path, key }), { status: 403 }, path);
  const other = { path: "/v1/runs", key, headers: { "stepgate-tenant": "globex" } };
  t.match(await api.send(other), { status: 403 });
  const asked = { method: "POST", path: "/v1/keys", key, body: { owner: "x", roles: ["admin"], scope: "instance" } };
  t.match(await api.send(asked), { status: 403, json: { code: "FORBIDDEN" } });
  t.equal((await api.send({ path: "/v1/keys", key })).status, 200, "the control");
});

t.test("E4 the operator's first key has every role, and its loss of one is felt at the next request", async (t) => {
  const key = await makeKey(api.send, "acme", { owner: "x", roles: ["reader"] });
  t.equal((await api.send({ path: "/v1/runs", key })).status, 200);
  await api.rig.rows("update stepgate.api_keys set roles = '{submitter}' where key_id = $1", [key.split("_")[1] ?? ""]);
  t.equal((await api.send({ path: "/v1/runs", key })).status, 403);
  t.equal((await api.send({ path: "/v1/runs", key: ADMIN_KEY, headers: { "stepgate-tenant": "acme" } })).status, 200);
});

t.test("metrics tell no tenant, run, key or owner apart, after all of that", async (t) => {
  const { text } = await api.send({ path: "/metrics", key: api.keys.acme.reader });
  const samples = [...text.matchAll(/^[a-z_]+\{(.*)\} [0-9.e+-]+$/gm)].map(([, labels]) => labels ?? "");
  t.ok(
    samples.some((labels) => labels.includes('type="sink"')),
    `the control: ${samples.length} samples with labels`,
  );
  const names = new Set(samples.flatMap((labels) => [...labels.matchAll(/([a-z_]+)="/g)].map(([, name]) => name)));
  t.same(
    [...names].filter(
      (name) => !["le", ...Object.values(METRICS).flatMap(({ labels }) => labels)].includes(name ?? ""),
    ),
    [],
    "labels of the table alone",
  );
  const tenants = await api.rig.rows("select tenant_uid from stepgate.tenants");
  const keys = await api.rig.rows("select key_id, owner from stepgate.api_keys");
  const own = [...tenants, ...keys].flatMap((row) => Object.values(row).map(String));
  for (const secret of ["acme", "globex", PLANTED, ...own, ...(known["run"] ?? [])])
    t.notOk(text.includes(secret), secret);
});
