import t from "tap";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { findReferences, isOriginPointer, resolveReferences, valueAt } from "../../src/runs/references.ts";

const from = (step: string, pointer = "") => ({ $from: step, pointer });

t.test("references are found wherever they stand, in document order, with the pointer of their place", async (t) => {
  const inputs: JsonObject = {
    z: from("a", "/x"),
    list: [1, { deep: from("b") }],
    "odd/key~name": from("c", "/a~1b"),
    plain: { from: "a", pointer: "" },
  };
  t.same(findReferences(inputs), {
    found: [
      { path: "/z", step: "a", pointer: "/x" },
      { path: "/list/1/deep", step: "b", pointer: "" },
      { path: "/odd~1key~0name", step: "c", pointer: "/a~1b" },
    ],
    malformed: [],
  });
});

t.test("an object with $from that is not exactly a reference is malformed, never data", async (t) => {
  const malformed: readonly JsonObject[] = [
    { $from: "a" },
    { $from: "a", pointer: "", default: 1 },
    { $from: 1, pointer: "" },
    { $from: "a", pointer: null },
    { $from: "a", pointer: "x" },
    { $from: "a", pointer: "/~2" },
  ];
  for (const value of malformed) t.same(findReferences({ here: value }), { found: [], malformed: ["/here"] });
  t.same(findReferences({ $from: "a", pointer: "" }).found.length, 1, "the inputs themselves may be one");
});

t.test("references are replaced by the values they name, and nothing else changes", async (t) => {
  const outputs = new Map<string, JsonValue>([
    ["a", { x: [10, { y: "deep" }], "": 5, "m~n/o": true, null: null }],
    ["b", "whole"],
  ]);
  const inputs: JsonObject = {
    deep: from("a", "/x/1/y"),
    first: from("a", "/x/0"),
    empty: from("a", "/"),
    escaped: from("a", "/m~0n~1o"),
    nothing: from("a", "/null"),
    all: [from("b")],
    untouched: { n: 1 },
  };
  t.same(
    resolveReferences(inputs, (step) => outputs.get(step)),
    {
      ok: true,
      inputs: { deep: "deep", first: 10, empty: 5, escaped: true, nothing: null, all: ["whole"], untouched: { n: 1 } },
    },
  );
  t.same(inputs["deep"], from("a", "/x/1/y"), "the given inputs are left alone");
});

t.test("a value that is not there is an invalid request naming the first reference", async (t) => {
  const missing = ["/no", "/x/2", "/x/00", "/x/-", "/x/0/deeper", "/__proto__", "/constructor"];
  for (const pointer of missing) {
    const resolution = resolveReferences({ ok: from("a"), here: from("a", pointer) }, () => ({ x: [1, 2] }));
    t.same(resolution, { ok: false, kind: "invalid_request", missing: { path: "/here", step: "a", pointer } }, pointer);
  }
  t.match(
    resolveReferences({ here: from("gone") }, () => undefined),
    { ok: false, kind: "invalid_request" },
  );
});

t.test("what a dependency returned is data, also when it looks like a reference", async (t) => {
  const hostile = { $from: "secret_step", pointer: "" };
  const asked: string[] = [];
  const resolution = resolveReferences({ here: from("a") }, (step) => {
    asked.push(step);
    return hostile;
  });
  t.same(resolution, { ok: true, inputs: { here: hostile } });
  t.same(asked, ["a"]);
});

t.test("a compensation's pointer starts at the inputs or the output of its origin", async (t) => {
  for (const pointer of ["/inputs", "/output", "/inputs/a", "/output/0"]) t.ok(isOriginPointer(pointer), pointer);
  for (const pointer of ["", "/", "/id", "/outputs", "/inputsx"]) t.notOk(isOriginPointer(pointer), pointer);
});

t.test("RFC 6901 section 5: every pointer of the example names its value", async (t) => {
  const document: JsonObject = {
    foo: ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
  };
  const cases: readonly (readonly [string, JsonValue])[] = [
    ["", document],
    ["/foo", ["bar", "baz"]],
    ["/foo/0", "bar"],
    ["/", 0],
    ["/a~1b", 1],
    ["/c%d", 2],
    ["/e^f", 3],
    ["/g|h", 4],
    ["/i\\j", 5],
    ['/k"l', 6],
    ["/ ", 7],
    ["/m~0n", 8],
  ];
  for (const [pointer, value] of cases) t.same(valueAt(document, pointer), value, pointer);
});
