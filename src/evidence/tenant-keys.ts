/**
 * A tenant's keys: data keys for sealing, digest keys for internal equality (spec 00, payloads at rest; spec 10).
 *
 * In: a tenant. Out: its keys, made on first use, the same in every process. Data keys may be rotated, digest keys never
 * are: resume, idempotency and snapshots rest on them. Not here: sealing itself (sealing.ts).
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { StepgateError } from "../core/errors.ts";
import type { Digest, Ids, TenantUid } from "../core/ids.ts";
import { unwrapKey, wrapKey } from "./key-wrap.ts";
import type { KeyRow, KeyStore } from "./ports.ts";
import type { DataKey } from "./sealing.ts";

/** What may be compared by keyed digest; no route returns one. */
export const DIGEST_PURPOSES = ["idempotency", "snapshot", "script", "approval"] as const;
export type DigestPurpose = (typeof DIGEST_PURPOSES)[number];

export interface TenantKeys {
  /** New blobs use this one. */
  readonly dataKey: DataKey;
  /** Every data key that still opens blobs, by id. */
  readonly dataKeys: ReadonlyMap<string, DataKey>;
  /** HMAC-SHA-256 of a canonical text under the tenant's key of this purpose, lower-case hex. */
  readonly digest: (purpose: DigestPurpose, canonical: string) => Digest;
}

export interface TenantKeyring {
  /** The tenant's keys; remembered after the first call. @throws {StepgateError} KEY_ROW_INVALID, STORE_UNAVAILABLE. */
  readonly of: (tenantUid: TenantUid) => Promise<TenantKeys>;
  /** The data key a blob names, read again when another process made it meanwhile. @throws BLOB_UNREADABLE if unknown. */
  readonly dataKey: (tenantUid: TenantUid, keyId: string) => Promise<DataKey>;
  /** As `of`; read once more where a data key of these ids is unknown: another process may have rotated them. */
  readonly knowing: (tenantUid: TenantUid, keyIds: Iterable<string>) => Promise<TenantKeys>;
}

export interface TenantKeyringDeps {
  readonly store: Pick<KeyStore, "listTenantKeys" | "insertActiveKey">;
  readonly ids: Ids;
  /** The instance key's label `wrap`. */
  readonly wrapping: KeyObject;
}

const KEY_BYTES = 32;
const ALGORITHMS = { data: "A256GCM", digest: "HS256" } as const;

/** Opens the keyring of all tenants of an instance. */
export function makeTenantKeyring(deps: TenantKeyringDeps): TenantKeyring {
  const known = new Map<TenantUid, Promise<TenantKeys>>();
  const load = (tenantUid: TenantUid) => {
    const loading = loadTenantKeys(tenantUid, deps);
    known.set(tenantUid, loading);
    // a failed load must not be remembered: the next call asks the store again
    loading.catch(() => known.get(tenantUid) === loading && known.delete(tenantUid));
    return loading;
  };
  const of = (tenantUid: TenantUid) => known.get(tenantUid) ?? load(tenantUid);
  const knowing: TenantKeyring["knowing"] = async (tenantUid, keyIds) => {
    const keys = await of(tenantUid);
    return [...keyIds].every((keyId) => keys.dataKeys.has(keyId)) ? keys : load(tenantUid);
  };
  return {
    of,
    knowing,
    dataKey: async (tenantUid, keyId) => {
      const key = (await knowing(tenantUid, [keyId])).dataKeys.get(keyId);
      if (key === undefined) throw new StepgateError("BLOB_UNREADABLE", { keyId });
      return key;
    },
  };
}

async function loadTenantKeys(tenantUid: TenantUid, deps: TenantKeyringDeps): Promise<TenantKeys> {
  const rows = [...(await deps.store.listTenantKeys(tenantUid))].filter(({ state }) => state !== "removed");
  const active = async (purpose: string, alg: string) => {
    const found = rows.find((row) => row.purpose === purpose && row.state === "active");
    return openKey(found ?? (await makeKey({ tenantUid, purpose, alg }, deps)), { tenantUid, purpose, alg }, deps);
  };
  const dataKey = await active("data", ALGORITHMS.data);
  const dataKeys = new Map([[dataKey.keyId, dataKey]]);
  for (const row of rows.filter(({ purpose }) => purpose === "data")) {
    dataKeys.set(row.keyId, openKey(row, { tenantUid, purpose: "data", alg: ALGORITHMS.data }, deps));
  }
  const digestKeys = new Map<DigestPurpose, KeyObject>();
  for (const purpose of DIGEST_PURPOSES) {
    digestKeys.set(purpose, (await active(`digest_${purpose}`, ALGORITHMS.digest)).key);
  }
  return {
    dataKey,
    dataKeys,
    digest: (purpose, canonical) => {
      const key = digestKeys.get(purpose);
      if (key === undefined) throw new StepgateError("KEYS_UNAVAILABLE", { purpose });
      return createHmac("sha256", key).update(canonical).digest("hex") as Digest;
    },
  };
}

interface WantedKey {
  readonly tenantUid: TenantUid;
  readonly purpose: string;
  readonly alg: string;
}

/** Another process may make the same key at the same time; the row that stands counts for both. */
function makeKey({ tenantUid, purpose, alg }: WantedKey, { store, ids, wrapping }: TenantKeyringDeps): Promise<KeyRow> {
  const identity = { tenantUid, purpose, keyId: ids.uuid() };
  const wrapped = wrapKey(wrapping, identity, ids.random(KEY_BYTES), ids.random);
  return store.insertActiveKey({ ...identity, alg, state: "active", publicJwk: undefined, wrapped });
}

function openKey(row: KeyRow, wanted: WantedKey, { wrapping }: TenantKeyringDeps): DataKey {
  const { keyId, wrapped, alg } = row;
  // the identity is the wanted one, not the row's own: a row of another tenant or purpose does not unwrap
  const material = unwrapKey(wrapping, { tenantUid: wanted.tenantUid, purpose: wanted.purpose, keyId }, wrapped);
  if (alg !== wanted.alg || material.length !== KEY_BYTES) {
    throw new StepgateError("KEY_ROW_INVALID", { keyId, purpose: wanted.purpose });
  }
  return { keyId, key: createSecretKey(material) };
}
