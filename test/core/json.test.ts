import fc from "fast-check";
import t from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { isJsonObject, jsonEquals } from "../../src/core/json.ts";
import { anyJson, reversedMembers } from "./arbitrary-json.ts";

t.test("an object is neither an array nor null", async (t) => {
  t.ok(isJsonObject({}));
  for (const other of [[], null, "x", 1, true, undefined]) t.notOk(isJsonObject(other), String(other));
});

t.test("values are equal whatever the order of their members, and different in type or length", async (t) => {
  t.ok(jsonEquals({ a: [1, { b: null }], c: "x" }, { c: "x", a: [1, { b: null }] }));
  const unequal = [
    [1, "1"],
    [0, false],
    [null, false],
    [null, {}],
    [[], {}],
    [{}, []],
    [[1], [1, 2]],
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: 1 }, { b: 1 }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [{ toString: 1 }, { a: 1 }],
    [{ a: 1 }, Object.create({ a: 1 })],
  ] as const;
  for (const [a, b] of unequal) {
    t.notOk(jsonEquals(a, b), JSON.stringify([a, b]));
    t.notOk(jsonEquals(b, a), JSON.stringify([b, a]));
  }
});

t.test("two values are equal exactly when their canonical texts are", async () => {
  fc.assert(
    fc.property(anyJson, anyJson, (a, b) => {
      const same = canonicalJson(a) === canonicalJson(b);
      return jsonEquals(a, reversedMembers(a)) && jsonEquals(a, b) === same;
    }),
    { numRuns: 500 },
  );
});
