import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { anyJson } from "./arbitrary-json.ts";

const bytes = (...values: readonly number[]) => Uint8Array.from(values);

t.test("reads what RFC 8259 calls JSON", async (t) => {
  const accepted: readonly (readonly [text: string | Uint8Array, value: unknown])[] = [
    ["null", null],
    [" \t\r\n[ ] ", []],
    ['{"a":{"b":[true,false,null]}}', { a: { b: [true, false, null] } }],
    ['""', ""],
    ['"\\u0041\\n\\"\\\\\\/\\b\\f\\r\\t"', 'A\n"\\/\b\f\r\t'],
    ['"\\uD83D\\uDE02 \u{1F602}"', "\u{1F602} \u{1F602}"],
    ['{"constructor":1,"toString":2}', { constructor: 1, toString: 2 }],
    ['{"":0,"a":1,"A":2}', { "": 0, a: 1, A: 2 }],
    ["-0", 0],
    ["-1", -1],
    ["1e2", 100],
    [Buffer.from('"é"'), "é"],
  ];
  for (const [text, value] of accepted) t.strictSame(parseJson(text), value, String(text));
  t.ok(Object.is(parseJson("-0"), 0), "negative zero is zero: its canonical form has no sign");
  t.notOk(Object.hasOwn(parseJson("{}") as object, "toString"), "members are own members only");
});

t.test("refuses every text that two parsers could read differently", async (t) => {
  const refused: readonly (readonly [text: string | Uint8Array, reason: string, offset?: number])[] = [
    ["", "no value", 0],
    ["   ", "no value", 3],
    ["nul", "unknown word"],
    ["True", "unexpected character"],
    ["NaN", "unexpected character"],
    ["'a'", "unexpected character"],
    ["[1 2]", "a comma is missing", 3],
    ["[1,]", "unexpected character"],
    ["[,1]", "unexpected character"],
    ["[1", "a comma is missing"],
    ["{", "a key is missing"],
    ['{"a"}', "a colon is missing"],
    ['{"a":}', "unexpected character"],
    ['{"a":1,}', "a key is missing"],
    ["{a:1}", "a key is missing"],
    ["1 1", "text after the value", 2],
    ["{}{}", "text after the value"],
    ["[]\u00a0", "text after the value"],
    ["\ufeff1", "unexpected character", 0],
    ["// x\n1", "unexpected character"],
    ["+1", "unexpected character"],
    [".5", "unexpected character"],
    ["1.", "text after the value"],
    ["01", "text after the value"],
    ["0x10", "text after the value"],
    ["1e", "text after the value"],
    ["-", "unexpected character"],
    ['"', "a string does not end"],
    ['"\\', "bad escape"],
    ['"a\nb"', "control character in a string"],
    ['"\\n\u0001"', "control character in a string"],
    ['"\\x41"', "bad escape"],
    ['"\\u12g4"', "bad escape"],
    ['"\\u00"', "bad escape"],
    ['"\\u0000"', "U+0000"],
    ['"\\uD83D"', "lone surrogate"],
    ['"\\uDE02\\uD83D"', "lone surrogate"],
    ['"\ud83d"', "lone surrogate"],
    ['"\ud83d\\uDE02"', "lone surrogate"],
    ['{"a":1,"a":1}', "duplicate key"],
    ['{"a":1,"\\u0061":2}', "duplicate key"],
    ['{"__proto__":1}', "forbidden key"],
    ['{"\\u005f_proto__":1}', "forbidden key"],
    [bytes(0x22, 0xff, 0x22), "not UTF-8"],
    [bytes(0x22, 0xc0, 0xaf, 0x22), "not UTF-8"],
    [bytes(0x22, 0xed, 0xa0, 0x80, 0x22), "not UTF-8"],
    [bytes(0xef, 0xbb, 0xbf, 0x31), "unexpected character"],
    ["[".repeat(65), "nested too deeply"],
  ];
  for (const [text, reason, offset] of refused) {
    const detail = offset === undefined ? { reason } : { reason, offset };
    t.throws(() => parseJson(text), { code: "JSON_INVALID", detail }, `${String(text).slice(0, 20)} → ${reason}`);
  }
  t.strictSame(parseJson(bytes(0x31)), 1, "a refused text leaves nothing behind in the decoder");
});

t.test("reads a number only if a double holds exactly the number that was written", async (t) => {
  const exact = [
    "0",
    "9007199254740991",
    "-9007199254740991",
    "9007199254740992",
    "0.1",
    "1.10",
    "1E-7",
    "1e308",
    "5e-324",
    "0.000",
    "1e21",
    "123456789012345",
    "100000000000000000000",
  ];
  for (const literal of exact) t.equal(parseJson(literal), Number(literal), literal);
  const inexact = [
    "9007199254740993",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1000000000000000055",
    "3.14159265358979323846",
    "123456789012345678",
    "1".repeat(400),
  ];
  for (const literal of inexact)
    t.throws(() => parseJson(literal), { code: "NUMBER_NOT_EXACT", detail: { offset: 0 } }, literal);
  t.throws(() => parseJson('{"exp":1e400}'), { code: "NUMBER_NOT_EXACT", detail: { offset: 7 } });
});

t.test("counts depth from 1 and stops at the limit that the caller gives", async (t) => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  t.doesNotThrow(() => parseJson(nested(64)));
  t.throws(() => parseJson(nested(65)), { code: "JSON_INVALID", detail: { reason: "nested too deeply" } });
  t.doesNotThrow(() => parseJson('{"a":[1]}', { maxDepth: 2 }));
  t.throws(() => parseJson('{"a":[[1]]}', { maxDepth: 2 }), { code: "JSON_INVALID" });
  t.throws(() => parseJson("[".repeat(1_000_000)), { code: "JSON_INVALID" }, "a million brackets cost no stack");
});

t.test("reads back every value that canonical JSON writes, and agrees with JSON.parse", async () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value);
      deepStrictEqual(parseJson(text), value);
      deepStrictEqual(parseJson(JSON.stringify(value, null, 1)), JSON.parse(text));
      deepStrictEqual(parseJson(Buffer.from(text)), value);
    }),
    { numRuns: 300 },
  );
});

t.test("refuses any text with a StepgateError or reads it as JSON.parse does", async () => {
  const alphabet = fc.string({ unit: fc.constantFrom(...'{}[]",:0129.eE+-\\utrfalsn '), maxLength: 12 });
  fc.assert(
    fc.property(alphabet, (text) => {
      let value: unknown;
      try {
        value = parseJson(text);
      } catch (caught) {
        return (caught as { name?: string }).name === "StepgateError";
      }
      return canonicalJson(value as never) === canonicalJson(JSON.parse(text));
    }),
    { numRuns: 3000 },
  );
});
