/**
 * A tool's secrets (spec 09): kept sealed by name, handed to its executor at *execute*, and to nobody else.
 *
 * Not here: the scan of everything that is stored (secrets-at-rest.test.ts), names and places (executors/).
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import { PROCESS_SECRETS } from "../../src/executors/process/secret-env.ts";
import { PERL } from "../executors/process/sandbox.ts";
import { forEachDatabase, openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { type Decide, done, failure, makeSink, startRig } from "./rig.ts";
import { call, GREETING, outputOf, performed, register, type ToolScene } from "./tool-desk.ts";
import { startWorker } from "./workers.ts";

const VALUE = "crm-9f86d081884c7d65-value";
const ASKS: JsonObject = { ...GREETING, secrets: [{ name: "CRM_KEY", ref: "crm.key", as: "env" }] };

interface Scene extends ToolScene {
  /** Everything that a pack was shown, as text. */
  readonly shown: readonly string[];
}

async function scene(
  t: Test,
  database: TestDatabase,
  perform: (context: ExecutionContext) => ExecutorResult = ({ spec }) => done(spec.inputs),
  env: Readonly<Record<string, string>> = {},
): Promise<Scene> {
  const sink = makeSink(perform);
  const shown: string[] = [];
  const runtime: Decide = (input) => {
    shown.push(JSON.stringify(input));
    return { effect: "allow" };
  };
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [{ ...sink.adapter, secrets: PROCESS_SECRETS }],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env,
  });
  const [operator, submitter] = [
    await deskOf(rig, "olga", "operator"),
    await deskOf(rig, "sam", "submitter", "reader"),
  ];
  return { rig, operator, submitter, calls: sink.calls, shown };
}

const keep = ({ operator }: Pick<Scene, "operator">, name: string, value: string) =>
  operator("PUT", `/v1/secrets/${name}`, { value });

t.test("a secret is kept, replaced and erased by operators, audited, and its value is in no answer", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await scene(t, database);
    const answers = [await keep(at, "crm.key", VALUE), await keep(at, "crm.key", VALUE)];
    t.match(answers, [
      { status: 201, json: { name: "crm.key", version: 1, fits: ["env", "header"] } },
      { status: 200, json: { version: 2 } },
    ]);
    const [before] = await at.rig.rows("select wrapped_key, sealed from stepgate.secrets");
    answers.push(await keep(at, "crm.key", `${VALUE}\nand more`));
    const [after] = await at.rig.rows("select wrapped_key, sealed from stepgate.secrets");
    t.notSame(after, before, "the value before and its key are replaced");
    await register(at, "greet", ASKS);
    for (const person of [at.operator, at.submitter]) {
      answers.push(await person("GET", "/v1/secrets"), await person("GET", "/v1/secrets/crm.key"));
      t.match(answers.slice(-2), [
        { json: { items: [{ name: "crm.key", version: 3, fits: ["env"] }] } },
        { json: { name: "crm.key", version: 3, fits: ["env"], tools: ["greet"] } },
      ]);
    }
    for (const [why, value] of [
      ["too short", "1234567"],
      ["too long", VALUE.repeat(400)],
      ["no text", 12345678],
    ] as const) {
      const refused = await at.operator("PUT", "/v1/secrets/bad", { value });
      t.match(refused, { status: 400, json: { code: "FIELD_INVALID", field: "/value" } }, why);
      t.notOk(JSON.stringify(refused).includes(String(value)), `${why}: it is not said again`);
    }
    t.match(await at.operator("PUT", "/v1/secrets/bad", { value: VALUE, more: 1 }), { status: 400 });
    t.match(await at.submitter("PUT", "/v1/secrets/crm.key", { value: VALUE }), { status: 403 });
    t.match(await at.submitter("DELETE", "/v1/secrets/crm.key"), { status: 403 });
    t.match(await at.operator("DELETE", "/v1/secrets/crm.key"), { status: 204 });
    t.match(await at.operator("DELETE", "/v1/secrets/crm.key"), { status: 404 });
    t.match(await at.operator("GET", "/v1/secrets/crm.key"), { status: 404 });
    t.same(await at.rig.rows("select 1 from stepgate.secrets"), [], "its key goes with it");
    const audited =
      "select action, actor, resource::text from stepgate.audit_log where action like 'secret.%' order by seq";
    t.match(await at.rig.rows(audited), [
      { action: "secret.put", actor: /^key:/, resource: /"version": ?1/ },
      { action: "secret.put" },
      { action: "secret.put", resource: /"version": ?3/ },
      { action: "secret.remove", resource: /crm\.key/ },
    ]);
    t.notOk(
      JSON.stringify([answers, await at.rig.rows("select resource::text from stepgate.audit_log")]).includes(VALUE),
    );
    t.match((await keep(at, "crm.key", VALUE)).json, { version: 1 }, "one that is put again is another one");
  });
});

t.test("a repeated write answers as the first did, another value under its key is refused", async (t) => {
  const at = await scene(t, await openTestDatabase(t));
  const put = (value: string) => at.operator("PUT", "/v1/secrets/crm.key", { value }, { "idempotency-key": "once" });
  t.match(await put(VALUE), { status: 201, json: { version: 1 } });
  t.match(await put(VALUE), { status: 201, json: { version: 1 } });
  t.match(await put(`${VALUE}x`), { status: 409, json: { code: "IDEMPOTENCY_MISMATCH" } });
  t.match((await at.operator("GET", "/v1/secrets/crm.key")).json, { version: 1 });
});

t.test(
  "a tool that could not be handed what it asks for is not registered, and the answer says what to do",
  async (t) => {
    const at = await scene(t, await openTestDatabase(t));
    const put = (change: JsonObject) => at.operator("PUT", "/v1/tools/greet", { ...ASKS, ...change });
    const refused = (code: string, detail: JsonObject = {}) => ({ status: 422, json: { code, ...detail } });
    t.match(await put({}), refused("TOOL_SECRET_MISSING", { ref: "crm.key" }));
    t.match((await put({})).json, { title: /PUT \/v1\/secrets/ }, "what to do next");
    t.equal((await keep(at, "crm.key", "two\nlines of it")).status, 201);
    const header = { secrets: [{ name: "X-Key", ref: "crm.key", as: "header" }] };
    t.match(await put(header), refused("TOOL_SECRET_PLACE", { executor: "sink", as: "header", takes: "env" }));
    const http = {
      executor: "http",
      config: { method: "GET", url: "https://crm.example/" },
      input_schema: { type: "object" },
    };
    t.match(await put({ ...http, ...header }), refused("TOOL_SECRET_UNFIT", { ref: "crm.key" }));
    t.match(await put(http), refused("TOOL_SECRET_PLACE", { executor: "http", as: "env", takes: "header" }));
    const noop = { executor: "noop", config: {}, input_schema: { type: "object" } };
    t.match(await put(noop), refused("TOOL_SECRET_PLACE", { executor: "noop" }));
    const named = (name: string) => put({ secrets: [{ name, ref: "crm.key", as: "env" }] });
    t.match(await named("LD_PRELOAD"), { status: 400, json: { code: "FIELD_INVALID", field: "/secrets/0/name" } });
    t.match(await put({ secrets: [{ name: "A", ref: "no ref", as: "env" }] }), {
      status: 400,
      json: { field: "/secrets/0/ref" },
    });
    const one = await put({});
    t.match(one, { status: 201, json: { version: 1, secrets: [{ name: "CRM_KEY", ref: "crm.key", as: "env" }] } });
    await keep(at, "crm.other", VALUE);
    const both = [
      { name: "B", ref: "crm.key", as: "env" },
      { name: "A", ref: "crm.other", as: "env" },
    ];
    const two = await put({ secrets: both });
    t.match(two, { status: 201, json: { version: 2, secrets: [{ name: "A" }, { name: "B" }] } });
    t.not(two.json["digest"], one.json["digest"], "the digest covers name and reference");
    t.match(await put({ secrets: both.toReversed() }), { status: 200, json: { digest: two.json["digest"] } });
    await keep(at, "crm.key", VALUE);
    t.match(await put({ secrets: both }), { status: 200, json: { version: 2 } }, "it does not cover the value");
    t.match(await put({ secrets: [] }), { status: 201, json: { version: 3 } });
    t.equal((await put({ secrets: [] })).json["secrets"], undefined, "none is the same as no list");
  },
);

t.test(
  "its executor is handed the values as they are now, by name; packs, token and records know of none",
  async (t) => {
    const at = await scene(t, await openTestDatabase(t));
    await keep(at, "crm.key", VALUE);
    await keep(at, "crm.user", "someone-else");
    const secrets = [
      { name: "CRM_KEY", ref: "crm.key", as: "env" },
      { name: "CRM_USER", ref: "crm.user", as: "env" },
      { name: "CRM_KEY_AGAIN", ref: "crm.key", as: "env" },
    ];
    const { digest } = await register(at, "greet", { ...GREETING, secrets });
    const first = await performed(at, call("greet", { name: "x" }));
    t.match(first, { state: "succeeded" });
    await keep(at, "crm.key", `${VALUE}-new`);
    t.match(await performed(at, call("greet", { name: "x" })), { state: "succeeded" });
    t.match(await performed(at, { type: "sink", inputs: {} }), { state: "succeeded" });
    t.same(
      at.calls.map((context) => context.secrets),
      [
        [
          { name: "CRM_KEY", value: VALUE },
          { name: "CRM_KEY_AGAIN", value: VALUE },
          { name: "CRM_USER", value: "someone-else" },
        ],
        [
          { name: "CRM_KEY", value: `${VALUE}-new` },
          { name: "CRM_KEY_AGAIN", value: `${VALUE}-new` },
          { name: "CRM_USER", value: "someone-else" },
        ],
        [],
      ],
      "with the next call the new one, and without a tool none",
    );
    t.ok(
      at.shown.some((text) => text.includes(String(digest))),
      "the control: packs saw the tool",
    );
    const told = at.calls.map(({ token, demand, request, settings, spec }) => [
      Buffer.from(token.split(".")[1] ?? "", "base64url").toString(),
      ...[demand, request.canonical, settings, spec],
    ]);
    t.notOk(JSON.stringify([at.shown, told]).includes(VALUE));
  },
);

t.test("a secret that is gone, was altered or fits no more refuses the step before anything runs", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await scene(t, database);
    await keep(at, "crm.key", VALUE);
    await keep(at, "other.key", VALUE);
    await register(at, "greet", ASKS);
    const step = call("greet", { name: "x" });
    const refusal = (reason: string) => ({ errorKind: "no_executor", reasons: [reason], attemptsMade: 0 });
    const decision = async () =>
      (await at.submitter("POST", "/v1/decisions", { boundary: "ingress_tool", step })).json["decision"];
    t.match(await decision(), { effect: "allow" });
    for (const [why, spoil] of [
      [
        "another one's value in its row",
        "update stepgate.secrets t set sealed = f.sealed, wrapped_key = f.wrapped_key from stepgate.secrets f where t.name = 'crm.key' and f.name = 'other.key'",
      ],
      [
        "another one's row under its name",
        "delete from stepgate.secrets where name = 'crm.key'; update stepgate.secrets set name = 'crm.key'",
      ],
    ] as const) {
      for (const statement of spoil.split("; ")) await at.rig.rows(statement);
      t.match(await performed(at, step), refusal("tool_secret_unreadable"), why);
    }
    t.match(await at.operator("DELETE", "/v1/secrets/crm.key"), { status: 204 });
    const gone = await performed(at, step);
    t.match(gone, refusal("tool_secret_missing"));
    const events = await at.rig.events(gone.runUid);
    t.match(
      events.find(({ type }) => type === "step_refused")?.data,
      { detail: { ref: "crm.key" } },
      "which one it was",
    );
    t.match(await decision(), { effect: "deny", reasons: ["tool_secret_missing"] });
    t.same(at.calls, [], "nothing was called");
    await keep(at, "crm.key", VALUE);
    t.match(await performed(at, step), { state: "succeeded" }, "the control: put again, it runs");
  });
});

t.test("whatever comes back is masked before it is inspected or kept, and a code that holds one is none", async (t) => {
  const b64 = Buffer.from(`{"key":"${VALUE}"}`).toString("base64");
  const toolEvents = [{ kind: "printed", payload: { [VALUE]: [b64] } }];
  const at = await scene(t, await openTestDatabase(t), ({ spec }) => {
    switch (spec.inputs["to"]) {
      case "good":
        return { ...done({ text: `a ${VALUE} b`, [VALUE]: 1 }), checkpoint: [VALUE], toolEvents, provider: VALUE };
      case "bad":
        return failure({ message: `no ${VALUE}`, details: { stderr: VALUE }, retryable: false, toolEvents });
      case "code":
        return failure({ code: VALUE, retryable: false });
      default:
        throw new TypeError(`cannot use ${VALUE}`);
    }
  });
  await keep(at, "crm.key", VALUE);
  await register(at, "greet", ASKS);
  t.same(await outputOf(at, call("greet", { name: "good" })), { text: "a [secret] b", "[secret]": 1 });
  const once = { execution: { max_attempts: 1 } };
  t.match(await performed(at, call("greet", { name: "bad" }, once)), { reasons: ["boom"] });
  t.match(await performed(at, call("greet", { name: "code" }, once)), { reasons: ["result_malformed"] });
  t.match(await performed(at, call("greet", { name: "throws" }, once)), { reasons: ["adapter_threw"] });
  const seen = at.shown.filter((text) => text.includes("egress_tool"));
  t.ok(seen.some((text) => text.includes("no [secret]") && text.includes('"stderr":"[secret]"')));
  t.ok(seen.some((text) => text.includes("cannot use [secret]")));
  for (const text of at.shown) t.notOk(text.includes(VALUE) || text.includes(b64));
});

t.test("a program has it in its environment, a request in its headers; what either says of it is masked", async (t) => {
  const at = await scene(t, await openTestDatabase(t));
  const headers: unknown[] = [];
  const server = createServer((request, response) => {
    headers.push(request.headers.authorization);
    response.setHeader("x-echo", request.headers.authorization ?? "");
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ got: request.headers.authorization?.slice("Bearer ".length) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const hostPort = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { hosts: [hostPort], allow_private: [hostPort] };
  t.equal((await at.operator("PUT", "/v1/executors/process", PERL)).status, 200);
  t.equal((await at.operator("PUT", "/v1/executors/http", settings)).status, 200);
  await keep(at, "crm.key", `Bearer ${VALUE}`);
  const code = "print $ENV{CRM_KEY}, qq(\\n), unpack(q(H*), $ENV{CRM_KEY}); print STDERR scalar reverse $ENV{CRM_KEY}";
  await register(at, "crm.print", {
    executor: "process",
    config: { command: ["perl", "-e", code] },
    input_schema: { type: "object" },
    secrets: [{ name: "CRM_KEY", ref: "crm.key", as: "env" }],
  });
  t.match(
    await outputOf(at, call("crm.print", {})),
    {
      stdout: "[secret]\n[secret]",
      stderr: [...`Bearer ${VALUE}`].reverse().join(""),
    },
    "the control: it was there, and what a tool spells in a way of its own is not found",
  );
  await register(at, "crm.find", {
    executor: "http",
    config: { method: "GET", url: `http://${hostPort}/`, headers: { $argument: "headers" } },
    input_schema: { type: "object", properties: { headers: { type: "object" } } },
    effects: "read",
    secrets: [{ name: "Authorization", ref: "crm.key", as: "header" }],
  });
  t.match(await outputOf(at, call("crm.find", {})), { json: { got: "[secret]" }, headers: { "x-echo": "[secret]" } });
  t.same(headers, [`Bearer ${VALUE}`]);
  const own = await performed(at, call("crm.find", { headers: { authorization: "Bearer mine" } }));
  t.match(own, { errorKind: "invalid_request", reasons: ["secret_name_taken"], attemptsMade: 0 });
  t.equal((await at.operator("PUT", "/v1/executors/http", { hosts: [hostPort] })).status, 200);
  const open = await performed(at, call("crm.find", {}));
  t.match(open, { errorKind: "invalid_request", reasons: ["secret_needs_https"], attemptsMade: 0 });
  t.equal(headers.length, 1);
});

t.test("a process that only works hands them over too", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await scene(t, database, undefined, { STEPGATE_ROLE: "gateway" });
    const effects = join(t.testdir({}), "effects");
    await startWorker(t, { rig: at.rig, database });
    await keep(at, "crm.key", VALUE);
    await register(at, "greet", { ...ASKS, config: { effects_file: effects } });
    t.match(await performed(at, call("greet", { name: "Ada" })), { state: "succeeded" });
    t.match(await readFile(effects, "utf8"), new RegExp(` a 1 CRM_KEY=${VALUE}\n$`));
    t.same(at.calls, [], "the control: not the process that has the API");
  });
});
