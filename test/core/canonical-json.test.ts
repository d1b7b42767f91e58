import { deepStrictEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { canonicalDigest, canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { anyJson, reversedMembers } from "./arbitrary-json.ts";

t.test("sorts keys by UTF-16 code units, also those that JavaScript orders as numbers", async (t) => {
  t.equal(canonicalJson({ b: 1, a: { d: 2, c: 3 } }), '{"a":{"c":3,"d":2},"b":1}');
  t.equal(canonicalJson({ 10: 1, 9: 2, a: 3 }), '{"10":1,"9":2,"a":3}');
  t.equal(canonicalJson({ "\ufb33": 1, "\u{1F602}": 2 }), '{"\u{1F602}":2,"\ufb33":1}');
});

t.test("writes the same text whether or not the keys came in order", async (t) => {
  t.equal(canonicalJson({ a: 'x"\\\n\u001f\u007f€', b: -0 }), '{"a":"x\\"\\\\\\n\\u001f\u007f€","b":0}');
  t.equal(canonicalJson({ b: -0, a: 'x"\\\n\u001f\u007f€' }), '{"a":"x\\"\\\\\\n\\u001f\u007f€","b":0}');
  t.equal(canonicalJson("\\ud83d in plain text"), '"\\\\ud83d in plain text"');
});

t.test("leaves out a field that is absent, but never a null", async (t) => {
  const fields: { readonly a?: number; readonly b: null } = { a: undefined as never, b: null };
  t.equal(canonicalJson(fields as unknown as JsonValue), '{"b":null}');
});

t.test("refuses what is not JSON", async (t) => {
  const refused: Readonly<Record<string, unknown>> = {
    NaN: Number.NaN,
    Infinity: [Number.POSITIVE_INFINITY],
    "a lone surrogate": { a: "\ud83d" },
    "a lone surrogate as key": { "\ude02": 1 },
    "an undefined item": [undefined],
    "a hole": new Array(1),
    "a bigint": 1n,
    "a function": { toJSON: () => "x" },
    "a symbol": [Symbol("x")],
    undefined: undefined,
  };
  for (const [why, value] of Object.entries(refused))
    t.throws(() => canonicalJson(value as JsonValue), { code: "JSON_INVALID" }, why);
});

t.test("gives one text for one value, and another for another value", async () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value);
      equal(canonicalJson(reversedMembers(value)), text);
      equal(canonicalJson(parseJson(text)), text);
      // not JSON.parse: that of Node.js 24.21 reads the name "\\n" as "\\\\" after objects that had such a name
      deepStrictEqual(parseJson(text), value);
    }),
    { numRuns: 300 },
  );
});

t.test("digests are SHA-256 over the UTF-8 bytes", async (t) => {
  t.equal(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  t.equal(canonicalDigest({ b: "é", a: 1 }), sha256Hex(Buffer.from('{"a":1,"b":"é"}')));
});
