/**
 * Whose signature it is: an envelope against the trusted keys of one purpose.
 *
 * In: an envelope and the trust from outside. Out: the verified bytes, or the fault in the order key, signature, keyid.
 * Not here: what the bytes say (verify-batches.ts), where trust comes from (trust-bundle.ts).
 */
import type { SigningPurpose } from "../core/keys.ts";
import { type Envelope, openEnvelope, STATEMENT_PAYLOAD_TYPE } from "./dsse.ts";
import type { Trust } from "./trust-bundle.ts";

export type SignatureVerdict =
  | { readonly ok: true; readonly payload: Uint8Array; readonly kid: string }
  | { readonly ok: false; readonly fault: "key" | "signature" | "keyid"; readonly reason: string };

/**
 * Verifies an in-toto envelope against the trusted keys of `purpose`.
 *
 * A removed key's signature is refused: who got hold of the key later could have made it, and only a checkpoint from before
 * its retirement could show otherwise.
 */
export function verifyStatement(
  envelope: Envelope,
  trust: Pick<Trust, "keys">,
  purpose: SigningPurpose,
): SignatureVerdict {
  const candidates = [...trust.keys.values()].filter((key) => key.purpose === purpose);
  const opened = openEnvelope(envelope, STATEMENT_PAYLOAD_TYPE, candidates);
  if (opened.ok) {
    const isRetired = trust.keys.get(opened.kid)?.state === "removed";
    return isRetired ? { ok: false, fault: "key", reason: "retired" } : opened;
  }
  if (opened.reason === "keyid") return { ok: false, fault: "keyid", reason: "another key signed" };
  const named = trust.keys.get(envelope.signatures[0]?.keyid ?? "");
  if (named === undefined) return { ok: false, fault: "key", reason: "unknown" };
  if (named.purpose !== purpose) return { ok: false, fault: "key", reason: "another purpose" };
  return { ok: false, fault: "signature", reason: opened.reason };
}
