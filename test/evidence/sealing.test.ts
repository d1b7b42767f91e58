import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import type { RunUid, TenantUid } from "../../src/core/ids.ts";
import { type BlobPlace, openBlob, type SealedBlob, sealBlob } from "../../src/evidence/sealing.ts";
import { RUN, TENANT } from "./sample-run.ts";
import { seededIds } from "./seeded.ts";

const { random } = seededIds("sealing");
const dataKey = { keyId: "data-1", key: createSecretKey(random(32)) };
const place: BlobPlace = { tenantUid: TENANT, runUid: RUN, stepId: "fetch", field: "output" };
const SECRET = Buffer.from("4111 1111 1111 1111");
const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
};

t.test("a blob of any size opens at its place and shows nothing before", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (plaintext) => {
      const blob = sealBlob(dataKey, place, plaintext, random);
      return Buffer.compare(openBlob(dataKey, place, blob), plaintext) === 0;
    }),
    { seed: 20261121, numRuns: 100 },
  );
  const blob = sealBlob(dataKey, place, SECRET, random);
  t.equal(Buffer.concat([blob.sealed, blob.wrappedKey]).includes(SECRET), false);
  t.not(Buffer.compare(blob.sealed, sealBlob(dataKey, place, SECRET, random).sealed), 0, "every blob has its own key");
});

t.test("K4 a blob at another place, of another key, or altered anywhere is unreadable", async (t) => {
  const blob = sealBlob(dataKey, place, SECRET, random);
  const other = sealBlob(dataKey, place, SECRET, random);
  const places: readonly Partial<BlobPlace>[] = [
    { tenantUid: RUN as string as TenantUid },
    { runUid: TENANT as string as RunUid },
    { stepId: "other" },
    { field: "input" },
    { stepId: 'fetch","output', field: "" },
  ];
  for (const change of places) {
    t.throws(
      () => openBlob(dataKey, { ...place, ...change }, blob),
      { code: "BLOB_UNREADABLE" },
      JSON.stringify(change),
    );
  }
  const blobs: readonly (readonly [string, SealedBlob])[] = [
    ["another blob's key", { ...blob, wrappedKey: other.wrappedKey }],
    ["another key id", { ...blob, keyId: "data-2" }],
    ["no bytes", { ...blob, sealed: new Uint8Array() }],
    ["a cut tag", { ...blob, sealed: blob.sealed.subarray(0, -1) }],
    ["an erased key", { ...blob, wrappedKey: new Uint8Array() }],
    ...[...blob.sealed.keys()].map((at) => [`bit at ${at}`, { ...blob, sealed: flipped(blob.sealed, at) }] as const),
    ...[...blob.wrappedKey.keys()].map(
      (at) => [`key bit at ${at}`, { ...blob, wrappedKey: flipped(blob.wrappedKey, at) }] as const,
    ),
  ];
  for (const [why, changed] of blobs)
    t.throws(() => openBlob(dataKey, place, changed), { code: "BLOB_UNREADABLE" }, why);
  const rotated = { keyId: "data-1", key: createSecretKey(random(32)) };
  t.throws(() => openBlob(rotated, place, blob), { code: "BLOB_UNREADABLE" }, "another data key under the same id");
});
