/**
 * A sealed text in three columns, read and written.
 */
import type { SealedText } from "../core/vault.ts";

export interface SealedColumns {
  readonly key_id: string;
  readonly wrapped_key: Uint8Array;
  readonly sealed: Uint8Array;
}

export function sealedText(row: SealedColumns): SealedText {
  return { keyId: row.key_id, wrappedKey: row.wrapped_key, sealed: row.sealed };
}

/** In the order of `SealedColumns`. */
export function sealedColumns({ keyId, wrappedKey, sealed }: SealedText) {
  return [keyId, wrappedKey, sealed] as const;
}
