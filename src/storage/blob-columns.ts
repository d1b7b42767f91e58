/**
 * The sealed payloads of a batch as columns: which item each belongs to, and what its row holds (functions/batches.sql).
 */
import type { SealedBlob } from "../core/vault.ts";
import { byteaArray, int4Array, textArray, uuidArray } from "./binary-array.ts";
import type { SqlValue } from "./prepare.ts";

/** Items count from 1. */
export function blobColumns(items: readonly { readonly blobs: readonly SealedBlob[] }[]): readonly SqlValue[] {
  const places = items.flatMap(({ blobs }, index) => blobs.map(() => index + 1));
  const blobs = items.flatMap((item) => item.blobs);
  return [
    int4Array(places),
    uuidArray(blobs.map(({ blobId }) => blobId)),
    textArray(blobs.map(({ place }) => place.field)),
    textArray(blobs.map(({ keyId }) => keyId)),
    byteaArray(blobs.map(({ wrappedKey }) => wrappedKey)),
    byteaArray(blobs.map(({ sealed }) => sealed)),
  ];
}
