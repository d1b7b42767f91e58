/**
 * DSSE envelopes (DSSE v1.0.2): a typed payload and signatures over its pre-authentication encoding.
 *
 * In: payload bytes and a signer; or an envelope and the keys that may have signed it. Out: an envelope; or exactly the
 * bytes that were verified, for the caller to parse. Not here: what the payload says (statement.ts, trust-bundle.ts).
 */

import type { KeyObject } from "node:crypto";
import { verify as verifySignature } from "node:crypto";
import type { JsonObject } from "../core/json.ts";
import type { Signer } from "../core/keys.ts";
import { fields, listOf, optional, type ShapeOf, text } from "./shape.ts";

/** The payload type of every in-toto statement. */
export const STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json";

export const envelopeShape = fields({
  payload: text,
  payloadType: text,
  signatures: listOf(fields({ keyid: optional(text), sig: text })),
});
export type Envelope = ShapeOf<typeof envelopeShape>;

/** An Ed25519 key that may have signed, named by its RFC 7638 thumbprint. */
export interface VerificationKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
}

export type EnvelopeVerdict =
  | { readonly ok: true; readonly payload: Uint8Array; readonly kid: string }
  | { readonly ok: false; readonly reason: "payload_type" | "encoding" | "signature" | "keyid" };

/** The bytes that are signed: `DSSEv1 <len(type)> <type> <len(payload)> <payload>`, lengths in bytes, decimal. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Signs a payload with one key. */
export function signEnvelope(payloadType: string, payload: Uint8Array, signer: Pick<Signer, "kid" | "sign">): Envelope {
  return makeEnvelope(payloadType, payload, signer.kid, signer.sign(preAuthEncoding(payloadType, payload)));
}

/** An envelope from a signature that was made before and kept apart from its payload. */
export function makeEnvelope(payloadType: string, payload: Uint8Array, kid: string, signature: Uint8Array): Envelope {
  const sig = Buffer.from(signature).toString("base64");
  return { payload: Buffer.from(payload).toString("base64"), payloadType, signatures: [{ keyid: kid, sig }] };
}

/** An envelope as JSON. */
export function envelopeJson({ payload, payloadType, signatures }: Envelope): JsonObject {
  return {
    payload,
    payloadType,
    signatures: signatures.map(({ keyid, sig }) => (keyid === undefined ? { sig } : { keyid, sig })),
  };
}

/**
 * Verifies that one of `keys` signed the envelope and returns the verified bytes.
 *
 * The `keyid` is a hint that nobody signed: it never selects the key, but one that names another key than the one that
 * verifies is refused, so that no reader is told a wrong signer. Exactly one signature is accepted.
 */
export function openEnvelope(
  envelope: Envelope,
  payloadType: string,
  keys: Iterable<VerificationKey>,
): EnvelopeVerdict {
  if (envelope.payloadType !== payloadType) return { ok: false, reason: "payload_type" };
  const [entry, ...others] = envelope.signatures;
  if (entry === undefined || others.length > 0) return { ok: false, reason: "signature" };
  const payload = strictBase64(envelope.payload);
  const signature = strictBase64(entry.sig);
  if (payload === undefined || signature === undefined) return { ok: false, reason: "encoding" };
  const message = preAuthEncoding(payloadType, payload);
  for (const { kid, publicKey } of hintedFirst(keys, entry.keyid)) {
    if (!verifySignature(null, message, publicKey, signature)) continue;
    return entry.keyid === undefined || entry.keyid === kid
      ? { ok: true, payload, kid }
      : { ok: false, reason: "keyid" };
  }
  return { ok: false, reason: "signature" };
}

function hintedFirst(keys: Iterable<VerificationKey>, keyid: string | undefined): readonly VerificationKey[] {
  const all = [...keys];
  return [...all.filter(({ kid }) => kid === keyid), ...all.filter(({ kid }) => kid !== keyid)];
}

/** Base64 that re-encodes to itself, so that one payload has one text; undefined for anything else. */
function strictBase64(encoded: string): Uint8Array | undefined {
  const bytes = Buffer.from(encoded, "base64");
  return bytes.toString("base64") === encoded ? bytes : undefined;
}
