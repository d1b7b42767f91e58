/**
 * A tenant's vault: seals, opens, commits and compares payloads with that tenant's own keys (spec 00, payloads at rest).
 *
 * In: the key ring. Out: the vault that the gate and the scheduler work with. Not here: the cryptography (evidence/).
 */
import { StepgateError } from "../core/errors.ts";
import type { BlobId, Ids, RunUid, TenantUid } from "../core/ids.ts";
import type { TenantVault } from "../core/vault.ts";
import { commit } from "../evidence/commitment.ts";
import { type DataKey, openBlob, type SealedBlob as SealedBytes, sealBlob } from "../evidence/sealing.ts";
import type { TenantKeyring, TenantKeys } from "../evidence/tenant-keys.ts";

/** A stored blob and where it says it belongs. */
interface StoredBytes extends SealedBytes {
  readonly blobId?: BlobId;
}

export interface OpenableVault extends TenantVault {
  /** Opens a blob at its place. @throws {StepgateError} BLOB_ERASED when there is none, BLOB_UNREADABLE. */
  readonly open: (
    blob: StoredBytes | undefined,
    place: { readonly runUid: RunUid; readonly stepId: string; readonly field: string },
  ) => string;
}

export interface TenantVaults {
  /** The vault; its keys are read once and remembered. @throws {StepgateError} KEY_ROW_INVALID, STORE_UNAVAILABLE. */
  readonly of: (tenantUid: TenantUid) => Promise<OpenableVault>;
  /** The vault for opening these: its keys are read once more where one of theirs is unknown. Throws as `of`. */
  readonly opening: (tenantUid: TenantUid, blobs: Iterable<Pick<SealedBytes, "keyId">>) => Promise<OpenableVault>;
}

const DIGEST_PURPOSE = { snapshot: "snapshot", submission: "idempotency", approval: "approval" } as const;

export function makeTenantVaults({
  keyring,
  ids,
}: {
  readonly keyring: TenantKeyring;
  readonly ids: Ids;
}): TenantVaults {
  return {
    of: async (tenantUid) => makeVault(tenantUid, await keyring.of(tenantUid), ids),
    opening: async (tenantUid, blobs) => {
      const keyIds = new Set([...blobs].map(({ keyId }) => keyId));
      return makeVault(tenantUid, await keyring.knowing(tenantUid, keyIds), ids);
    },
  };
}

function makeVault(tenantUid: TenantUid, keys: TenantKeys, ids: Ids): OpenableVault {
  return {
    seal: (place, text) => {
      const blob = sealBlob(
        keys.dataKey,
        { tenantUid, runUid: place.runUid, stepId: place.stepId, field: place.field },
        Buffer.from(text),
        ids.random,
      );
      return { blobId: ids.uuid() as BlobId, place, ...blob };
    },
    open: (blob, place) => {
      if (blob === undefined)
        throw new StepgateError("BLOB_ERASED", { runUid: place.runUid, stepId: place.stepId, field: place.field });
      return Buffer.from(openBlob(keyOf(keys, blob.keyId), { tenantUid, ...place }, blob)).toString();
    },
    digest: (purpose, text) => keys.digest(DIGEST_PURPOSE[purpose], text),
    commit: (text) => {
      const { commitment, nonce } = commit(text, ids.random);
      return { commitment, nonce: Buffer.from(nonce).toString("hex") };
    },
  };
}

function keyOf(keys: TenantKeys, keyId: string): DataKey {
  const key = keys.dataKeys.get(keyId);
  if (key === undefined) throw new StepgateError("BLOB_UNREADABLE", { keyId });
  return key;
}
