/**
 * The fence between tenants, tried on the whole product: the second one with everything that the first one can see (K5).
 *
 * An answer about the first one's thing must be the answer about a thing that never was: bytes, headers, statements.
 */
import t from "tap";
import { DIGEST_PATTERN, UUID_PATTERN } from "../../src/core/ids.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { ROLES } from "../../src/gateway/roles.ts";
import { INSTANCE_SCOPE, type TenantPool } from "../../src/storage/pool.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import {
  type LiveAnswer,
  type LiveApi,
  type LiveOperation,
  type LiveRequest,
  makeKey,
  PLANTED,
  PLANTED_HOST,
  startLiveApi,
} from "./live-api.ts";
import { completeKnown, fill, fillKnown, type Known, parametersOf, pathNames, textsSeenBy } from "./live-harvest.ts";
import { furnish, type LiveWorld } from "./live-world.ts";

/** Of the texts that are no known value of a parameter, as many are tried on each route. */
const MAX_OTHERS = 12;
const HEX_ID = new RegExp(`${UUID_PATTERN}|${DIGEST_PATTERN}|^[0-9a-f]{12,}$`);

let api: LiveApi;
let world: LiveWorld;
let known: Known;
/** Keys with every role that a tenant's key can have. */
let owner: string;
let stranger: string;
/** What the first tenant sees and the second does not. */
let foreign: readonly string[];

t.before(async () => {
  api = await startLiveApi(t, await openTestDatabase(t));
  const roles = ROLES.filter((role) => role !== "platform");
  owner = await makeKey(api.send, "acme", { owner: "acme-owner", roles });
  stranger = await makeKey(api.send, "globex", { owner: "globex-stranger", roles });
  world = await furnish(api);
  known = await completeKnown(api, world.known, owner);
  const own = await textsSeenBy(api, stranger, { ...known, tenant: ["globex"] });
  foreign = [...(await textsSeenBy(api, owner, known))].filter((text) => !own.has(text));
});

/** The answer without what belongs to the request alone. */
function bare({ status, text, headers }: LiveAnswer): object {
  const { date: _date, "x-request-id": _id, ...rest } = headers;
  return { status, text: text.replace(/urn:uuid:[0-9a-f-]{36}/g, "urn:uuid:"), rest };
}

/** A text of the same form that nobody has. */
function twinOf(text: string): string {
  const shift = (from: string, by: number) => (char: string) => from[(from.indexOf(char) + by) % from.length] ?? "";
  if (HEX_ID.test(text)) return text.slice(0, -12) + text.slice(-12).replace(/[0-9a-f]/g, shift("0123456789abcdef", 5));
  return text
    .replace(/[a-z]/g, shift("abcdefghijklmnopqrstuvwxyz", 7))
    .replace(/[A-Z]/g, shift("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 7))
    .replace(/[0-9]/g, shift("0123456789", 3));
}

/** Nothing that only the first tenant has, beside what the request itself said. */
function leaks(answer: LiveAnswer, request: LiveRequest): readonly string[] {
  const said = `${request.path}${JSON.stringify(request.body ?? "")}`;
  const shown = `${answer.text}${JSON.stringify(answer.headers)}`;
  const secrets = [PLANTED, PLANTED_HOST, ...foreign.filter((text) => text.length >= 12)];
  return secrets.filter((text) => shown.includes(text) && !said.includes(text));
}

function requestFor(operation: LiveOperation, path: string): LiveRequest {
  const example = operation.operation.requestBody?.content["application/json"]?.example;
  return { method: operation.method, path, key: stranger, ...(example !== undefined && { body: example as object }) };
}

/** What is tried in the place of a path parameter: its known values, and other texts of the first tenant that fit. */
function candidatesFor(operation: LiveOperation, name: string): readonly string[] {
  const parameter = parametersOf(operation, "path", api.document).find((one) => one.name === name);
  const pattern = new RegExp(String(parameter?.schema["pattern"] ?? ".*"));
  const isForeign = new Set(foreign);
  const own = (known[name] ?? []).filter((value) => isForeign.has(value));
  const others = foreign.filter((text) => pattern.test(text) && !own.includes(text));
  const every = Math.max(1, Math.floor(others.length / MAX_OTHERS));
  return [...own, ...others.filter((_, index) => index % every === 0)];
}

t.test("K5 what the first tenant has was found: ids, digests, names", async (t) => {
  for (const name of ["run", "record", "artifact", "tool", "secret", "sink", "key", "tenant", "approval"]) {
    t.ok(known[name]?.length, `${name}: something is there`);
    for (const value of known[name] ?? []) t.ok(foreign.includes(value), `${name} ${value}`);
  }
  t.ok(foreign.filter((text) => HEX_ID.test(text)).length > 20, `${foreign.length} texts`);
});

t.test("K5 lists are empty of the first tenant's things, with its cursors and filters too", async (t) => {
  const lists = api.operations.filter(
    ({ method, path }) => method === "GET" && !path.includes("{") && path.startsWith("/v1/"),
  );
  for (const operation of lists) {
    const { path } = operation;
    if (path === "/v1/openapi.json") continue;
    const queries = parametersOf(operation, "query", api.document);
    const cursor = (await api.send({ path: `${path}?limit=1`, key: owner })).json?.["next"];
    const paths = [path, ...(typeof cursor === "string" ? [`${path}?after=${cursor}`] : [])];
    for (const { name, schema } of queries) {
      if (name === "limit") continue;
      const values = Array.isArray(schema["enum"])
        ? (schema["enum"] as string[])
        : foreign.filter((text) => new RegExp(String(schema["pattern"] ?? ".")).test(text)).slice(0, 20);
      for (const value of values) paths.push(`${path}?${name}=${encodeURIComponent(value)}`);
    }
    for (const target of paths) {
      const request = { path: target, key: stranger };
      const answer = await api.send(request);
      t.same(leaks(answer, request), [], target);
      t.notOk(answer.status >= 500, target);
      if (
        ["/v1/runs", "/v1/tools", "/v1/secrets", "/v1/sinks", "/v1/approvals", "/v1/dead-letters"].includes(path) &&
        answer.status === 200
      ) {
        t.same(answer.json, { items: [] }, `${target}: empty`);
      }
    }
  }
});

t.test(
  "K5 every route with a path parameter answers the first tenant's things like things that never were",
  async (t) => {
    const found = new Set<string>();
    const refusedWrites = new Set<string>();
    // what a put made of the stranger's own is there afterwards
    const reads = api.operations.filter(({ method }) => method === "GET");
    for (const operation of [...reads, ...api.operations.filter(({ method }) => method !== "GET")]) {
      const { method, path } = operation;
      const names = pathNames(path);
      const [first, ...others] = names;
      if (first === undefined) continue;
      const rest = Object.fromEntries(others.map((name) => [name, known[name]?.[0] ?? "none"]));
      const accepts = path.endsWith("/events") ? ["application/json", "text/event-stream"] : ["application/json"];
      for (const value of candidatesFor(operation, first)) {
        for (const accept of accepts) {
          const request = { ...requestFor(operation, fill(path, { ...rest, [first]: value })), headers: { accept } };
          const answer = await api.send(request);
          const absent = await api.send({ ...request, path: fill(path, { ...rest, [first]: twinOf(value) }) });
          const name = `${method} ${path} with ${value}`;
          t.same(leaks(answer, request), [], name);
          // a put of an own tool makes it: then the names differ, and nothing else may
          if (absent.status < 400) t.equal(answer.status, absent.status, name);
          else t.same(bare(answer), bare(absent), name);
          // a write to what has the form of its parameter, and that is not made by the write itself
          const isWrite = method !== "GET" && known[first]?.includes(value) === true && absent.status >= 400;
          if (isWrite) refusedWrites.add(`${method} ${path}`);
          // who there is is for the platform alone to ask
          const refused = path === "/v1/tenants/{tenant}" && isWrite ? 403 : 404;
          if (method === "GET" || isWrite) t.equal(answer.status, refused, name);
        }
      }
    }
    t.ok(refusedWrites.size > 5, `writes that are refused: ${[...refusedWrites].sort().join(", ")}`);
    for (const { method, path } of api.operations) {
      if (method !== "GET" || pathNames(path).length === 0) continue;
      for (const target of fillKnown(path, known)) {
        const answer = await api.send({ path: target, key: owner, headers: { accept: "application/json" } });
        if (answer.status < 400) found.add(path);
      }
    }
    const expected = api.operations
      .filter(({ method, path }) => method === "GET" && pathNames(path).length > 0)
      .map(({ path }) => path);
    t.same([...found].sort(), [...new Set(expected)].sort(), "the control: its owner is answered on each of them");
  },
);

t.test("K5 settings that both tenants have by the same name are each one's own", async (t) => {
  for (const type of known["type"] ?? []) {
    const request = { path: `/v1/executors/${type}`, key: stranger };
    const answer = await api.send(request);
    t.equal(answer.status, 200, type);
    t.same(leaks(answer, request), [], type);
  }
  t.match((await api.send({ path: "/v1/executors/http", key: owner })).text, PLANTED_HOST, "the control");
});

t.test("K5 a body that names the first tenant's digests or ids is answered like one that names nothing", async (t) => {
  const references: readonly {
    readonly path: string;
    readonly method: string;
    readonly body: (text: string) => object;
  }[] = [
    { method: "POST", path: "/v1/runs", body: (text) => ({ manifest_id: text, inputs: {} }) },
    { method: "POST", path: "/v1/runs", body: (text) => ({ manifest_id: text, steps: [{ id: "a", type: "noop" }] }) },
  ];
  for (const { method, path, body } of references) {
    for (const digest of foreign.filter((text) => new RegExp(DIGEST_PATTERN).test(text))) {
      // the digest that was sent is named again, and nothing else may differ
      const ask = async (text: string) => {
        const answer = await api.send({ method, path, key: stranger, body: body(text) });
        return { ...bare(answer), text: answer.text.replace(text, "").replace(/urn:uuid:[0-9a-f-]{36}/, "") };
      };
      const answer = await ask(digest);
      t.same(answer, await ask(twinOf(digest)), `${path} ${digest}`);
      t.notMatch(answer.text, PLANTED);
    }
  }
});

t.test("K5 a tenant that is named from outside is no different from one that does not exist", async (t) => {
  for (const path of ["/v1/runs", `/v1/runs/${world.runUid}`, "/v1/tenants/acme"]) {
    const ask = (tenant: string) => api.send({ path, key: stranger, headers: { "stepgate-tenant": tenant } });
    const named = await ask("acme");
    t.same(bare(named), bare(await ask("nobody")), path);
    t.ok(named.status >= 400, path);
  }
});

t.test("K5 what is asked of the database is the same for a foreign thing and for one that never was", async (t) => {
  // the gateway's own pool, in tenants: the worker has another, and the instance is watched meanwhile
  const pool = api.rig.stepgate.rooms.pool as { within: TenantPool["within"] };
  const { within } = pool;
  let statements: string[] = [];
  pool.within = (tenantUid) => {
    const database = within(tenantUid);
    return {
      ...database,
      query: (text, values) => {
        if (tenantUid !== INSTANCE_SCOPE) statements.push(text);
        return database.query(text, values);
      },
    };
  };
  t.teardown(() => {
    pool.within = within;
  });
  const asked = async (path: string, key: string): Promise<readonly string[]> => {
    statements = [];
    await api.send({ path, key, headers: { accept: "application/json" } });
    // the mark of a key's use is made once a minute
    return statements.filter((text) => !text.includes("last_used_at = now()"));
  };
  for (const { method, path } of api.operations) {
    const [first, ...others] = pathNames(path);
    if (method !== "GET" || first === undefined || first === "type") continue;
    const rest = Object.fromEntries(others.map((name) => [name, known[name]?.[0] ?? "none"]));
    const value = known[first]?.[0] ?? "";
    const own = await asked(fill(path, { ...rest, [first]: value }), owner);
    const there = await asked(fill(path, { ...rest, [first]: value }), stranger);
    const never = await asked(fill(path, { ...rest, [first]: twinOf(value) }), stranger);
    t.same(there, never, `${path}: ${never.length} statements`);
    t.ok(own.length >= never.length, `${path}: the control, its owner's answer needs ${own.length}`);
  }
});

t.test("K5 a foreign thing and one that never was are answered in the same time", async (t) => {
  const paths = [(run: string) => `/v1/runs/${run}`, (run: string) => `/v1/runs/${run}/evidence`];
  const measure = async (path: string): Promise<number> => {
    const startMs = performance.now();
    await api.send({ path, key: stranger });
    return performance.now() - startMs;
  };
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  for (const pathOf of paths) {
    const there: number[] = [];
    const never: number[] = [];
    // in turns, so that what else the machine does meets both alike
    for (let turn = 0; turn < 40; turn += 1) {
      there.push(await measure(pathOf(world.runUid)));
      never.push(await measure(pathOf(twinOf(world.runUid))));
    }
    const [one, other] = [median(there), median(never)];
    t.ok(
      Math.abs(one - other) <= Math.max(2, Math.max(one, other) / 2),
      `${pathOf("{run}")}: medians ${one.toFixed(2)} and ${other.toFixed(2)} ms`,
    );
  }
});

t.test("K5 the first tenant's idempotency keys, run ids and names are free for the second", async (t) => {
  for (const operation of api.operations) {
    const { method, path } = operation;
    if (!["POST", "PUT"].includes(method) || path.includes("{")) continue;
    const request = requestFor(operation, path);
    const used = `${world.idempotencyKey}${path.replaceAll("/", ".")}`;
    const bodyOf = (id: string) =>
      path === "/v1/runs" ? { id, steps: [{ id: "a", type: "noop" }] } : (request.body as object);
    const send = (key: string, id: string) =>
      api.send({ ...request, body: bodyOf(id), headers: { "idempotency-key": key } });
    const answer = await send(used, "acme-run-1");
    const fresh = await send(twinOf(used), "other-run-1");
    t.equal(answer.status, fresh.status, `${method} ${path}`);
    t.equal(answer.headers["idempotency-replayed"], undefined, path);
    // what another key's answer holds as well is the instance's: digests of packs
    const held = leaks(answer, request).filter((text) => !fresh.text.includes(text));
    t.same(held, [], path);
    t.notMatch(answer.text, PLANTED);
  }
});

t.test("K5 a tool is its tenant's own: another's is not there, and one of the same name is another", async (t) => {
  const name = "acme-own";
  const put = (key: string, result: JsonValue) => {
    const body = {
      executor: "noop",
      config: { result },
      input_schema: { type: "object", properties: { hint: { const: "x" } }, additionalProperties: false },
    };
    return api.send({ method: "PUT", path: `/v1/tools/${name}`, key, body });
  };
  t.match(await put(owner, "the first one's"), { status: 201, json: { version: 1 } });
  const ask = (key: string, tool: string) =>
    api.send({
      method: "POST",
      path: "/v1/steps",
      key,
      body: { step: { type: "tool", inputs: { tool, arguments: { hint: "x" } } } },
    });
  const decide = (key: string, tool: string) =>
    api.send({
      method: "POST",
      path: "/v1/decisions",
      key,
      body: { boundary: "scheduler", step: { type: "tool", inputs: { tool, arguments: { hint: "x" } } } },
    });
  const [known, never] = [await ask(stranger, name), await ask(stranger, "never-was")];
  t.match(known, { status: 422, json: { code: "PLAN_UNKNOWN_TOOL" } });
  t.same(bare(known), bare(never), "as a tool that never was");
  t.match((await decide(stranger, name)).json, { decision: { effect: "deny", reasons: ["tool_not_registered"] } });
  t.match((await decide(owner, name)).json, { decision: { effect: "allow" } }, "the control");
  t.match(await put(stranger, { $argument: "hint" }), { status: 201, json: { version: 1 } });
  t.match(await ask(stranger, name), { status: 200, json: { output: "x" } });
  t.match(await ask(owner, name), { status: 200, json: { output: "the first one's" } }, "and is what it was");
});

t.test("K5 nothing of the first tenant was changed by all this", async (t) => {
  const run = await api.send({ path: `/v1/runs/${world.runUid}`, key: owner });
  t.equal(run.json?.["status"], "failed");
  const held = await api.send({ path: `/v1/runs/${world.heldUid}`, key: owner });
  t.match(held.json, { status: "pending", steps: [{ status: "held" }] });
  t.match(await api.send({ path: "/v1/tools/acme-tickets", key: owner }), {
    json: { version: 1, config: { hint: PLANTED_HOST } },
  });
  const key = await api.send({ path: `/v1/keys/${known["key"]?.[0]}`, key: owner });
  t.equal(key.json?.["revoked_at"], undefined);
  t.match(await api.send({ path: `/v1/approvals/${known["approval"]?.[0]}`, key: owner }), { json: { state: "open" } });
  const letters = await api.send({ path: "/v1/dead-letters", key: owner });
  t.match(letters.json, { items: [{ run_uid: world.runUid, step_id: "breaks", redriven_as: undefined }] });
  t.match(await api.send({ path: "/v1/queue", key: owner }), { json: { is_paused: false, paused_types: [] } });
});
