/**
 * Sealed payloads as every room passes them: where one belongs, and what a tenant's vault does with it (spec 00).
 *
 * Here: the words. Not here: the cryptography (evidence/), the keys (gate/tenant-vault.ts), rows (storage/).
 */
import type { BlobId, Digest, RunUid, StepId, TenantUid } from "./ids.ts";

/** Where a sealed payload belongs; it opens nowhere else. */
export interface BlobPlace {
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly field:
    | "input"
    | "output"
    | "error"
    | "checkpoint"
    | "labels"
    | "details"
    | "pack_input"
    | "tool_events"
    | "approval"
    | "approval_reason";
}

/** A sealed payload ready to be stored: ciphertext and its wrapped key, never the plaintext. */
export interface SealedBlob {
  readonly blobId: BlobId;
  readonly place: BlobPlace;
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
  readonly sealed: Uint8Array;
}

/** A sealed payload as its row has it; it opens at its own place only. */
export interface StoredBlob {
  readonly tenantUid: TenantUid;
  readonly blobId: BlobId;
  readonly runUid: RunUid;
  readonly stepId: string;
  readonly field: string;
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
  readonly sealed: Uint8Array;
}

/** A sealed text that is no payload of a run, as its row has it; deleting the wrapped key erases it. */
export interface SealedText {
  readonly keyId: string;
  readonly wrappedKey: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Seals and opens texts by name under their tenants' data keys; one opens at its own tenant and name only. */
export interface TextVault {
  readonly seal: (place: TextPlace, text: string) => Promise<SealedText>;
  /** @throws {StepgateError} BLOB_UNREADABLE for another one's, or an altered byte. */
  readonly open: (place: TextPlace, sealed: SealedText) => Promise<string>;
}

export interface TextPlace {
  readonly tenantUid: TenantUid;
  readonly name: string;
}

/** One tenant's payload keys, loaded. */
export interface TenantVault {
  readonly seal: (place: BlobPlace, text: string) => SealedBlob;
  /** Keyed digest for internal equality only (snapshots, idempotency); no route returns it. */
  readonly digest: (purpose: "snapshot" | "submission" | "approval", text: string) => string;
  /** SHA-256 over fresh random bytes and the text; the bytes come back so that they can be sealed with the payload. */
  readonly commit: (text: string) => { readonly commitment: Digest; readonly nonce: string };
}
