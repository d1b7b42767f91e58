import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import {
  inclusionPath,
  leafHash,
  merkleLevels,
  merkleRoot,
  nodeHash,
  verifyInclusion,
} from "../../src/evidence/merkle.ts";

/** RFC 6962 §2.1 word by word: the tree splits at the largest power of two below its size. */
function rootByTheBook(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return createHash("sha256").digest();
  if (leaves.length === 1) return only;
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return nodeHash(rootByTheBook(leaves.slice(0, split)), rootByTheBook(leaves.slice(split)));
}

const leavesOf = (size: number) => Array.from({ length: size }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));

t.test("leaf and node hashes carry their prefix", async (t) => {
  const sha = (hex: string) => createHash("sha256").update(Buffer.from(hex, "hex")).digest("hex");
  t.equal(Buffer.from(leafHash(Buffer.from("ff", "hex"))).toString("hex"), sha("00ff"));
  t.equal(Buffer.from(nodeHash(Buffer.from("aa", "hex"), Buffer.from("bb", "hex"))).toString("hex"), sha("01aabb"));
});

t.test("the root of every size up to 130 is the recursive one of RFC 6962", async (t) => {
  for (let size = 0; size <= 130; size += 1) {
    const leaves = leavesOf(size);
    if (Buffer.compare(merkleRoot(leaves), rootByTheBook(leaves)) !== 0) t.fail(`size ${size}`);
  }
});

t.test("a path longer than its tree is refused, although its hashes lead to the root", async (t) => {
  const [left = new Uint8Array(), right = new Uint8Array()] = leavesOf(2);
  const proof = { index: 0, size: 1, leafHash: right, path: [left], root: nodeHash(left, right) };
  t.equal(verifyInclusion(proof), false);
  t.equal(verifyInclusion({ ...proof, index: 1, size: 2 }), true, "the control");
});

t.test("every leaf's path verifies, and no path verifies for another place, leaf, size or root", async (t) => {
  const place = fc
    .integer({ min: 1, max: 300 })
    .chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1), fc.nat(size - 1)));
  fc.assert(
    fc.property(place, ([size, index, otherIndex]) => {
      const leaves = leavesOf(size);
      const path = inclusionPath(merkleLevels(leaves), index);
      const [leaf, root] = [leaves[index] ?? new Uint8Array(), merkleRoot(leaves)];
      const proof = { index, size, leafHash: leaf, path, root };
      const refused = [
        otherIndex === index ? undefined : { ...proof, index: otherIndex },
        { ...proof, leafHash: leafHash(Buffer.from("other")) },
        { ...proof, root: leafHash(root) },
        { ...proof, path: [...path, root] },
        size === 1 ? undefined : { ...proof, path: path.slice(1) },
        { ...proof, index: size },
        { ...proof, index: -1 },
        { ...proof, index: 0.5 },
      ];
      return verifyInclusion(proof) && refused.every((other) => other === undefined || !verifyInclusion(other));
    }),
    { seed: 20261121, numRuns: 300 },
  );
  t.pass();
});
