/**
 * What a registration means at each place of the gate (spec 09, tools): packs, token, approvals, budgets, isolation, output.
 *
 * Not here: E2 and E3 (e2-e3-tools.test.ts), what may be registered (executors/tool/check-definition.test.ts).
 */
import t from "tap";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase, openTestDatabase } from "../storage/test-database.ts";
import { deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { done } from "./rig.ts";
import { call, GREETING, outputOf, performed, register, toolScene, toolsInRecords } from "./tool-desk.ts";

const toolOf = ({ digest, version }: JsonObject) => ({ digest, name: "greet", version });

t.test("a version is made by what changes, numbered, audited, and never edited", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await toolScene(t, database);
    const put = (definition: JsonObject) => at.operator("PUT", "/v1/tools/greet", definition);
    const one = await put(GREETING);
    t.match(one, { status: 201, json: { version: 1, effects: "read", idempotent: false, defaults: {}, limits: {} } });
    t.same((await put(GREETING)).status, 200, "the same again changes nothing");
    t.same((await put({ ...GREETING, idempotent: false, version: 1 })).json["digest"], one.json["digest"]);
    t.match(await put({ ...GREETING, version: 1, effects: "write" }), {
      status: 409,
      json: { code: "STATE_CONFLICT" },
    });
    const two = await put({ ...GREETING, effects: "none" });
    t.match(two, { status: 201, json: { version: 2 } });
    t.match(await put({ ...GREETING, version: 1 }), { status: 409 }, "an old one does not come back");
    t.match(await put({ ...GREETING, version: 9 }), { status: 201, json: { version: 9 } });
    t.match((await put(GREETING)).json, { version: 9 });
    const shown = await at.operator("GET", "/v1/tools/greet");
    t.match(shown.json, {
      version: 9,
      versions: [{ version: 9 }, { version: 2 }, { version: 1, digest: one.json["digest"] }],
    });
    t.match((await at.operator("GET", "/v1/tools/greet?version=2")).json, {
      effects: "none",
      digest: two.json["digest"],
    });
    t.match((await at.operator("GET", "/v1/tools")).json, { items: [{ name: "greet", version: 9 }] });
    t.match(await put({ ...GREETING, colour: "red" }), {
      status: 400,
      json: { code: "FIELD_INVALID", field: "/colour" },
    });
    t.match(await put({ ...GREETING, executor: "tool" }), { status: 400, json: { field: "/executor" } });
    t.equal((await at.submitter("PUT", "/v1/tools/greet", GREETING)).status, 403);
    t.match(
      await at.rig.rows("select actor, resource::text from stepgate.audit_log where action = 'tool.put' order by seq"),
      [{ actor: /^key:/, resource: new RegExp(`${one.json["digest"]}`) }, {}, {}],
      "one row for each version",
    );
    const { pool } = at.rig.stepgate.rooms;
    for (const edit of ["update stepgate.tools set version = 7", "delete from stepgate.tools"])
      await t.rejects(
        pool.within(at.rig.tenantUid).query(edit),
        { code: "STORE_REFUSED", detail: { sqlState: "42501" } },
        `${edit}: the service itself may not`,
      );
    t.equal((await at.rig.rows("select 1 from stepgate.audit_log where action = 'tool.put'")).length, 3);
  });
});

t.test("a name that is not registered is refused with the plan, and at the gate where its row is gone", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await toolScene(t, database);
    const refused = { status: 422, json: { code: "PLAN_UNKNOWN_TOOL", step: "a" } };
    const plans: readonly JsonObject[] = [
      call("greet", { name: "x" }),
      { type: "tool", inputs: {} },
      { type: "tool", inputs: { tool: 7 } },
      { type: "tool", inputs: { tool: { $from: "b", pointer: "/tool" }, arguments: {} } },
    ];
    for (const step of plans)
      t.match(
        await at.submitter("POST", "/v1/runs", {
          steps: [
            { id: "b", type: "noop" },
            { id: "a", ...step },
          ],
          edges: [["b", "a"]],
        }),
        refused,
        JSON.stringify(step),
      );
    t.match(await at.submitter("POST", "/v1/steps", { step: call("greet", {}) }), {
      status: 422,
      json: { code: "PLAN_UNKNOWN_TOOL" },
    });
    await register(at, "greet", GREETING);
    t.same(await outputOf(at, call("greet", { name: "x" })), { by: "one", to: "x" }, "the control");
    const held = await submitAs(at.submitter, {
      steps: [{ id: "a", ...call("other", { name: "x" }) }],
      debug: { breakpoints: [{ target: "step", value: "a" }] },
    }).catch((caught: unknown) => caught);
    t.type(held, TypeError);
    await register(at, "other", GREETING);
    for (const [spoil, reason] of [
      [
        "update stepgate.tools set definition = jsonb_set(definition, '{config}', '{\"by\": \"evil\"}') where name = 'other'",
        "tool_changed",
      ],
      ["delete from stepgate.tools where name = 'other'", "tool_not_registered"],
    ] as const) {
      const runUid = await submitAs(at.submitter, {
        steps: [{ id: "a", ...call("other", { name: "x" }) }],
        debug: { breakpoints: [{ target: "step", value: "a" }] },
      });
      await at.rig.until(runUid, (_, run) => run.status === "paused_at_step");
      await at.rig.rows(spoil);
      await at.operator("POST", `/v1/runs/${runUid}/resume`);
      await at.rig.ended(runUid);
      t.match(
        (await at.rig.steps(runUid)).get("a"),
        { errorKind: "no_executor", reasons: [reason], attemptsMade: 0 },
        reason,
      );
      await verifies(t, at.rig, runUid);
    }
    t.equal(at.calls.length, 1);
  });
});

t.test(
  "a row of an earlier release is read as it was meant; one that is not understood is refused alone",
  async (t) => {
    const at = await toolScene(t, await openTestDatabase(t));
    await register(at, "greet", GREETING);
    const store = async (name: string, definition: JsonObject) => {
      const digest = canonicalDigest({ name, ...definition });
      await at.rig.rows(
        "insert into stepgate.tools (tenant_uid, name, version, digest, definition) select tenant_uid, $1, 3, $2, $3 from stepgate.tools where name = 'greet'",
        [name, digest, JSON.stringify(definition)],
      );
      return { digest, name, version: 3 };
    };
    const { effects: _, ...old } = GREETING;
    const stored = await store("old", { version: 3, ...old });
    const broken: readonly (readonly [string, JsonObject])[] = [
      ["secret", { version: 3, ...old, secrets: [{ name: "KEY", ref: "crm/key", as: "env" }] }],
      ["future", { version: 3, ...old, sandbox: "vm" }],
      ["empty", {}],
      ["foreign", { version: 3, ...old, name: "greet" }],
      ["odd", { version: 3, ...old, limits: { tokens: "many" } }],
    ];
    for (const [name, definition] of broken) await store(name, definition);
    const { tenants } = at.rig.stepgate.rooms;
    const pins = await tenants.toolPins(at.rig.tenantUid, ["old", "greet"]);
    t.same(
      pins.map((pin) => Object.keys(pin).sort()),
      [1, 2].map(() => ["defaults", "digest", "name", "version"]),
      "a submission reads no definition",
    );
    const listed = await at.operator("GET", "/v1/tools");
    t.match(listed, {
      status: 200,
      json: { items: [{ name: "greet" }, { name: "old", version: 3, effects: "write" }] },
    });
    t.match(
      await at.operator("GET", "/v1/tools?limit=2"),
      { status: 200, json: { items: [], next: String } },
      "a page of rows that are left out leads on",
    );
    t.match(await at.operator("GET", "/v1/tools/old"), {
      status: 200,
      json: { version: 3, defaults: {}, limits: {}, idempotent: false, versions: [{ version: 3 }] },
    });
    const called = await performed(at, call("old", { name: "ada" }));
    t.match(called, { state: "succeeded" });
    t.match(await toolsInRecords(at, called.runUid), [{ tool: stored }, { tool: stored }]);
    await verifies(t, at.rig, called.runUid);
    for (const [name] of broken) {
      t.match(await at.operator("GET", `/v1/tools/${name}`), { status: 409, json: { code: "TOOL_UNREADABLE" } }, name);
      t.match(
        await performed(at, call(name, { name: "ada" })),
        { errorKind: "no_executor", reasons: ["tool_unusable"], attemptsMade: 0 },
        name,
      );
      t.match(await at.operator("PUT", `/v1/tools/${name}`, GREETING), { status: 201, json: { version: 4 } }, name);
      t.match(await performed(at, call(name, { name: "ada" })), { state: "succeeded" }, `${name}, registered again`);
    }
  },
);

t.test("packs see the tool, tokens and records name its definition, and decisions outside a run do too", async (t) => {
  const seen: JsonObject[] = [];
  const at = await toolScene(t, await openTestDatabase(t), {
    runtime: (input) => {
      seen.push(input);
      const { arguments: given }: JsonObject = isJsonObject(input["inputs"]) ? input["inputs"] : {};
      return isJsonObject(given) && given["name"] === "swap"
        ? { effect: "redact", patches: [{ op: "replace", path: "/inputs/arguments/name", value: 7 }] }
        : { effect: "allow" };
    },
  });
  const one = await register(at, "greet", GREETING);
  const { runUid } = await performed(at, call("greet", { name: "ada" }));
  const view = {
    ...toolOf(one),
    effects: "read",
    executor: "sink",
    idempotent: false,
    inputs: { by: "one", to: "ada" },
  };
  t.same(new Set(seen.map(({ tool }) => JSON.stringify(tool))).size, 1, "before and after the effect");
  t.same(seen[0]?.["tool"], view);
  const [sunk] = at.calls;
  const claims = parseJson(Buffer.from(String(sunk?.token.split(".")[1]), "base64url").toString());
  const details = isJsonObject(claims) ? claims["authorization_details"] : undefined;
  t.match(details, [
    {
      locations: ["adapter:noop"],
      tools: { greet: { definition: { constraint_type: "schema_digest", sha256: one["digest"] } }, noop: {} },
    },
  ]);
  t.same(
    (await toolsInRecords(at, runUid)).map(({ kind, tool }) => [kind, tool]),
    [
      ["admission", toolOf(one)],
      ["outcome", toolOf(one)],
    ],
  );
  const started = (await at.rig.events(runUid)).find(({ type }) => type === "step_started");
  t.same(started?.data["tool"], toolOf(one));
  await verifies(t, at.rig, runUid);

  seen.length = 0;
  const decide = (step: JsonObject) => at.submitter("POST", "/v1/decisions", { boundary: "scheduler", step });
  const answer = await decide(call("greet", { name: "ada" }));
  t.match(answer, { status: 200, json: { decision: { effect: "allow" } } });
  t.same(seen[0]?.["tool"], view);
  const record = await at.submitter("GET", `/v1/records/${answer.json["record_id"]}`);
  t.match(record.json["record"], { predicate: { tool: toolOf(one) } });
  seen.length = 0;
  const denied = (reason: string) => ({
    status: 200,
    json: { decision: { effect: "deny", reasons: [reason], evaluations: [] } },
  });
  for (const given of [{}, { name: 7 }, { name: "x".repeat(21) }, { name: "x", shell: "id" }])
    t.match(await decide(call("greet", given)), denied("inputs_invalid"), JSON.stringify(given));
  t.equal(seen.length, 0, "refused before any pack decides, as at the gate");
  const swapped = await decide(call("greet", { name: "swap" }));
  t.match(swapped, { status: 200, json: { decision: { effect: "deny", reasons: ["inputs_invalid_after_patch"] } } });
  t.notOk("inputs" in swapped.json, "what would not run is not handed out");
  const out = { boundary: "egress_tool", step: { type: "tool", inputs: { tool: "greet" } }, output: "x" };
  t.match(
    await at.submitter("POST", "/v1/decisions", out),
    { status: 200, json: { decision: { effect: "allow" } } },
    "what came out is asked about without what went in",
  );
  t.match(await decide(call("other", {})), {
    status: 200,
    json: { decision: { effect: "deny", reasons: ["tool_not_registered"] } },
  });
});

t.test("a held call shows the tool's digest, and a change meanwhile does not alter what was approved", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const at = await toolScene(t, database, { runtime: holdUntilApproved });
    const bob = await deskOf(at.rig, "bob", "approver", "reader");
    const one = await register(at, "greet", GREETING);
    const runUid = await submitAs(at.submitter, { steps: [{ id: "a", ...call("greet", { name: "ada" }) }] });
    const approvalId = await openApproval(at.rig, runUid);
    await register(at, "greet", { ...GREETING, config: { by: "evil" } });
    const shown = await bob("GET", `/v1/approvals/${approvalId}`);
    t.match(shown.json, {
      tool: toolOf(one),
      shown: { form: { tool: one["digest"], request: { type: "tool", inputs: { tool: "greet" } } } },
    });
    t.equal((await bob("POST", `/v1/approvals/${approvalId}`, { decision: "approve" })).status, 200);
    t.equal((await at.rig.ended(runUid)).status, "succeeded");
    t.same(
      at.calls.map(({ spec }) => spec.inputs),
      [{ by: "one", to: "ada" }],
    );
    const named = await toolsInRecords(at, runUid);
    t.same(
      named
        .filter(({ tool }) => tool !== null)
        .map(({ kind }) => kind)
        .sort(),
      ["admission", "hold", "outcome"],
    );
    t.ok(named.every(({ tool }) => tool === null || JSON.stringify(tool) === JSON.stringify(toolOf(one))));
    await verifies(t, at.rig, runUid);
    const rejected = await submitAs(at.submitter, { steps: [{ id: "a", ...call("greet", { name: "eve" }) }] });
    await bob("POST", `/v1/approvals/${await openApproval(at.rig, rejected)}`, { decision: "reject" });
    await at.rig.ended(rejected);
    t.match(
      await toolsInRecords(at, rejected),
      [{ kind: "approval" }, { kind: "hold", tool: { version: 2 } }, { kind: "refusal", tool: { version: 2 } }],
      "the refusal after a hold names it too",
    );
    await verifies(t, at.rig, rejected);
  });
});

t.test(
  "an approval of a call is void when the settings of its tool's executor change, and holds when others do",
  async (t) => {
    const at = await toolScene(t, await openTestDatabase(t), { runtime: holdUntilApproved });
    const bob = await deskOf(at.rig, "bob", "approver");
    const { executor: _sink, config: _config, ...rest } = GREETING;
    await register(at, "greet", { ...rest, executor: "process", config: { command: ["echo", { $argument: "name" }] } });
    const change = async (type: string, settings: JsonObject) =>
      t.equal((await at.operator("PUT", `/v1/executors/${type}`, settings)).status, 200);
    const approve = async (approvalId: string) =>
      t.equal((await bob("POST", `/v1/approvals/${approvalId}`, { decision: "approve" })).status, 200);
    const runUid = await submitAs(at.submitter, { steps: [{ id: "a", ...call("greet", { name: "ada" }) }] });
    const first = await openApproval(at.rig, runUid);
    await change("process", { programs: { echo: { path: "/usr/bin/echo", fixed_args: ["-n"] } } });
    await approve(first);
    const isOpen = ({ type, data }: { readonly type: string; readonly data: JsonObject }) =>
      type === "step_held" && data["approval_id"] !== first;
    await at.rig.untilEvent(runUid, isOpen);
    t.match((await at.rig.steps(runUid)).get("a"), { attemptsMade: 0 }, "what was approved is not what would run");
    const second = await openApproval(at.rig, runUid);
    t.not(second, first);
    await change("http", { hosts: ["crm.example"] });
    await approve(second);
    t.equal((await at.rig.ended(runUid)).status, "succeeded", "settings of another type change nothing");
    await verifies(t, at.rig, runUid);
  },
);

t.test("defaults hold where a step says nothing, limits and egress whatever it says", async (t) => {
  const at = await toolScene(t, await openTestDatabase(t), { perform: () => done(null, { tokens: 3, usdMicros: 0 }) });
  await register(at, "greet", { ...GREETING, defaults: { tokens: 50, usd_micros: 7, deadline_ms: 60_000 } });
  await performed(at, call("greet", { name: "x" }));
  t.match(at.calls.at(-1), {
    reserved: { tokens: 50, usdMicros: 7 },
    limits: { tokens: 50, usd_micros: 7 },
    spec: { execution: { deadline_ms: 60_000, cost_hint: { tokens: 50, usd_micros: 7 } } },
  });
  await performed(at, call("greet", { name: "x" }, { execution: { cost_hint: { tokens: 9 }, deadline_ms: 30_000 } }));
  t.match(at.calls.at(-1), { reserved: { tokens: 9, usdMicros: 7 }, spec: { execution: { deadline_ms: 30_000 } } });
  await performed(at, call("greet", { name: "x" }, { policy: { budget: { tokens: 20 } } }));
  t.match(at.calls.at(-1), { reserved: { tokens: 20, usdMicros: 7 } }, "the step's own cap stands above");
  const run = { steps: [{ id: "a", ...call("greet", { name: "x" }) }], budget: { tokens: 49 } };
  t.match(await at.submitter("POST", "/v1/runs", run), { status: 422, json: { code: "PLAN_NEVER_ADMISSIBLE" } });

  await register(at, "capped", { ...GREETING, limits: { tokens: 40, wall_ms: 1_500 }, egress: ["crm.example"] });
  t.match(await performed(at, call("capped", { name: "x" }, { execution: { cost_hint: { tokens: 40 } } })), {
    state: "succeeded",
  });
  t.match(at.calls.at(-1)?.limits, { calls: 1, tokens: 40, wall_ms: 1_500 });
  const calls = at.calls.length;
  t.match(await performed(at, call("capped", { name: "x" }, { execution: { cost_hint: { tokens: 41 } } })), {
    errorKind: "capability_denied",
    reasons: ["limit_tokens"],
    attemptsMade: 0,
  });
  const ask = { method: "GET", url: "https://other.example/" };
  await register(at, "ask", {
    executor: "http",
    config: ask,
    input_schema: { type: "object" },
    egress: ["crm.example"],
  });
  await at.operator("PUT", "/v1/executors/http", { hosts: ["other.example", "crm.example"] });
  t.match(await performed(at, call("ask", {})), { errorKind: "capability_denied", reasons: ["egress"] });
  t.equal(at.calls.length, calls);
});

t.test("a tool runs under its executor's settings, and never in less isolation than it asks for", async (t) => {
  const at = await toolScene(t, await openTestDatabase(t));
  const echo = { executor: "process", config: { command: ["echo", "-n", { $argument: "text" }] }, effects: "none" };
  const schema = { input_schema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] } };
  await register(at, "say", { ...echo, ...schema, min_isolation: "namespaces" });
  t.match(await outputOf(at, call("say", { text: "$(id); `id`" })), { stdout: "$(id); `id`", exit_code: 0 });
  await register(at, "other", { ...echo, ...schema, config: { command: ["id", { $argument: "text" }] } });
  t.match(await performed(at, call("other", { text: "-u" })), { errorKind: "program_not_allowed" });
  await register(at, "vault", { ...echo, ...schema, min_isolation: "vm" });
  t.match(await performed(at, call("vault", { text: "x" })), { errorKind: "sandbox_unavailable", attemptsMade: 0 });
  const { tenants } = at.rig.stepgate.rooms;
  const settle = (settings: JsonObject) =>
    tenants.put({
      ...{ tenantUid: at.rig.tenantUid, tenantId: "default", weight: 1, isPaused: false, quotas: [], actor: "test" },
      settings: { runtime_pack: "runtime", required_guardrails: [], ...settings },
    });
  await settle({ weaker_isolation_allowed: ["process", "tool"] });
  t.match(
    await performed(at, call("vault", { text: "x" })),
    { errorKind: "sandbox_unavailable" },
    "what is allowed by type lifts no tool's own floor",
  );
  await settle({ min_isolation: { tool: "vm" } });
  t.match(
    await performed(at, call("say", { text: "x" })),
    { errorKind: "sandbox_unavailable" },
    "the floor of the type tool",
  );
  await settle({ min_isolation: { process: "vm" } });
  t.match(await performed(at, call("say", { text: "x" })), { errorKind: "sandbox_unavailable" }, "the executor's");
  await settle({ min_isolation: { process: "vm", tool: "vm" }, weaker_isolation_allowed: ["process", "tool"] });
  const lifted = await performed(at, call("say", { text: "x" }));
  t.match(lifted, { state: "succeeded" });
  const rows = await at.rig.rows("select statement from stepgate.records where run_uid = $1 and kind = 'admission'", [
    lifted.runUid,
  ]);
  t.match(rows, [{ statement: /"weaker_isolation_allowed":true/ }], "and the record says so");
});

t.test("an output of another form than promised fails the step at once, charged", async (t) => {
  const failing: ExecutorResult = {
    ok: false,
    kind: "execution_error",
    retryable: true,
    code: "boom",
    message: "",
    usage: { tokens: 1, usdMicros: 0 },
    toolEvents: [],
  };
  const at = await toolScene(t, await openTestDatabase(t), {
    perform: ({ spec }) =>
      spec.inputs["to"] === "boom" ? failing : done({ card: spec.inputs["to"] ?? null }, { tokens: 5, usdMicros: 0 }),
  });
  const output = { type: "object", properties: { card: { type: "string", maxLength: 4 } } };
  await register(at, "greet", { ...GREETING, output_schema: output });
  const tried = { execution: { max_attempts: 3, retry_backoff_ms: 1, cost_hint: { tokens: 10 } } };
  const wrong = await performed(at, call("greet", { name: "4111-1111" }, tried));
  t.match(wrong, {
    state: "failed",
    errorKind: "execution_error",
    reasons: ["output_schema"],
    attemptsMade: 1,
    tokens: 5,
  });
  t.equal(wrong.outputBlob, undefined, "what was returned is kept nowhere");
  t.match(
    await performed(at, call("greet", { name: "boom" }, tried)),
    { reasons: ["boom"], attemptsMade: 3 },
    "the control",
  );
  t.match(await performed(at, call("greet", { name: "4111" }, tried)), {
    state: "succeeded",
    provider: "greet",
    providerVersion: "1",
  });
  await verifies(t, at.rig, wrong.runUid);
  await register(at, "greet", { ...GREETING, output_schema: { type: "object" } });
  const again = await at.operator("POST", `/v1/dead-letters/${wrong.runUid}/a/redrive`, {});
  t.equal(again.status, 201);
  const redriven = String(again.json["run_uid"]) as RunUid;
  t.equal(
    (await at.rig.ended(redriven)).status,
    "succeeded",
    "a redrive is a new run: it takes the version that was mended",
  );
  t.match(await toolsInRecords(at, redriven), [{ tool: { version: 2 } }, { tool: { version: 2 } }]);
  await verifies(t, at.rig, redriven);
});

t.test("owasp_agentic holds a call that its executor would hold, whatever the tool is called", async (t) => {
  const at = await toolScene(t, await openTestDatabase(t), { tenant: { required_guardrails: ["owasp_agentic"] } });
  const ask = (method: string): JsonObject => ({
    executor: "http",
    config: { method, url: { $url: "https://crm.example/v1/{id}" } },
    input_schema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
    effects: "none",
  });
  await register(at, "tickets.tidy", ask("DELETE"));
  await register(at, "tickets.find", ask("GET"));
  const decide = async (tool: string) => {
    const answer = await at.submitter("POST", "/v1/decisions", {
      boundary: "ingress_tool",
      step: call(tool, { id: "7" }),
    });
    return answer.json["decision"];
  };
  t.match(await decide("tickets.tidy"), { effect: "hold", reasons: ["asi.destructive_call"] });
  t.match(await decide("tickets.find"), { effect: "allow" }, "the control");
  const runUid = await submitAs(at.submitter, { steps: [{ id: "a", ...call("tickets.tidy", { id: "7" }) }] });
  t.ok(await openApproval(at.rig, runUid), "and at the gate it waits for a person");
});

t.test("tool_acl decides on the tool that is registered: its name, and the effects of its definition", async (t) => {
  const grant = { roles: ["submitter"], step_types: ["tool"], tools: ["crm.*"], effects: ["read"] };
  const at = await toolScene(t, await openTestDatabase(t), {
    tenant: { required_guardrails: ["tool_acl"], labels: { tool_acl: { grants: [grant] } } },
  });
  await register(at, "crm.find", GREETING);
  await register(at, "mail.send", GREETING);
  await register(at, "crm.delete", { ...GREETING, effects: "write" });
  t.match(await performed(at, call("crm.find", { name: "x" })), { state: "succeeded" });
  for (const tool of ["mail.send", "crm.delete"])
    t.match(
      await performed(at, call(tool, { name: "x" })),
      { errorKind: "policy_denied", reasons: ["acl.not_granted"] },
      tool,
    );
  await register(at, "crm.find", { ...GREETING, effects: "write" });
  t.match(
    await performed(at, call("crm.find", { name: "x" })),
    { errorKind: "policy_denied" },
    "a new version that writes",
  );
  const direct = await performed(at, { type: "sink", inputs: {} });
  t.match(direct, { errorKind: "policy_denied" }, "the executor itself is not granted by the tool's name");
  t.equal(at.calls.length, 1);
});
