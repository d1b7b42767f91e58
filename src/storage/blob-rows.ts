/**
 * Sealed payloads as rows: what is written with a step, and read back for it.
 */
import type { BlobId, RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SealedBlob, StoredBlob } from "../core/vault.ts";
import type { Pool } from "./pool.ts";
import { READ_BLOBS } from "./statements/pipeline.ts";

/** Blobs as `insert_blobs` (functions/batches.sql) reads them. */
export function blobItems(blobs: readonly SealedBlob[]): readonly JsonObject[] {
  return blobs.map((blob) => ({
    blob_id: blob.blobId,
    step_id: blob.place.stepId,
    field: blob.place.field,
    key_id: blob.keyId,
    wrapped_key: Buffer.from(blob.wrappedKey).toString("base64"),
    sealed: Buffer.from(blob.sealed).toString("base64"),
  }));
}

interface BlobRow {
  readonly tenant_uid: TenantUid;
  readonly blob_id: BlobId;
  readonly run_uid: RunUid;
  readonly step_id: string;
  readonly field: string;
  readonly key_id: string;
  readonly wrapped_key: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Reads blobs by tenant and id; one that was erased is absent from the map. */
export async function readBlobs(
  pool: Pick<Pool, "query">,
  wanted: readonly { readonly tenantUid: TenantUid; readonly blobId: BlobId }[],
): Promise<ReadonlyMap<BlobId, StoredBlob>> {
  if (wanted.length === 0) return new Map();
  const { rows } = await pool.query<BlobRow>(READ_BLOBS, [
    wanted.map(({ tenantUid }) => tenantUid),
    wanted.map(({ blobId }) => blobId),
  ]);
  return new Map(
    rows.map((row) => [
      row.blob_id,
      {
        tenantUid: row.tenant_uid,
        blobId: row.blob_id,
        runUid: row.run_uid,
        stepId: row.step_id,
        field: row.field,
        keyId: row.key_id,
        wrappedKey: row.wrapped_key,
        sealed: row.sealed,
      },
    ]),
  );
}
