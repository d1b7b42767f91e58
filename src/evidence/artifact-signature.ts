/**
 * Artifact metadata with its signature: what a reader is given beside the bytes (spec 04, decision artifact).
 *
 * In: metadata with its manifest, and the `artifact` batch whose leaf is the metadata's digest. Out: metadata that verifies
 * alone with a pinned root. Not here: verification (verify-artifacts.ts).
 */
import type { JsonObject } from "../core/json.ts";
import { type Batch, inclusionOf } from "./batch.ts";
import { members } from "./statement.ts";

/** Adds `signature {algorithm, key_id, value, batch {statement, index, path}}`; `value` signs the batch statement. */
export function withSignature(metadata: JsonObject, batch: Omit<Batch, "batchId" | "size">, index: number): JsonObject {
  const { path } = inclusionOf(batch, index);
  return members({
    ...metadata,
    signature: {
      algorithm: "Ed25519",
      batch: { index, path, statement: batch.statement },
      key_id: batch.kid,
      value: Buffer.from(batch.signature).toString("base64"),
    },
  });
}
