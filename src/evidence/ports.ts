/**
 * What the key ring needs from the database, in its own words (spec 10, keys).
 *
 * Keys are rows, wrapped by the instance key; the store never sees one in the clear. Every insert is durable when it
 * returns and never overwrites: it returns the row that stands, so that several first starts at once end with one set.
 * Not here: the tables (storage/), how keys are wrapped (key-wrap.ts), which keys a process loads (key-ring.ts).
 */
import type { TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { KeyState } from "../core/keys.ts";

/** The one row that proves which instance key a database was made with. */
export interface InstanceCheck {
  readonly instanceUid: string;
  /** 32 bytes: HMAC-SHA-256 of the instance uid under the instance key's label `check`. */
  readonly proof: Uint8Array;
}

/** A row of `keys`. Texts are checked when the row is loaded; a row that does not unwrap is refused. */
export interface KeyRow {
  /** RFC 7638 thumbprint of a signing key, a UUID of a symmetric one. Unique in the database. */
  readonly keyId: string;
  /** Undefined for the instance's own keys. */
  readonly tenantUid: TenantUid | undefined;
  /** A signing purpose of core/keys.ts, `data`, or `digest_<purpose>`. */
  readonly purpose: string;
  readonly alg: string;
  readonly state: KeyState;
  /** Signing keys only. */
  readonly publicJwk: JsonObject | undefined;
  /** Undefined once the key is removed. */
  readonly wrapped: Uint8Array | undefined;
}

/** A root-signed trust bundle as the database keeps it; versions count from 1. */
export interface StoredTrustBundle {
  readonly version: number;
  /** The DSSE envelope as canonical JSON text. */
  readonly envelope: string;
}

/** The platform's first API key (no tenant, role `admin`); only its hash is stored. */
export interface AdminKeyRow {
  readonly keyId: string;
  /** SHA-256 of the whole key text, 32 bytes. */
  readonly secretHash: Uint8Array;
}

export interface KeyStore {
  /**
   * Runs `act` while no other process of this database is inside; the lock ends with the process that held it
   * (a session's advisory lock). The other calls may be made inside and outside.
   */
  readonly exclusively: <T>(act: () => Promise<T>) => Promise<T>;
  readonly readInstanceCheck: () => Promise<InstanceCheck | undefined>;
  /** Inserts unless there is a row, and returns the row that stands. */
  readonly insertInstanceCheck: (check: InstanceCheck) => Promise<InstanceCheck>;
  /** All rows without a tenant, in every state, oldest first. */
  readonly listInstanceKeys: () => Promise<readonly KeyRow[]>;
  /** All rows of one tenant, in every state, oldest first. */
  readonly listTenantKeys: (tenantUid: TenantUid) => Promise<readonly KeyRow[]>;
  /** Inserts an active key unless (tenant, purpose) has an active one, and returns the active row that stands. */
  readonly insertActiveKey: (row: KeyRow) => Promise<KeyRow>;
  /** The bundle with the highest version. */
  readonly readTrustBundle: () => Promise<StoredTrustBundle | undefined>;
  /** Inserts unless this version is taken, and returns the bundle with the highest version. */
  readonly insertTrustBundle: (bundle: StoredTrustBundle) => Promise<StoredTrustBundle>;
  /** Whether any platform key with the role `admin` was ever stored, also a revoked one. */
  readonly hasAdminKey: () => Promise<boolean>;
  /** Inserts unless the key id is taken: a revoked key is never revived. */
  readonly insertAdminKey: (row: AdminKeyRow) => Promise<void>;
}
