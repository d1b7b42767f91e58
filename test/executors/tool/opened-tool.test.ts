/** One version of a tool: what it makes of inputs, which token it takes, what it makes of its executor's answer. */
import t from "tap";
import { canonicalDigest } from "../../../src/core/canonical-json.ts";
import type { Digest, TenantUid } from "../../../src/core/ids.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { definitionJson, type ToolDefinition, type ToolRef } from "../../../src/core/tool.ts";
import type { ExecutionContext, ExecutorAdapter, ExecutorResult } from "../../../src/executors/contract.ts";
import { makeNoopAdapter } from "../../../src/executors/noop/noop-adapter.ts";
import { makeOpenTools } from "../../../src/executors/tool/open-tools.ts";
import type { OpenedTool } from "../../../src/executors/tool/opened-tool.ts";
import { makeToolAdapter } from "../../../src/executors/tool/tool-adapter.ts";
import { makeValidateInputs } from "../../../src/executors/validate-inputs.ts";
import { visiblePath } from "../../../src/redaction/visible-path.ts";
import { adapterDeps, callOf, never, refusingVerifier, stepSpec } from "../call.ts";

const TENANT = "0199c1b2-0000-7000-8000-000000000001" as TenantUid;
const GREET: ToolDefinition = {
  name: "greet",
  version: 1,
  executor: "noop",
  config: { result: { hello: { $argument: "name" } }, usage: { tokens: 3 } },
  input_schema: {
    type: "object",
    properties: { name: { type: "string" } },
    required: ["name"],
    additionalProperties: false,
  },
  output_schema: { type: "object", properties: { hello: { maxLength: 5 } }, required: ["hello"] },
  effects: "read",
  idempotent: true,
  defaults: {},
  limits: {},
};
const inputs = (name: JsonValue): JsonObject => ({ tool: "greet", arguments: { name } });
const refOf = (definition: ToolDefinition): ToolRef => ({
  name: definition.name,
  version: definition.version,
  digest: canonicalDigest(definitionJson(definition)),
});

/** Opens what is stored; counts how often it was read. */
function shelf(
  stored: ToolDefinition | undefined,
  adapters: readonly ExecutorAdapter[] = [makeNoopAdapter(adapterDeps())],
) {
  let reads = 0;
  const open = makeOpenTools({
    ...adapterDeps(),
    adapters: (type) => adapters.find((adapter) => adapter.type === type),
    read: async () => {
      reads += 1;
      return stored && { definition: stored, digest: canonicalDigest(definitionJson(stored)) };
    },
    validateInputs: makeValidateInputs([...adapters, makeToolAdapter()]),
    maxTools: 2,
  });
  return { open, reads: () => reads };
}

async function opened(definition: ToolDefinition = GREET, adapters?: readonly ExecutorAdapter[]): Promise<OpenedTool> {
  const answer = await shelf(definition, adapters).open(TENANT, refOf(definition));
  if (!answer.ok) throw new TypeError(answer.reason);
  return answer.tool;
}

t.test("calls its executor with the arguments in their places, in its own name", async (t) => {
  const { adapter } = await opened();
  const result = await adapter.execute(callOf(adapter, { inputs: inputs("ada") }), never);
  t.match(result, {
    ok: true,
    output: { hello: "ada" },
    provider: "greet",
    providerVersion: "1",
    usage: { tokens: 3 },
  });
  t.match(adapter.describe(), { type: "noop", effects: "read", meters: [] });
  const priced = await opened({ ...GREET, defaults: { usd_micros: 10 } });
  t.match(priced.adapter.describe(), { meters: ["usd_micros"] });
});

t.test("says where inputs do not fit, whatever they are", async (t) => {
  const tool = await opened();
  t.same(tool.inputFaults(inputs("ada")), []);
  const rows: readonly { given: JsonObject; at: readonly string[] }[] = [
    { given: { tool: "greet" }, at: ["/arguments/name"] },
    { given: inputs(7), at: ["/arguments/name"] },
    { given: { tool: "greet", arguments: { name: "ada", more: 1 } }, at: ["/arguments"] },
    { given: { ...inputs("ada"), tool: "other" }, at: ["/tool"] },
    { given: { arguments: {} }, at: ["/"] },
    { given: { ...inputs("ada"), extra: 1 }, at: ["/extra", "/"] },
    { given: { tool: "greet", arguments: [] }, at: ["/arguments"] },
  ];
  for (const { given, at } of rows) t.same(tool.inputFaults(given), at, JSON.stringify(given));
  const free = await opened({ ...GREET, config: { $arguments: true }, input_schema: { type: "object" } });
  t.same(
    free.inputFaults({ tool: "greet", arguments: { usage: "none" } }),
    ["/arguments"],
    "what the executor refuses",
  );
});

t.test("takes only a token that names this definition, and the call as it is", async (t) => {
  const calls: ExecutionContext[] = [];
  const noop = makeNoopAdapter(adapterDeps());
  const spy: ExecutorAdapter = {
    ...noop,
    execute: async (context, signal) => {
      calls.push(context);
      return noop.execute(context, signal);
    },
  };
  const [one, two] = [await opened(GREET, [spy]), await opened({ ...GREET, version: 2 }, [spy])];
  const renamed = await opened({ ...GREET, name: "greet2" }, [spy]);
  const call = callOf(one.adapter, { inputs: inputs("ada") });
  t.match(
    await two.adapter.execute(call, never),
    { ok: false, kind: "capability_denied", code: "argument" },
    "another version",
  );
  t.match(await renamed.adapter.execute(call, never), { ok: false, code: "tool" }, "another tool");
  const direct = callOf(noop, { inputs: inputs("ada") });
  t.match(await one.adapter.execute(direct, never), { ok: false, code: "tool" }, "a token of the executor alone");
  const audience = callOf(one.adapter, { inputs: inputs("ada"), minted: { audience: "adapter.http" } });
  t.match(await one.adapter.execute(audience, never), { ok: false, code: "audience" });
  const { verifyToken } = refusingVerifier();
  t.match(await one.adapter.execute(callOf(one.adapter, { inputs: inputs("ada"), verifyToken }), never), { ok: false });
  t.equal(calls.length, 0, "the executor was not called");
  t.match(await one.adapter.execute(call, never), { ok: true }, "the control");
  t.match(calls[0]?.spec, { type: "noop", inputs: { result: { hello: "ada" } } });
  t.notOk(calls[0] && "definition" in calls[0].demand, "the executor's own demand");
});

t.test("arguments are bound once for all stages that ask for them", async (t) => {
  const asked: JsonObject[] = [];
  const noop = makeNoopAdapter(adapterDeps());
  const spy: ExecutorAdapter = {
    ...noop,
    scope: (spec, settings) => {
      asked.push(spec.inputs);
      return noop.scope(spec, settings);
    },
    check: (spec, settings, wanted) => {
      asked.push(spec.inputs);
      return noop.check(spec, settings, wanted);
    },
  };
  const { adapter, inputFaults } = await opened(GREET, [spy]);
  const spec = stepSpec("tool", inputs("ada"));
  t.same(inputFaults(spec.inputs), []);
  adapter.scope(spec, {});
  adapter.check(spec, {}, { minimum: "none", weakerAllowed: false });
  const [first] = asked;
  t.ok(asked.length === 2 && asked.every((one) => one === first));
  t.match(adapter.scope(spec, {}).definition, { tool: "greet", digest: refOf(GREET).digest });
});

t.test("names that a definition inside the schema declares are no payload", async (t) => {
  const tool = await opened({
    ...GREET,
    input_schema: {
      type: "object",
      properties: { name: { $ref: "#/$defs/name" } },
      $defs: { name: { type: "object", properties: { first: {} } } },
    },
  });
  t.equal(visiblePath("/inputs/arguments/name/first", tool.inputsSchema), "/inputs/arguments/name/first");
  t.equal(visiblePath("/inputs/arguments/name/4111", tool.inputsSchema), "/inputs/*");
});

t.test(
  "an output that would take too long to hold against its schema is an error, and nothing is let through",
  async (t) => {
    const { adapter } = await opened({
      ...GREET,
      output_schema: { properties: { hello: { pattern: "(a?){200}[bc]$" } } },
    });
    const long = callOf(adapter, { inputs: inputs("a".repeat(60_000)) });
    t.match(await adapter.execute(long, never), { ok: false, retryable: false, code: "output_too_complex" });
    t.match(await adapter.execute(callOf(adapter, { inputs: inputs("ab") }), never), { ok: true }, "the control");
  },
);

t.test("of the tools that are open the one used longest ago goes first", async (t) => {
  const { open, reads } = shelf(GREET);
  const tenants = ["1", "2", "3"].map((digit) => TENANT.replace(/1$/, digit) as TenantUid);
  const ask = async (...digits: readonly number[]): Promise<number> => {
    const before = reads();
    for (const digit of digits) t.ok((await open(tenants[digit - 1] as TenantUid, refOf(GREET))).ok);
    return reads() - before;
  };
  t.equal(await ask(1, 2, 1, 2), 2, "two fit");
  t.equal(await ask(1, 3), 1);
  t.equal(await ask(1), 0, "used after the second");
  t.equal(await ask(2), 1, "which has gone");
  t.equal(await ask(1), 0);
  t.equal(await ask(3), 1);
});

t.test("an output of another form than promised is an error that no attempt mends", async (t) => {
  const { adapter } = await opened();
  const result = await adapter.execute(callOf(adapter, { inputs: inputs("a long name") }), never);
  t.match(result, {
    ok: false,
    kind: "execution_error",
    retryable: false,
    code: "output_schema",
    usage: { tokens: 3 },
  });
  t.notMatch(JSON.stringify(result), "a long name");
});

t.test("passes on what its executor refuses or fails with", async (t) => {
  const failed: ExecutorResult = {
    ok: false,
    kind: "execution_error",
    retryable: true,
    code: "x",
    message: "",
    toolEvents: [],
  };
  const broken: ExecutorAdapter = {
    ...makeNoopAdapter(adapterDeps()),
    check: () => ({ ok: false, kind: "program_not_allowed", reasons: ["program_not_listed"] }),
    execute: async () => failed,
  };
  const { adapter } = await opened(GREET, [broken]);
  const wanted = { minimum: "none", weakerAllowed: false } as const;
  t.match(adapter.check(stepSpec("tool", inputs("ada")), {}, wanted), { ok: false, reasons: ["program_not_listed"] });
  t.same(await adapter.execute(callOf(adapter, { inputs: inputs("ada") }), never), failed);
  const good = await opened();
  t.match(good.adapter.check(stepSpec("tool", { tool: "no" }), {}, wanted), {
    ok: false,
    kind: "invalid_request",
    reasons: ["arguments_do_not_bind"],
  });
});

t.test("a version is opened once; what is not what the step is bound to is refused", async (t) => {
  const good = shelf(GREET);
  const answers = await Promise.all([1, 2, 3].map(() => good.open(TENANT, refOf(GREET))));
  t.ok(answers.every((answer) => answer === answers[0] && answer.ok));
  t.equal(good.reads(), 1);
  const none = shelf(undefined);
  t.same(await none.open(TENANT, refOf(GREET)), { ok: false, reason: "tool_not_registered" });
  await none.open(TENANT, refOf(GREET));
  t.equal(none.reads(), 2, "a refusal is not kept");
  const edited = shelf({ ...GREET, config: { result: "evil" } });
  t.same(await edited.open(TENANT, refOf(GREET)), { ok: false, reason: "tool_changed" });
  const other = { ...refOf(GREET), digest: "0".repeat(64) as Digest };
  t.same(await good.open(TENANT, other), { ok: false, reason: "tool_changed" }, "what is kept is kept by digest");
  const homeless = { ...GREET, executor: "gone" };
  t.same(await shelf(homeless).open(TENANT, refOf(homeless)), { ok: false, reason: "tool_unusable" });
  const wild = { ...GREET, input_schema: { $ref: "https://a.example/" } };
  t.same(await shelf(wild).open(TENANT, refOf(wild)), { ok: false, reason: "tool_unusable" });
});

t.test("the step type itself performs nothing", async (t) => {
  const adapter = makeToolAdapter();
  const wanted = { minimum: "none", weakerAllowed: true } as const;
  t.match(adapter.check(stepSpec("tool", inputs("ada")), {}, wanted), { ok: false, reasons: ["tool_not_registered"] });
  t.match(await adapter.execute(callOf(adapter, { inputs: inputs("ada") }), never), {
    ok: false,
    code: "tool_not_registered",
  });
});
