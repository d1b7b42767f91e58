import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { visiblePath } from "../../src/redaction/visible-path.ts";

const schema: JsonObject = {
  type: "object",
  properties: {
    ticket: { type: "object", properties: { email: { type: "string" }, card: true, "a/b": {} } },
    lines: { type: "array", items: { $ref: "#/$defs/line" } },
    pair: { type: "array", prefixItems: [{ type: "object", properties: { first: {} } }], items: false },
    loose: { items: { properties: { x: {} } } },
    headers: { type: "object", additionalProperties: { type: "string" }, patternProperties: { "^x-": {} } },
    either: { anyOf: [{ properties: { mail: {} } }, { oneOf: [{ allOf: [{ properties: { phone: {} } }] }] }] },
    tree: { $ref: "#/$defs/tree" },
    broken: { $ref: "#/~2" },
    remote: { $ref: "https://example.com/schema.json" },
  },
  $defs: {
    line: { type: "object", properties: { text: {} } },
    tree: { type: "object", properties: { child: { $ref: "#/$defs/tree" } }, anyOf: [{ $ref: "#/$defs/tree" }] },
  },
};

t.test("a path along keys of the schema is shown as it is", async (t) => {
  const shown = [
    "/inputs",
    "/inputs/ticket",
    "/inputs/ticket/email",
    "/inputs/ticket/card",
    "/inputs/ticket/a~1b",
    "/inputs/lines/0",
    "/inputs/lines/-",
    "/inputs/lines/12/text",
    "/inputs/pair/0/first",
    "/inputs/either/mail",
    "/inputs/either/phone",
    "/inputs/tree/child/child/child",
    "/execution/deadline_ms",
    "",
  ];
  for (const pointer of shown) t.equal(visiblePath(pointer, schema), pointer, pointer);
});

t.test("a path through any other key says only where it began", async (t) => {
  const hidden = [
    "/inputs/secret",
    "/inputs/ticket/4111111111111111",
    "/inputs/ticket/secret/email",
    "/inputs/ticket/card/number",
    "/inputs/ticket/toString",
    "/inputs/lines/00",
    "/inputs/lines/4111111111111111",
    "/inputs/lines/0/secret",
    "/inputs/pair/0/second",
    "/inputs/loose/1234",
    "/inputs/headers/authorization",
    "/inputs/headers/x-secret",
    "/inputs/either/address",
    "/inputs/broken/x",
    "/inputs/remote/x",
    "/inputs/0",
    "/inputs/",
  ];
  for (const pointer of hidden) t.equal(visiblePath(pointer, schema), "/inputs/*", pointer);
});

t.test("without a schema every key is hidden, and the root is not", async (t) => {
  t.equal(visiblePath("/output", undefined), "/output");
  t.equal(visiblePath("/output/text", undefined), "/output/*");
  t.equal(visiblePath("/output/text", {}), "/output/*");
  t.throws(() => visiblePath("output", undefined), { code: "PATCH_MALFORMED" });
});

t.test("a schema that refers to itself without end is read once", async (t) => {
  const loop = parseJson('{"$ref":"#","allOf":[{"$ref":"#"}],"anyOf":[{"$ref":"#/allOf/0"}]}') as JsonObject;
  t.equal(visiblePath("/inputs/a/b/c", loop), "/inputs/*");
});
