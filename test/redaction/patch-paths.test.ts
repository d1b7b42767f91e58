import t from "tap";
import type { PatchOperation } from "../../src/core/decision.ts";
import { checkPatchPaths } from "../../src/redaction/patch-paths.ts";

const allowed = (kind: "ingress" | "egress", operation: object) => checkPatchPaths([operation as PatchOperation], kind);

t.test("packs patch inputs and most of execution on the way in, output on the way out", async (t) => {
  for (const path of [
    "/inputs/to",
    "/inputs/a/b/0",
    "/inputs/",
    "/inputs/a~1b",
    "/execution/deadline_ms",
    "/execution/checkpoint",
  ]) {
    t.ok(allowed("ingress", { op: "replace", path, value: 1 }), path);
    t.ok(allowed("ingress", { op: "remove", path }), path);
    t.notOk(allowed("egress", { op: "replace", path, value: 1 }), `${path} on the way out`);
  }
  for (const path of ["/output/text", "/output/0"]) {
    t.ok(allowed("egress", { op: "replace", path, value: 1 }), path);
    t.notOk(allowed("ingress", { op: "replace", path, value: 1 }), `${path} on the way in`);
  }
  t.ok(checkPatchPaths([], "ingress"));
});

t.test("patches elsewhere are not allowed, nor are pointers that only look as if", async (t) => {
  const paths = [
    "",
    "/",
    "/tenant/id",
    "/policy/guardrails",
    "/step/type",
    "/budget",
    "/time",
    "/Inputs/to",
    "/inputs2/to",
    "/inputs~1to",
    "//inputs/to",
    "inputs/to",
    "/inputs/~",
    "/inputs/__proto__/x",
    "/execution",
    "/execution/max_attempts",
    "/execution/compensation",
    "/execution/compensation/step",
    "/execution/cost_hint",
    "/execution/cost_hint/tokens",
  ];
  for (const path of paths)
    for (const op of ["add", "replace", "remove", "test"])
      t.notOk(allowed("ingress", { op, path, value: 1 }), `${op} ${path}`);
});

t.test("from is held to the same rule as path", async (t) => {
  t.ok(allowed("ingress", { op: "copy", from: "/inputs/a", path: "/inputs/b" }));
  t.ok(allowed("ingress", { op: "move", from: "/inputs/a", path: "/inputs/b" }));
  for (const from of ["/tenant/id", "/execution/cost_hint/tokens", "/output/x", "", "x"]) {
    t.notOk(allowed("ingress", { op: "copy", from, path: "/inputs/b" }), `copy from ${from}`);
    t.notOk(allowed("ingress", { op: "move", from, path: "/inputs/b" }), `move from ${from}`);
  }
});

t.test("the payload's root can be replaced, tested and copied, but never taken away", async (t) => {
  for (const [kind, path] of [
    ["ingress", "/inputs"],
    ["egress", "/output"],
  ] as const) {
    for (const op of ["add", "replace", "test"]) t.ok(allowed(kind, { op, path, value: {} }), `${op} ${path}`);
    t.notOk(allowed(kind, { op: "remove", path }), `remove ${path}`);
    t.notOk(allowed(kind, { op: "move", from: path, path: `${path}/x` }), `move ${path}`);
    t.ok(allowed(kind, { op: "copy", from: path, path: `${path}/x` }), `copy ${path}`);
  }
});

t.test("one operation outside refuses the whole patch", async (t) => {
  const inside = { op: "remove", path: "/inputs/a" } as const;
  t.notOk(checkPatchPaths([inside, { op: "remove", path: "/policy" }, inside], "ingress"));
});
