/**
 * The key ring: first start, and the keys a running process holds (spec 10, keys).
 *
 * In: key files, the database's rows, the purposes this process needs. Out: signers, verification keys, tenant keys.
 * A kill between any two steps is made good by the next start. Not here: rotation, backup, showing the admin key (cli/).
 */
import type { KeyObject } from "node:crypto";
import type { TokenKeys } from "../core/capability.ts";
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Signer, SigningPurpose } from "../core/keys.ts";
import { type AdminKey, checkAdminKey, ensureAdminKey } from "./admin-key.ts";
import { INSTANCE_KEY_BYTES, type InstanceKey, type InstanceLabel, makeInstanceKey } from "./instance-key.ts";
import { ensureInstanceKeys, type InstanceKeys, loadInstanceKeys } from "./instance-keys.ts";
import type { KeyFiles } from "./key-files.ts";
import type { KeyStore, StoredTrustBundle } from "./ports.ts";
import { SEED_BYTES, type SigningKey, signingKeyOf } from "./signing-key.ts";
import { makeTenantKeyring, type TenantKeyring } from "./tenant-keys.ts";
import { type TrustedKey, tokenKeysOf, trustFile } from "./trust-bundle.ts";
import { ensureTrustBundle } from "./trust-renewal.ts";

const INSTANCE_KEY_FILE = "instance.key";
const ROOT_KEY_FILE = "root.key";
const TRUST_FILE = "trust.json";

export interface KeyRingDeps {
  readonly files: KeyFiles;
  readonly store: KeyStore;
  readonly ids: Ids;
  readonly clock: Clock;
  /** The bytes of STEPGATE_INSTANCE_KEY_FILE; undefined: `keys/instance.key`, made on the first start. */
  readonly givenInstanceKey: Uint8Array | undefined;
  /** STEPGATE_ADMIN_KEY. */
  readonly givenAdminKey: string | undefined;
  /** The purposes this process signs for; private keys of others are not kept. */
  readonly purposes: readonly SigningPurpose[];
  /** How long a trust bundle is good; renewed at a start within its second half. */
  readonly trustLifetimeMs: number;
}

export interface KeyRing {
  readonly instanceUid: string;
  readonly adminKey: AdminKey;
  /** @throws {StepgateError} SIGNER_UNAVAILABLE when this process does not hold an active key of the purpose. */
  readonly signer: (purpose: SigningPurpose) => Signer;
  /** Keys that capability tokens may be signed with. */
  readonly tokenKeys: () => TokenKeys;
  /** Every key that still verifies something, by kid: for records checked inside this process. */
  readonly trustedKeys: () => ReadonlyMap<string, TrustedKey>;
  /** The body of `/.well-known/jwks.json`. */
  readonly jwks: () => JsonObject;
  /** The text of the `--trust` file. */
  readonly trustFile: () => string;
  readonly tenants: TenantKeyring;
  /** A key for presigned links or row MACs. */
  readonly derive: (label: Exclude<InstanceLabel, "wrap" | "check">) => KeyObject;
  /** Reads keys and bundle again: another process may have rotated them. */
  readonly reload: () => Promise<void>;
}

/**
 * Opens the key ring, making what a first start has to make, in this order: instance key, root key, instance check,
 * wrapped keys, root-signed trust bundle, admin key; all under the store's lock.
 *
 * @throws {StepgateError} INSTANCE_KEY_MISSING or INSTANCE_KEY_MISMATCH when the database was made with a key that is
 *   not here: nothing is ever generated over existing data. ADMIN_KEY_WEAK, KEY_FILE_UNSAFE, KEY_FILE_INVALID,
 *   KEY_ROW_INVALID, KEYS_UNAVAILABLE when there is neither a trust bundle nor a root key to sign one.
 */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  const { files, store, ids } = deps;
  checkAdminKey(deps.givenAdminKey);
  return store.exclusively(async () => {
    const { instanceKey, instanceUid, root } = await openInstance(deps);
    const wrapping = instanceKey.derive("wrap");
    const keysDeps = { store, ids, wrapping, purposes: deps.purposes };
    await ensureInstanceKeys(keysDeps);
    let keys = await loadInstanceKeys(keysDeps);
    let bundle = await ensureTrustBundle({ ...deps, instanceUid, root, keys: keys.published });
    await writeTrustFile(files, bundle);
    const adminKey = await ensureAdminKey(deps.givenAdminKey, { files, store, random: ids.random });
    return {
      instanceUid,
      adminKey,
      signer: (purpose) => signerOf(keys, purpose),
      tokenKeys: () => tokenKeysOf(keys.trusted.values()),
      trustedKeys: () => keys.trusted,
      jwks: () => jwksOf(keys),
      trustFile: () => trustFile(bundle.envelope),
      tenants: makeTenantKeyring(keysDeps),
      derive: instanceKey.derive,
      reload: async () => {
        keys = await loadInstanceKeys(keysDeps);
        bundle = (await store.readTrustBundle()) ?? bundle;
      },
    };
  });
}

interface Instance {
  readonly instanceKey: InstanceKey;
  readonly instanceUid: string;
  /** Undefined once it was moved offline. */
  readonly root: SigningKey | undefined;
}

async function openInstance({ files, store, ids, givenInstanceKey }: KeyRingDeps): Promise<Instance> {
  const standing = await store.readInstanceCheck();
  const found = givenInstanceKey ?? (await files.read(INSTANCE_KEY_FILE));
  // looked up before anything is made: a key generated over existing data would hide that the right one is missing
  if (found === undefined && standing !== undefined) throw new StepgateError("INSTANCE_KEY_MISSING");
  if (standing === undefined && (await store.listInstanceKeys()).length > 0) {
    throw new StepgateError("INSTANCE_KEY_MISMATCH", { reason: "keys without an instance check" });
  }
  const instanceKey = makeInstanceKey(found ?? (await files.create(INSTANCE_KEY_FILE, ids.random(INSTANCE_KEY_BYTES))));
  const root = await openRoot({ files, store, ids });
  const instanceUid = ids.uuid();
  const check = standing ?? (await store.insertInstanceCheck({ instanceUid, proof: instanceKey.prove(instanceUid) }));
  if (!instanceKey.isProof(check.instanceUid, check.proof)) throw new StepgateError("INSTANCE_KEY_MISMATCH");
  return { instanceKey, instanceUid: check.instanceUid, root };
}

/** A root key is made only while no bundle exists: after that, a missing one was moved away on purpose. */
async function openRoot({
  files,
  store,
  ids,
}: Pick<KeyRingDeps, "files" | "store" | "ids">): Promise<SigningKey | undefined> {
  const found = await files.read(ROOT_KEY_FILE);
  if (found !== undefined) return signingKeyOf(found);
  if ((await store.readTrustBundle()) !== undefined) return undefined;
  return signingKeyOf(await files.create(ROOT_KEY_FILE, ids.random(SEED_BYTES)));
}

async function writeTrustFile(files: KeyFiles, bundle: StoredTrustBundle): Promise<void> {
  const wanted = Buffer.from(`${trustFile(bundle.envelope)}\n`);
  const standing = await files.read(TRUST_FILE);
  if (standing === undefined || !wanted.equals(standing)) await files.replace(TRUST_FILE, wanted);
}

function signerOf({ signers }: InstanceKeys, purpose: SigningPurpose): Signer {
  const signer = signers.get(purpose);
  if (signer === undefined) throw new StepgateError("SIGNER_UNAVAILABLE", { purpose });
  return signer;
}

function jwksOf({ published }: InstanceKeys): JsonObject {
  return {
    keys: published
      .filter(({ state }) => state !== "removed")
      .map(({ alg, crv, kid, kty, use, x }) => ({ alg, crv, kid, kty, use, x })),
  };
}
