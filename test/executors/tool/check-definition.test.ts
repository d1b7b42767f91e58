/** What may be registered as a tool: its executor, its config against the executor's inputs, its schemas within bounds. */
import t from "tap";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import type { ToolDefinition } from "../../../src/core/tool.ts";
import { makeHttpAdapter } from "../../../src/executors/http/http-adapter.ts";
import { makeNoopAdapter } from "../../../src/executors/noop/noop-adapter.ts";
import { makeRegistry } from "../../../src/executors/registry.ts";
import { makeCheckDefinition } from "../../../src/executors/tool/check-definition.ts";
import { makeToolAdapter } from "../../../src/executors/tool/tool-adapter.ts";
import { adapterDeps } from "../call.ts";

const http = makeHttpAdapter({
  ...adapterDeps(),
  clock: { nowMs: () => 0 },
  resolve: async () => [],
  forbiddenAddresses: () => [],
  proveGuard: async () => ({ level: "none", checks: [], advice: undefined }),
});
const check = makeCheckDefinition(makeRegistry([makeNoopAdapter(adapterDeps()), http, makeToolAdapter()]).list);

const TICKETS: ToolDefinition = {
  name: "tickets.find",
  version: 1,
  executor: "http",
  config: { method: "GET", url: { $url: "https://crm.example/v1/tickets/{id}" } },
  input_schema: { type: "object", properties: { id: { type: "integer" }, at: { type: "string" } }, required: ["id"] },
  effects: "read",
  idempotent: true,
  defaults: {},
  limits: {},
};
const args = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: "object", properties, ...more });
const config = (more: JsonObject): JsonObject => ({ ...TICKETS.config, ...more });

/** `depth` schemas inside each other. */
function nested(depth: number): JsonObject {
  let schema: JsonObject = { type: "string" };
  for (let level = 0; level < depth; level += 1) schema = { type: "array", items: schema };
  return schema;
}

/** Three definitions of which each holds the next one `width` times: more than width³ schemas for one value. */
function branching(width: number): JsonObject {
  const branch = (name: string): JsonObject => ({
    anyOf: Array.from({ length: width }, () => ({ $ref: `#/$defs/${name}` })),
  });
  return { type: "object", $ref: "#/$defs/a", $defs: { a: branch("b"), b: branch("c"), c: branch("d"), d: {} } };
}

/** Definitions of which each holds the next one twice: 2^count schemas for one value. */
function doubling(count: number): JsonObject {
  const definitions = Array.from({ length: count }, (_, index): [string, JsonValue] => {
    const next = { $ref: `#/$defs/d${index + 1}` };
    return [`d${index}`, { anyOf: [next, next] }];
  });
  return { type: "object", $ref: "#/$defs/d0", $defs: { ...Object.fromEntries(definitions), [`d${count}`]: {} } };
}

t.test("takes a definition that its executor can perform", async (t) => {
  const good: readonly Partial<ToolDefinition>[] = [
    {},
    { limits: { calls: 1, tokens: 5 } },
    { config: config({ method: "POST", body: { $arguments: true } }) },
    { config: config({ method: "POST", body: [{ $argument: "id" }, { when: { $argument: "at" } }] }) },
    { config: config({ method: "POST", body: Array.from({ length: 15 }, () => ({ $argument: "id" })) }) },
    { config: config({ headers: { "x-id": { $argument: "id" } }, timeout_ms: { $argument: "id" } }) },
    { executor: "noop", config: { result: { deep: [{ $argument: "id" }] }, anything: 1 } },
    { executor: "noop", config: { $arguments: true } },
    { output_schema: { type: "object", properties: { status: { const: 200 } } } },
    { input_schema: args({ id: { $ref: "#/$defs/id" } }, { $defs: { id: { type: "integer", minimum: 1 } } }) },
    { input_schema: args({ id: { type: "string", pattern: "^[a-z]+$", format: "email" } }) },
    { input_schema: args({ id: { type: "array", uniqueItems: true, maxItems: 10 } }) },
    { input_schema: args({ id: true }, { $schema: "https://json-schema.org/draft/2020-12/schema" }) },
    { input_schema: args({ id: nested(12) }) },
  ];
  for (const more of good) t.doesNotThrow(() => check({ ...TICKETS, ...more }), JSON.stringify(more));
});

t.test("names the field of a definition that nothing could perform", async (t) => {
  const refusals: readonly { why: string; change: Partial<ToolDefinition>; field: string }[] = [
    { why: "no such executor", change: { executor: "ftp" }, field: "/executor" },
    { why: "more calls than a step makes", change: { limits: { calls: 2 } }, field: "/limits/calls" },
    { why: "a tool of tools", change: { executor: "tool", config: {} }, field: "/executor" },
    { why: "the name of a step type", change: { name: "http" }, field: "/name" },
    { why: "a field the executor does not have", change: { config: config({ uri: "x" }) }, field: "/config" },
    { why: "a value it does not take", change: { config: config({ method: "FETCH" }) }, field: "/config/method" },
    { why: "a field it needs", change: { config: { method: "GET" } }, field: "/config" },
    { why: "a deep value", change: { config: config({ headers: { a: 1 } }) }, field: "/config/headers/a" },
    {
      why: "an argument that is not named",
      change: { config: config({ body: { $argument: "di" } }) },
      field: "/config/body",
    },
    {
      why: "an optional argument in a list",
      change: { config: config({ body: [1, { $argument: "at" }] }) },
      field: "/config/body/1",
    },
    {
      why: "one argument in many places",
      change: { config: config({ body: Array.from({ length: 16 }, () => ({ $argument: "id" })) }) },
      field: "/config/body/15",
    },
    {
      why: "all arguments in many places",
      change: { config: config({ body: Array.from({ length: 17 }, () => ({ $arguments: true })) }) },
      field: "/config/body/16",
    },
    {
      why: "a hole with two members",
      change: { config: config({ body: { $argument: "id", x: 1 } }) },
      field: "/config/body",
    },
    {
      why: "a hole of another form",
      change: { config: config({ body: { $arguments: false } }) },
      field: "/config/body",
    },
    {
      why: "an argument as host",
      change: { config: config({ url: { $url: "https://{id}.example/" } }) },
      field: "/config/url",
    },
    {
      why: "an argument as port",
      change: { config: config({ url: { $url: "https://a:{id}/" } }) },
      field: "/config/url",
    },
    {
      why: "a user in the URL",
      change: { config: config({ url: { $url: "https://u@a/{id}" } }) },
      field: "/config/url",
    },
    { why: "another scheme", change: { config: config({ url: { $url: "file:///etc/{id}" } }) }, field: "/config/url" },
    { why: "dot segments", change: { config: config({ url: { $url: "https://a/b/../{id}" } }) }, field: "/config/url" },
    { why: "a fragment", change: { config: config({ url: { $url: "https://a/#{id}" } }) }, field: "/config/url" },
    {
      why: "a name of no argument in a URL",
      change: { config: config({ url: { $url: "https://a/{no}" } }) },
      field: "/config/url",
    },
    { why: "arguments that are no object", change: { input_schema: {} }, field: "/input_schema/type" },
    {
      why: "an unknown keyword",
      change: { input_schema: args({ id: { typ: "string" } }) },
      field: "/input_schema/properties/id/typ",
    },
    {
      why: "a keyword of the prototype",
      change: { input_schema: args({ id: { constructor: {} } }) },
      field: "/input_schema/properties/id/constructor",
    },
    {
      why: "a value no keyword takes",
      change: { input_schema: args({ id: { type: "text" } }) },
      field: "/input_schema",
    },
    {
      why: "another dialect",
      change: { input_schema: args({ id: {} }, { $schema: "http://json-schema.org/draft-07/schema#" }) },
      field: "/input_schema/$schema",
    },
    {
      why: "a reference outside",
      change: { input_schema: args({ id: { $ref: "https://a.example/s.json" } }) },
      field: "/input_schema/properties/id/$ref",
    },
    {
      why: "a reference to a file",
      change: { input_schema: args({ id: { $ref: "other.json#/a" } }) },
      field: "/input_schema/properties/id/$ref",
    },
    {
      why: "a reference to the whole",
      change: { input_schema: args({ id: { $ref: "#" } }) },
      field: "/input_schema/properties/id/$ref",
    },
    {
      why: "a reference to nothing",
      change: { input_schema: args({ id: { $ref: "#/$defs/x" } }) },
      field: "/input_schema/properties/id/$ref",
    },
    {
      why: "a name of its own",
      change: { input_schema: args({ id: { $id: "https://a.example/" } }) },
      field: "/input_schema/properties/id/$id",
    },
    {
      why: "a dynamic reference",
      change: { input_schema: args({ id: { $dynamicRef: "#a" } }) },
      field: "/input_schema/properties/id/$dynamicRef",
    },
    {
      why: "definitions below the top",
      change: { input_schema: args({ id: { $defs: {} } }) },
      field: "/input_schema/properties/id/$defs",
    },
    {
      why: "a circle",
      change: { input_schema: args({ id: { $ref: "#/$defs/a" } }, { $defs: { a: { items: { $ref: "#/$defs/a" } } } }) },
      field: "/input_schema/$defs/a/items/$ref",
    },
    {
      why: "a circle that nothing uses",
      change: { input_schema: args({ id: {} }, { $defs: { a: { not: { $ref: "#/$defs/a" } } } }) },
      field: "/input_schema/$defs/a/not/$ref",
    },
    {
      why: "a backward reference in a pattern",
      change: { input_schema: args({ id: { pattern: "(a)\\1" } }) },
      field: "/input_schema/properties/id/pattern",
    },
    {
      why: "a pattern that looks ahead",
      change: { input_schema: args({ id: { pattern: "a(?=b)" } }) },
      field: "/input_schema/properties/id/pattern",
    },
    {
      why: "a pattern of many states",
      change: { input_schema: args({ id: { pattern: "(a{1000}b{1000})" } }) },
      field: "/input_schema/properties/id/pattern",
    },
    {
      why: "a pattern of names",
      change: { input_schema: args({ id: { patternProperties: { "(a)\\1": {} } } }) },
      field: "/input_schema/properties/id/patternProperties",
    },
    {
      why: "unique items without number",
      change: { input_schema: args({ id: { uniqueItems: true } }) },
      field: "/input_schema/properties/id/uniqueItems",
    },
    {
      why: "too deep",
      change: { input_schema: args({ id: nested(20) }) },
      field: `/input_schema/properties/id${"/items".repeat(16)}`,
    },
    { why: "too long", change: { input_schema: args({ id: { enum: ["x".repeat(70_000)] } }) }, field: "/input_schema" },
    {
      why: "a schema that is none",
      change: { output_schema: { type: "object", properties: { a: 1 } } },
      field: "/output_schema/properties/a",
    },
    {
      why: "an output with a reference outside",
      change: { output_schema: { $ref: "https://a.example/" } },
      field: "/output_schema/$ref",
    },
  ];
  for (const { why, change, field } of refusals)
    t.throws(() => check({ ...TICKETS, ...change }), { code: "FIELD_INVALID", detail: { field } }, why);
});

t.test("weighs schemas that double at each step, without taking the steps", async (t) => {
  const started = performance.now();
  t.doesNotThrow(() => check({ ...TICKETS, config: { method: "GET", url: "https://a/" }, input_schema: doubling(7) }));
  const plain = { ...TICKETS, config: { method: "GET", url: "https://a/" } };
  t.doesNotThrow(() => check({ ...plain, input_schema: branching(6) }));
  t.throws(() => check({ ...plain, input_schema: branching(9) }), {
    code: "FIELD_INVALID",
    detail: { reason: /^more than/ },
  });
  for (const count of [12, 60, 400])
    t.throws(() => check({ ...TICKETS, input_schema: doubling(count) }), { code: "FIELD_INVALID" }, `2^${count}`);
  t.ok(performance.now() - started < 5_000, "no more than a moment");
});
