/** Schemas as checks: what fits, where the first fault is, and that neither patterns nor names of the prototype go astray. */
import t from "tap";
import type { JsonObject } from "../../../src/core/json.ts";
import { makeCompileSchema } from "../../../src/executors/tool/compile-schema.ts";

const compile = makeCompileSchema();

t.test("names the first place that does not fit", async (t) => {
  const check = compile(
    {
      type: "object",
      properties: { to: { type: "string" }, items: { type: "array", items: { type: "integer" } }, "a/b": { const: 1 } },
      required: ["to"],
      additionalProperties: false,
    },
    "/input_schema",
  );
  t.equal(check({ to: "x", items: [1, 2] }), undefined);
  const rows = [
    { value: {}, at: "/to" },
    { value: { to: 1 }, at: "/to" },
    { value: { to: "x", items: [1, "2"] }, at: "/items/1" },
    { value: { to: "x", "a/b": 2 }, at: "/a~1b" },
    // a name that the sender chose is not repeated
    { value: { to: "x", secret: 1 }, at: "" },
    { value: [], at: "" },
  ];
  for (const { value, at } of rows) t.equal(check(value), at, JSON.stringify(value));
});

t.test("nothing is converted, filled in or dropped", async (t) => {
  const check = compile({ properties: { n: { type: "integer", default: 7 }, s: { default: "x" } } }, "/input_schema");
  const value: JsonObject = { n: 1 };
  t.equal(check(value), undefined);
  t.same(value, { n: 1 });
  t.equal(check({ n: "1" }), "/n");
});

t.test("each pattern is its own, in time that grows with the text", async (t) => {
  const check = compile(
    {
      type: "object",
      properties: { a: { pattern: "^a+$" }, b: { pattern: "^b+$" }, evil: { pattern: "^(a+)+$" } },
      patternProperties: { "^x-": { type: "integer" } },
    },
    "/input_schema",
  );
  t.equal(check({ a: "aa", b: "bb", "x-n": 1 }), undefined);
  t.equal(check({ a: "bb" }), "/a");
  t.equal(check({ b: "aa" }), "/b");
  t.equal(check({ "x-n": "1" }), "/x-n");
  const started = performance.now();
  t.equal(check({ evil: `${"a".repeat(50_000)}!` }), "/evil");
  t.ok(performance.now() - started < 5_000);
});

t.test("names that every object has are no arguments", async (t) => {
  const check = compile({ type: "object", required: ["constructor"] }, "/input_schema");
  t.equal(check({}), "/constructor");
  t.equal(check({ constructor: 1 }), undefined);
  const closed = compile({ type: "object", properties: { a: {} }, additionalProperties: false }, "/input_schema");
  t.equal(closed({ toString: 1 }), "");
});

t.test("what is no schema is refused where it stands, and leaves nothing behind", async (t) => {
  for (let count = 0; count < 3; count += 1)
    t.throws(() => compile({ type: "text" }, "/output_schema"), {
      code: "FIELD_INVALID",
      detail: { field: "/output_schema" },
    });
  const schema = { type: "object", $defs: { a: { type: "integer" } }, properties: { n: { $ref: "#/$defs/a" } } };
  const [one, two] = [compile(schema, "/input_schema"), compile({ ...schema, $defs: { a: true } }, "/input_schema")];
  t.same([one({ n: "x" }), two({ n: "x" })], ["/n", undefined], "definitions of the same name do not meet");
});

t.test("a value that would take too long to hold against its schema fits nowhere", async (t) => {
  const alternatives = Array.from({ length: 900 }, (_, index) => ({ const: `x${index}` }));
  const check = compile(
    { type: "object", properties: { a: { type: "array", items: { anyOf: alternatives } } } },
    "/input_schema",
  );
  const items = (count: number) => ({ a: Array.from({ length: count }, () => "x899") });
  t.equal(check(items(1_000)), undefined);
  const started = performance.now();
  t.equal(check(items(140_000)), "", "1 MiB against 900 alternatives an item");
  t.ok(performance.now() - started < 3_000, "at once");
  const light = compile({ type: "object", properties: { a: { items: { type: "string" } } } }, "/input_schema");
  t.equal(light(items(140_000)), undefined, "a plain schema takes the largest payload");
  const values = Array.from({ length: 8_000 }, (_, index) => `v${index}`);
  t.throws(() => compile({ enum: values }, "/input_schema"), {
    code: "FIELD_INVALID",
    detail: { field: "/input_schema" },
  });
  t.equal(compile({ enum: values.slice(0, 300) }, "/input_schema")("v299"), undefined);
});
