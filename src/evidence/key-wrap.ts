/**
 * Wrapped keys: AES-256-GCM under the instance key, bound to tenant, purpose and key id (spec 10, keys).
 *
 * In: key material and its row's identity. Out: the bytes of `keys.wrapped`. A row moved to another tenant, purpose or id,
 * or written by somebody without the instance key, does not unwrap. Not here: the rows (ports.ts).
 */
import type { KeyObject } from "node:crypto";
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { Ids, TenantUid } from "../core/ids.ts";
import { seal, unseal } from "./aead.ts";

/** Which key it is; authenticated with the wrapping. */
export interface KeyIdentity {
  readonly tenantUid: TenantUid | undefined;
  readonly purpose: string;
  readonly keyId: string;
}

/** Wraps key material under the instance key's label `wrap`. */
export function wrapKey(
  wrapping: KeyObject,
  identity: KeyIdentity,
  material: Uint8Array,
  random: Ids["random"],
): Uint8Array {
  return seal(wrapping, random(12), aadOf(identity), material);
}

/** Unwraps key material. @throws {StepgateError} KEY_ROW_INVALID with the key's id when the row is not what we wrote. */
export function unwrapKey(wrapping: KeyObject, identity: KeyIdentity, wrapped: Uint8Array | undefined): Uint8Array {
  const material = wrapped === undefined ? undefined : unseal(wrapping, aadOf(identity), wrapped);
  if (material === undefined) {
    throw new StepgateError("KEY_ROW_INVALID", { keyId: identity.keyId, purpose: identity.purpose });
  }
  return material;
}

function aadOf({ tenantUid, purpose, keyId }: KeyIdentity): Uint8Array {
  return Buffer.from(canonicalJson(["stepgate/key", tenantUid ?? null, purpose, keyId]));
}
