/**
 * The instance's signing keys: one row per key, one purpose and one algorithm each (spec 10, keys).
 *
 * In: the store's rows. Out: rows that are proven ours, and signers of the purposes a process needs.
 * Not here: tenants' keys (tenant-keys.ts), who vouches for these keys outside (trust-bundle.ts).
 */
import type { KeyObject } from "node:crypto";
import { StepgateError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { type KeyState, type PublicJwk, SIGNING_PURPOSES, type Signer, type SigningPurpose } from "../core/keys.ts";
import { unwrapKey, wrapKey } from "./key-wrap.ts";
import type { KeyRow, KeyStore } from "./ports.ts";
import { makeSigner, publicJwkShape, publicKeyOf, SEED_BYTES, signingKeyOf } from "./signing-key.ts";
import type { TrustedKey } from "./trust-bundle.ts";

export interface InstanceKeys {
  /** Every key, also removed ones, as the trust bundle lists them. */
  readonly published: readonly (PublicJwk & { readonly purpose: SigningPurpose; readonly state: KeyState })[];
  /** Keys that still verify something. */
  readonly trusted: ReadonlyMap<string, TrustedKey>;
  /** Active keys of the asked purposes. */
  readonly signers: ReadonlyMap<SigningPurpose, Signer>;
}

export interface InstanceKeysDeps {
  readonly store: Pick<KeyStore, "listInstanceKeys" | "insertActiveKey">;
  readonly ids: Ids;
  /** The instance key's label `wrap`. */
  readonly wrapping: KeyObject;
  /** The purposes whose private keys this process keeps; the others are opened only to prove their rows. */
  readonly purposes: readonly SigningPurpose[];
}

/** Makes an active key for every purpose that has none. */
export async function ensureInstanceKeys({ store, ids, wrapping }: InstanceKeysDeps): Promise<void> {
  const rows = await store.listInstanceKeys();
  for (const purpose of SIGNING_PURPOSES) {
    if (rows.some((row) => row.purpose === purpose && row.state === "active")) continue;
    const seed = ids.random(SEED_BYTES);
    const { publicJwk } = signingKeyOf(seed);
    const identity = { tenantUid: undefined, purpose, keyId: publicJwk.kid };
    await store.insertActiveKey({
      ...identity,
      alg: publicJwk.alg,
      state: "active",
      publicJwk: { ...publicJwk },
      wrapped: wrapKey(wrapping, identity, seed, ids.random),
    });
  }
}

/**
 * Loads all signing keys.
 *
 * @throws {StepgateError} KEY_ROW_INVALID for a row that was not written with this instance key: a database writer
 *   cannot add a key that our own processes would trust.
 */
export async function loadInstanceKeys({ store, wrapping, purposes }: InstanceKeysDeps): Promise<InstanceKeys> {
  const published: (PublicJwk & { readonly purpose: SigningPurpose; readonly state: KeyState })[] = [];
  const trusted = new Map<string, TrustedKey>();
  const signers = new Map<SigningPurpose, Signer>();
  for (const row of await store.listInstanceKeys()) {
    const { keyId: kid, state } = row;
    const purpose = SIGNING_PURPOSES.find((known) => known === row.purpose);
    if (purpose === undefined) throw new StepgateError("KEY_ROW_INVALID", { keyId: kid, purpose: row.purpose });
    if (state === "removed") {
      published.push({ ...removedJwk(row), purpose, state });
      continue;
    }
    const key = signingKeyOf(unwrapKey(wrapping, { tenantUid: undefined, purpose, keyId: kid }, row.wrapped));
    published.push({ ...key.publicJwk, purpose, state });
    trusted.set(kid, { kid, publicKey: key.publicKey, purpose, state });
    if (state === "active" && purposes.includes(purpose)) signers.set(purpose, makeSigner(purpose, key));
  }
  return { published, trusted, signers };
}

/** The public part of a key whose seed is gone: listing it can only take trust away, so its thumbprint is proof enough. */
function removedJwk({ keyId, purpose, publicJwk }: KeyRow): PublicJwk {
  try {
    const jwk = publicJwkShape(publicJwk, "");
    publicKeyOf(jwk);
    if (jwk.kid === keyId) return jwk;
  } catch (cause) {
    throw new StepgateError("KEY_ROW_INVALID", { keyId, purpose }, { cause });
  }
  throw new StepgateError("KEY_ROW_INVALID", { keyId, purpose });
}
