/**
 * Keeping the trust bundle current: signed again when the keys changed or half of its lifetime is over.
 *
 * In: the bundle that stands, the keys as they are, the root key if it is here. Out: the bundle to publish.
 * Not here: the bundle's form and verification (trust-bundle.ts).
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import { parseJson } from "../core/parse-json.ts";
import { envelopeShape } from "./dsse.ts";
import type { KeyStore, StoredTrustBundle } from "./ports.ts";
import type { SigningKey } from "./signing-key.ts";
import { signTrustBundle, type TrustStatement, verifyTrustBundle } from "./trust-bundle.ts";

export interface TrustRenewal {
  readonly store: Pick<KeyStore, "readTrustBundle" | "insertTrustBundle">;
  readonly clock: Clock;
  readonly instanceUid: string;
  readonly root: SigningKey | undefined;
  readonly keys: TrustStatement["keys"];
  readonly trustLifetimeMs: number;
}

/**
 * Returns the bundle to publish, after signing a new version where one is due and the root key is here.
 *
 * Without the root key, or with another root than the one that signed, the standing bundle stays: a new root is a
 * decision of an operator, since every verifier has to pin it again.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE when there is neither bundle nor root key.
 */
export async function ensureTrustBundle(renewal: TrustRenewal): Promise<StoredTrustBundle> {
  const { store, root } = renewal;
  const standing = await store.readTrustBundle();
  if (root === undefined || (standing !== undefined && !isDue(standing, root, renewal))) {
    if (standing === undefined) throw new StepgateError("KEYS_UNAVAILABLE", { reason: "no trust bundle, no root key" });
    return standing;
  }
  const { instanceUid, keys, trustLifetimeMs } = renewal;
  const version = (standing?.version ?? 0) + 1;
  const issuedAtMs = renewal.clock.nowMs();
  const expiresAtMs = issuedAtMs + trustLifetimeMs;
  const envelope = signTrustBundle({ version, instanceUid, issuedAtMs, expiresAtMs, keys }, root);
  return store.insertTrustBundle({ version, envelope });
}

/** A bundle of our root is due when its keys are not the present ones, or less than half of its lifetime is left. */
function isDue(standing: StoredTrustBundle, root: SigningKey, { clock, keys, trustLifetimeMs }: TrustRenewal): boolean {
  const halfOverMs = clock.nowMs() + trustLifetimeMs / 2;
  const envelope = envelopeShape(parseJson(standing.envelope), "");
  const verdict = verifyTrustBundle(envelope, root.publicJwk, halfOverMs);
  if (!verdict.ok) return verdict.reason === "expired";
  const listed = [...verdict.trust.keys.values()].map(({ kid, purpose, state }) => `${kid} ${purpose} ${state}`);
  const present = keys.map(({ kid, purpose, state }) => `${kid} ${purpose} ${state}`);
  return listed.sort().join() !== present.sort().join();
}
