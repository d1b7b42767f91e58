/** Schemas as checks: what fits, where the first fault is, and that neither patterns nor names of the prototype go astray. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import t from "tap";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { makeCompileSchema } from "../../../src/executors/tool/compile-schema.ts";

const compile = makeCompileSchema(20);

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

/** Each a small schema and a value of less than 1 MiB that would hold the thread for seconds to hours. */
const HOSTILE: readonly { why: string; schema: JsonObject; value: JsonValue; fits: JsonValue }[] = [
  {
    why: "alternatives that fail one by one",
    schema: { items: { anyOf: Array.from({ length: 480 }, (_, index) => ({ const: `x${index}` })) } },
    value: Array.from({ length: 140_000 }, () => "x479"),
    fits: ["x479"],
  },
  {
    why: "a pattern of many states",
    schema: { pattern: "(a?){200}[bc]$" },
    value: "a".repeat(1_000_000),
    fits: "ab",
  },
  {
    why: "names against patterns",
    schema: {
      patternProperties: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`^(a|b|k){1,5}[0-9]+x${i}`, {}])),
    },
    value: Object.fromEntries(Array.from({ length: 90_000 }, (_, index) => [`k${index}`, 1])),
    fits: { k1: 1 },
  },
  {
    why: "items compared pair by pair",
    schema: { allOf: Array.from({ length: 100 }, () => ({ type: "array", uniqueItems: true, maxItems: 256 })) },
    value: Array.from({ length: 250 }, (_, index) => ({ ...Array.from({ length: 400 }, () => 1), z: index })),
    fits: [{ a: 1 }, { a: 2 }],
  },
  {
    why: "names looked up",
    schema: {
      items: {
        allOf: Array.from({ length: 120 }, () => ({ required: Array.from({ length: 50 }, (_, i) => `k${i}`) })),
      },
    },
    value: Array.from({ length: 2_500 }, () => Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 1]))),
    fits: [],
  },
  {
    why: "objects compared",
    schema: { items: { enum: Array.from({ length: 1_500 }, (_, index) => ({ a: index, b: [1, 2, 3] })) } },
    value: Array.from({ length: 40_000 }, () => ({ a: 1_499, b: [1, 2, 3] })),
    fits: [{ a: 7, b: [1, 2, 3] }],
  },
  {
    why: "references that double",
    schema: {
      items: { $ref: "#/$defs/a" },
      $defs: {
        a: { allOf: Array.from({ length: 7 }, () => ({ $ref: "#/$defs/b" })) },
        b: { allOf: Array.from({ length: 7 }, () => ({ $ref: "#/$defs/c" })) },
        c: { allOf: Array.from({ length: 7 }, () => ({ minLength: 0 })) },
      },
    },
    value: Array.from({ length: 200_000 }, () => 1),
    fits: [1],
  },
];

t.test("a value that would take too long to hold against its schema is refused at once", async (t) => {
  for (const { why, schema, value, fits } of HOSTILE) {
    const check = compile(schema, "/input_schema");
    const before = process.threadCpuUsage();
    t.throws(() => check(value), { code: "TOOL_WORK_EXCEEDED" }, why);
    const { user, system } = process.threadCpuUsage(before);
    t.ok(user + system < 4_000_000, `${why}: within ${Math.round((user + system) / 1000)} ms of this thread`);
    t.equal(check(fits), undefined, `${why}: the control, after the refusal`);
  }
});

t.test("what ordinary tools take is within the work of one check", async (t) => {
  const names = Array.from({ length: 150 }, (_, index) => `field_${index}`);
  const check = compile(
    {
      type: "object",
      properties: {
        ...Object.fromEntries(names.map((name) => [name, { type: "string", maxLength: 100 }])),
        id: { pattern: "^[A-Za-z0-9_.-]{1,128}$" },
        document: { type: "string" },
        rows: { type: "array", items: { type: "object", properties: { n: { type: "integer" }, s: { enum: names } } } },
      },
      additionalProperties: false,
    },
    "/input_schema",
  );
  const rows = Array.from({ length: 20_000 }, (_, index) => ({ n: index, s: "field_149" }));
  t.equal(check({ id: "a".repeat(128), document: "x".repeat(400_000), rows }), undefined);
});

t.test("a schema that would take too long to compile is refused where it stands", async (t) => {
  const many = (count: number, pattern: (index: number) => string): JsonObject => ({
    anyOf: Array.from({ length: count }, (_, index) => ({ pattern: pattern(index) })),
  });
  const refusals = [
    { why: "many instructions", schema: many(30, (index) => `[a-z]{900}${index}`) },
    { why: "many characters", schema: many(20, (index) => `${"\\pL\\pN".repeat(50)}${index}`) },
    { why: "many schemas", schema: { anyOf: Array.from({ length: 600 }, (_, index) => ({ const: index })) } },
  ];
  for (const { why, schema } of refusals)
    t.throws(() => compile(schema, "/input_schema"), { code: "FIELD_INVALID" }, why);
  t.equal(
    compile(
      many(400, () => "^[a-z]+$"),
      "/input_schema",
    )("a"),
    undefined,
    "a pattern counts once",
  );
});

t.test("a compiler keeps the schemas it was asked for last, and nothing of any other", async (t) => {
  const fresh = makeCompileSchema(2);
  const schemaOf = (index: number) => ({ enum: [`v${index}`, "x".repeat(1_000)] });
  // the lists stay where Ajv put them, so that whoever still holds one holds the whole schema
  const kept = (index: number) => {
    const schema = schemaOf(index);
    t.equal(fresh(schema, "/input_schema")(`v${index}`), undefined);
    return new WeakRef(schema.enum);
  };
  const refs = [1, 2, 3, 4, 5].map(kept);
  t.equal(
    fresh(schemaOf(4), "/input_schema"),
    fresh(schemaOf(4), "/output_schema"),
    "one that is kept is not compiled again",
  );
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // a reference holds its target until the turn of the event loop ends
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  t.same(
    refs.map((ref) => ref.deref() !== undefined),
    [false, false, false, true, true],
  );
});
