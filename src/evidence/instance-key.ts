/**
 * The instance key: 32 random bytes in a file, used only through HKDF labels (spec 10, keys; RFC 5869).
 *
 * In: the file's bytes. Out: one key per label, and the proof that a database was made with it.
 * Not here: reading the file (key-files.ts), when it may be made (key-ring.ts).
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from "node:crypto";
import { StepgateError } from "../core/errors.ts";

export const INSTANCE_KEY_BYTES = 32;

/** What the instance key is good for; nothing is keyed by the instance key itself. */
const INSTANCE_LABELS = ["wrap", "row_mac", "presign", "check"] as const;
export type InstanceLabel = (typeof INSTANCE_LABELS)[number];

export interface InstanceKey {
  readonly derive: (label: InstanceLabel) => KeyObject;
  /** What instance_check holds: HMAC-SHA-256 of the instance uid under label `check`. */
  readonly prove: (instanceUid: string) => Uint8Array;
  readonly isProof: (instanceUid: string, proof: Uint8Array) => boolean;
}

/** Takes the file's bytes. @throws {StepgateError} KEY_FILE_INVALID when they are not 32. */
export function makeInstanceKey(bytes: Uint8Array): InstanceKey {
  if (bytes.length !== INSTANCE_KEY_BYTES) {
    throw new StepgateError("KEY_FILE_INVALID", { key: "instance", wantedBytes: INSTANCE_KEY_BYTES });
  }
  const derive = (label: InstanceLabel) =>
    createSecretKey(new Uint8Array(hkdfSync("sha256", bytes, "", `stepgate/instance/v1/${label}`, 32)));
  const prove = (instanceUid: string) => createHmac("sha256", derive("check")).update(instanceUid).digest();
  return {
    derive,
    prove,
    isProof: (instanceUid, proof) => proof.length === 32 && timingSafeEqual(prove(instanceUid), proof),
  };
}
