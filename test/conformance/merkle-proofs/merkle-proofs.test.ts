/** RFC 9162 inclusion and consistency proofs of transparency-dev/merkle (SOURCE.txt), one file per case. */
import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { verifyConsistency, verifyInclusion } from "../../../src/evidence/merkle.ts";

const here = dirname(fileURLToPath(import.meta.url));
const bytes = (base64: string | null): Uint8Array => Buffer.from(base64 ?? "", "base64");
const path = (proof: readonly string[] | null): readonly Uint8Array[] => (proof ?? []).map(bytes);

interface Vector {
  readonly desc: string;
  readonly wantErr: boolean;
  readonly proof: readonly string[] | null;
}
interface Inclusion extends Vector {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string | null;
  readonly leafHash: string | null;
}
interface Consistency extends Vector {
  readonly size1: number;
  readonly size2: number;
  readonly root1: string | null;
  readonly root2: string | null;
}

function vectors<V extends Vector>(kind: string): readonly { readonly file: string; readonly vector: V }[] {
  const files = globSync(`${kind}/**/*.json`, { cwd: here }).sort();
  return files.map((file) => ({ file, vector: JSON.parse(readFileSync(`${here}/${file}`, "utf8")) as V }));
}

t.test("every inclusion proof has its expected verdict", async (t) => {
  const cases = vectors<Inclusion>("inclusion");
  t.equal(cases.length, 98);
  for (const { file, vector } of cases) {
    const isIncluded = verifyInclusion({
      index: vector.leafIdx,
      size: vector.treeSize,
      leafHash: bytes(vector.leafHash),
      path: path(vector.proof),
      root: bytes(vector.root),
    });
    t.equal(isIncluded, !vector.wantErr, `${file}: ${vector.desc}`);
  }
});

t.test("every consistency proof has its expected verdict", async (t) => {
  const cases = vectors<Consistency>("consistency");
  t.equal(cases.length, 98);
  for (const { file, vector } of cases) {
    const isConsistent = verifyConsistency({
      size1: vector.size1,
      size2: vector.size2,
      root1: bytes(vector.root1),
      root2: bytes(vector.root2),
      path: path(vector.proof),
    });
    t.equal(isConsistent, !vector.wantErr, `${file}: ${vector.desc}`);
  }
});
