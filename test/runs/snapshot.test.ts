import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import type { Digest, StepId } from "../../src/core/ids.ts";
import { snapshotOf } from "../../src/runs/snapshot.ts";

const outputs = (...pairs: readonly (readonly [string, string])[]) =>
  new Map(pairs as readonly (readonly [StepId, Digest])[]);

t.test("a snapshot is the digest of the canonical map from step to output digest", async (t) => {
  const snapshot = snapshotOf(outputs(["b", "22"], ["a", "11"]));
  t.same(snapshot.outputs, { a: "11", b: "22" });
  t.equal(snapshot.id, sha256Hex('{"a":"11","b":"22"}'));
  t.equal(snapshotOf(outputs()).id, sha256Hex("{}"));
});

t.test("the order of finishing makes no difference; an output does", async (t) => {
  t.equal(snapshotOf(outputs(["a", "11"], ["b", "22"])).id, snapshotOf(outputs(["b", "22"], ["a", "11"])).id);
  t.not(snapshotOf(outputs(["a", "11"])).id, snapshotOf(outputs(["a", "12"])).id);
  t.not(snapshotOf(outputs(["a", "11"])).id, snapshotOf(outputs(["b", "11"])).id);
});
