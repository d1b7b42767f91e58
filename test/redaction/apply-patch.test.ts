import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { PatchOperation } from "../../src/core/decision.ts";
import { isStepgateError } from "../../src/core/errors.ts";
import { isJsonArray, isJsonObject, type JsonValue, jsonEquals } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { applyPatch, DEFAULT_PATCH_LIMITS } from "../../src/redaction/apply-patch.ts";
import { formatPointer } from "../../src/redaction/pointer.ts";
import { anyJson } from "../core/arbitrary-json.ts";

const patch = (...operations: readonly object[]) => operations as readonly PatchOperation[];
const document = {
  inputs: { to: "ops@example.com", card: "4111", tags: ["a", "b"], deep: { note: "x" } },
  execution: { checkpoint: false },
  items: [{}, {}],
};

t.test("a redaction replaces, removes and adds, and leaves the rest as it was", async (t) => {
  const patched = applyPatch(
    document,
    patch(
      { op: "test", path: "/inputs/card", value: "4111" },
      { op: "replace", path: "/inputs/card", value: "[card]" },
      { op: "remove", path: "/inputs/tags/0" },
      { op: "add", path: "/inputs/tags/-", value: "c" },
      { op: "move", from: "/inputs/deep/note", path: "/inputs/note" },
      { op: "copy", from: "/inputs/to", path: "/inputs/deep/to" },
    ),
  );
  t.strictSame(patched, {
    inputs: { to: "ops@example.com", card: "[card]", tags: ["b", "c"], deep: { to: "ops@example.com" }, note: "x" },
    execution: { checkpoint: false },
    items: [{}, {}],
  });
});

t.test("the given document is not changed, and what was not touched is shared", async (t) => {
  const before = structuredClone(document);
  const patched = applyPatch(document, patch({ op: "replace", path: "/inputs/card", value: 1 })) as typeof document;
  t.strictSame(document, before);
  t.equal(patched.execution, document.execution);
  t.equal(patched.inputs.tags, document.inputs.tags);
  t.not(patched.inputs, document.inputs);
  t.equal(applyPatch(document, []), document, "nothing to do is the same document");
});

t.test("refuses an operation that does not fit, with its index and pointer", async (t) => {
  const refused: readonly (readonly [why: string, operation: object])[] = [
    ["a missing member", { op: "remove", path: "/inputs/none" }],
    ["replacing a missing member", { op: "replace", path: "/inputs/none", value: 1 }],
    ["a missing parent", { op: "add", path: "/none/to", value: 1 }],
    ["a member of a text", { op: "add", path: "/inputs/to/x", value: 1 }],
    ["a member of the prototype", { op: "remove", path: "/inputs/toString" }],
    ["the length of a list", { op: "replace", path: "/inputs/tags/length", value: 0 }],
    ["a method of a list", { op: "copy", from: "/inputs/tags/push", path: "/inputs/x" }],
    ["an index after the end", { op: "add", path: "/inputs/tags/3", value: 1 }],
    ["replacing at the end", { op: "replace", path: "/inputs/tags/2", value: 1 }],
    ["replacing at -", { op: "replace", path: "/inputs/tags/-", value: 1 }],
    ["removing at -", { op: "remove", path: "/inputs/tags/-" }],
    ["a leading zero", { op: "replace", path: "/inputs/tags/00", value: 1 }],
    ["a sign", { op: "replace", path: "/inputs/tags/+0", value: 1 }],
    ["a negative index", { op: "replace", path: "/inputs/tags/-1", value: 1 }],
    ["an exponent", { op: "replace", path: "/inputs/tags/1e0", value: 1 }],
    ["a fraction", { op: "replace", path: "/inputs/tags/0.0", value: 1 }],
    ["an index as a space", { op: "replace", path: "/inputs/tags/ ", value: 1 }],
    ["an empty index", { op: "replace", path: "/inputs/tags/", value: 1 }],
    ["an index beyond 2^53", { op: "add", path: `/inputs/tags/${"9".repeat(30)}`, value: 1 }],
    ["digits of another script", { op: "replace", path: "/inputs/tags/\u0660", value: 1 }],
    ["a test of another value", { op: "test", path: "/inputs/card", value: 4111 }],
    ["a test of nothing", { op: "test", path: "/inputs/none", value: null }],
    ["a copy from nowhere", { op: "copy", from: "/inputs/none", path: "/inputs/x" }],
    ["a move from nowhere", { op: "move", from: "/inputs/none", path: "/inputs/none" }],
    ["a move into itself", { op: "move", from: "/inputs/deep", path: "/inputs/deep/deeper" }],
    ["a move of everything", { op: "move", from: "", path: "/inputs" }],
    ["removing everything", { op: "remove", path: "" }],
    ["a copy of what objects inherit", { op: "copy", from: "/inputs/toString", path: "/inputs/x" }],
    ["a test of what objects inherit", { op: "test", path: "/inputs/constructor/name", value: "Object" }],
    ["a place below what objects inherit", { op: "add", path: "/inputs/constructor/x", value: 1 }],
    ["a move of an item into the one that takes its place", { op: "move", from: "/items/0", path: "/items/0/x" }],
  ];
  for (const [why, operation] of refused) {
    const { path } = operation as PatchOperation;
    const fitting = { op: "add", path: "/x", value: 1 };
    t.throws(
      () => applyPatch(document, patch(fitting, operation)),
      { code: "PATCH_DOES_NOT_APPLY", detail: { index: 1, pointer: path } },
      why,
    );
  }
});

t.test("refuses an operation of the wrong form, with its index", async (t) => {
  const refused: readonly (readonly [why: string, operation: unknown])[] = [
    ["nothing", null],
    ["a text", "remove"],
    ["a list", ["remove", "/inputs"]],
    ["no op", { path: "/inputs", value: 1 }],
    ["an unknown op", { op: "merge", path: "/inputs", value: 1 }],
    ["an op in capitals", { op: "ADD", path: "/inputs", value: 1 }],
    ["an op of the prototype", { op: "toString", path: "/inputs", value: 1 }],
    ["no path", { op: "remove" }],
    ["a path that is a list", { op: "remove", path: ["inputs"] }],
    ["a path without slash", { op: "remove", path: "inputs" }],
    ["a path as URI fragment", { op: "remove", path: "#/inputs" }],
    ["a lone tilde", { op: "remove", path: "/a~" }],
    ["an unknown escape", { op: "remove", path: "/a~2" }],
    ["no value to add", { op: "add", path: "/inputs" }],
    ["no value to test", { op: "test", path: "/inputs", value: undefined }],
    ["no from", { op: "move", path: "/inputs" }],
    ["a from that is null", { op: "copy", path: "/inputs", from: null }],
    ["__proto__ in path", { op: "add", path: "/inputs/__proto__/polluted", value: 1 }],
    ["__proto__ at the end", { op: "add", path: "/__proto__", value: {} }],
    ["__proto__ in from", { op: "copy", from: "/__proto__", path: "/inputs/x" }],
  ];
  for (const [why, operation] of refused)
    t.throws(
      () => applyPatch(document, [operation] as readonly PatchOperation[]),
      { code: "PATCH_MALFORMED", detail: { index: 0 } },
      why,
    );
  t.throws(() => applyPatch(document, { op: "remove" } as never), { code: "PATCH_MALFORMED" }, "no list");
});

t.test("a key that objects inherit is a plain key", async (t) => {
  const patched = applyPatch(
    {},
    patch(
      { op: "add", path: "/constructor", value: {} },
      { op: "add", path: "/constructor/prototype", value: { polluted: true } },
    ),
  );
  t.equal(canonicalJson(patched), '{"constructor":{"prototype":{"polluted":true}}}');
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
});

t.test("a patch is bounded in operations, depth and what it writes", async (t) => {
  const limits = { maxOperations: 2, maxDepth: 4, maxWeight: 20 };
  const add = (path: string, value: JsonValue) => ({ op: "add", path, value });
  t.throws(() => applyPatch({}, patch(add("/a", 1), add("/b", 1), add("/c", 1)), limits), {
    code: "PATCH_MALFORMED",
    detail: { index: 2 },
  });
  t.strictSame(applyPatch({ a: { b: {} } }, patch(add("/a/b/c", [])), limits), { a: { b: { c: [] } } });
  const sixOf20 = add("/x", "x".repeat(5));
  t.ok(applyPatch({}, patch(sixOf20, sixOf20), { ...limits, maxOperations: 9 }));
  t.throws(
    () => applyPatch({}, patch(sixOf20, sixOf20, sixOf20, sixOf20), { ...limits, maxOperations: 9 }),
    { code: "PATCH_DOES_NOT_APPLY", detail: { index: 3 } },
    "what all of them write counts together",
  );
  const tooMuch: readonly (readonly [why: string, operation: object])[] = [
    ["a list one level too deep", add("/a/b/c", [[]])],
    ["a long text", add("/a/x", "x".repeat(20))],
    ["a long key", add("/a/x", { ["x".repeat(20)]: 1 })],
    [
      "many values",
      add(
        "/a/x",
        Array.from({ length: 20 }, () => 0),
      ),
    ],
    ["a move to too deep", { op: "move", from: "/deep", path: "/a/b/c" }],
  ];
  for (const [why, operation] of tooMuch)
    t.throws(
      () => applyPatch({ a: { b: {} }, deep: [[]] }, patch(operation), limits),
      { code: "PATCH_DOES_NOT_APPLY" },
      why,
    );
});

t.test("copies that double the document a thousand times are stopped early", async (t) => {
  const doubling = Array.from({ length: 1_000 }, (_, index) => ({ op: "copy", from: "/a", path: `/a/${index}` }));
  t.throws(() => applyPatch({ a: { seed: "x".repeat(1_000) } }, patch(...doubling)), { code: "PATCH_DOES_NOT_APPLY" });
  const deepening = Array.from({ length: 1_000 }, () => ({ op: "move", from: "/a", path: "/b" })).flatMap((move) => [
    move,
    { op: "add", path: "/a", value: {} },
    { op: "move", from: "/b", path: "/a/b" },
  ]);
  t.throws(() => applyPatch({ a: {} }, patch(...deepening.slice(0, 999))), {
    code: "PATCH_DOES_NOT_APPLY",
    detail: { pointer: "/a/b" },
  });
});

t.test("applying the difference of two documents makes the second of the first", async () => {
  fc.assert(
    fc.property(anyJson, anyJson, (before, after) => {
      const text = canonicalJson(before);
      deepStrictEqual(applyPatch(before, difference(before, after)), after);
      deepStrictEqual(canonicalJson(before), text);
    }),
    { numRuns: 500 },
  );
});

t.test("any patch on any document throws a StepgateError or gives a document that strict parsing takes", async () => {
  const pointer = fc
    .array(fc.constantFrom("a", "b", "0", "1", "-", "", "~", "/", "constructor"), { maxLength: 3 })
    .map(formatPointer);
  const operation = fc.record(
    {
      op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "other"),
      path: fc.oneof(pointer, fc.constantFrom("a", "/~", "/__proto__")),
      from: pointer,
      value: anyJson,
    },
    { requiredKeys: ["op", "path"] },
  );
  const small = fc.constantFrom<JsonValue>({ a: { b: [1, { a: 2 }] }, b: [] }, [[0], { a: 1 }], "text", null);
  fc.assert(
    fc.property(small, fc.array(operation, { maxLength: 6 }), (document, operations) => {
      const frozen = deepFreeze(structuredClone(document));
      try {
        const patched = applyPatch(frozen, operations as readonly PatchOperation[]);
        return jsonEquals(parseJson(canonicalJson(patched)), patched) && jsonEquals(frozen, document);
      } catch (caught) {
        return isStepgateError(caught, "PATCH_MALFORMED", "PATCH_DOES_NOT_APPLY") && jsonEquals(frozen, document);
      }
    }),
    { numRuns: 3_000 },
  );
});

t.test("the default limits hold what a payload may hold", async (t) => {
  t.strictSame(DEFAULT_PATCH_LIMITS, { maxOperations: 1_000, maxDepth: 64, maxWeight: 4_194_304 });
});

/** A patch from one value to another, written without the code under test. */
function difference(before: JsonValue, after: JsonValue, path: readonly string[] = []): readonly PatchOperation[] {
  const at = (key: string | number) => formatPointer([...path, String(key)]);
  if (isJsonObject(before) && isJsonObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key): readonly PatchOperation[] => {
      const [old, wanted] = [
        Object.hasOwn(before, key) ? before[key] : undefined,
        Object.hasOwn(after, key) ? after[key] : undefined,
      ];
      if (wanted === undefined) return [{ op: "remove", path: at(key) }];
      return old === undefined
        ? [{ op: "add", path: at(key), value: wanted }]
        : difference(old, wanted, [...path, key]);
    });
  }
  if (isJsonArray(before) && isJsonArray(after)) {
    const shared = Math.min(before.length, after.length);
    return [
      ...after
        .slice(0, shared)
        .flatMap((item, index) => difference(before[index] ?? null, item, [...path, String(index)])),
      ...before.slice(shared).map((): PatchOperation => ({ op: "remove", path: at(shared) })),
      ...after.slice(shared).map((value): PatchOperation => ({ op: "add", path: at("-"), value })),
    ];
  }
  return jsonEquals(before, after) ? [] : [{ op: "replace", path: formatPointer(path), value: after }];
}

function deepFreeze(value: JsonValue): JsonValue {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
