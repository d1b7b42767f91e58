/**
 * The trust bundle: which keys may have signed what, signed by the root key alone (spec 10, keys).
 *
 * In: public keys with purpose and state, the root key. Out: a DSSE envelope; with the root's public key beside it, the
 * file for `--trust`. Trust comes from the root key that the verifier was given, never from what it verifies.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { TokenKeys } from "../core/capability.ts";
import { KEY_STATES, type KeyState, type PublicJwk, SIGNING_PURPOSES, type SigningPurpose } from "../core/keys.ts";
import { parseJson } from "../core/parse-json.ts";
import {
  type Envelope,
  envelopeJson,
  envelopeShape,
  openEnvelope,
  signEnvelope,
  type VerificationKey,
} from "./dsse.ts";
import { count, fields, instant, listOf, oneOf, readable, type ShapeOf, text } from "./shape.ts";
import { jwkFields, publicJwkShape, publicKeyOf, type SigningKey } from "./signing-key.ts";
import { timeText } from "./statement.ts";

export const TRUST_PAYLOAD_TYPE = "application/vnd.stepgate.trust-bundle+json";
const TRUST_FILE_FORMAT = "stepgate-trust/1";

/** A key that the root vouches for. */
export interface TrustedKey extends VerificationKey {
  readonly purpose: SigningPurpose;
  readonly state: KeyState;
}

/** What a verified bundle establishes. */
export interface Trust {
  readonly version: number;
  readonly instanceUid: string;
  readonly rootKid: string;
  readonly expiresAtMs: number;
  readonly keys: ReadonlyMap<string, TrustedKey>;
}

export type TrustVerdict =
  | { readonly ok: true; readonly trust: Trust }
  | { readonly ok: false; readonly reason: "malformed" | "pin" | "signature" | "not_yet_valid" | "expired" };

export interface TrustStatement {
  /** Counts up with every bundle of the instance. */
  readonly version: number;
  readonly instanceUid: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly keys: readonly (PublicJwk & { readonly purpose: SigningPurpose; readonly state: KeyState })[];
}

const bundleShape = fields({
  expires: instant,
  instance: text,
  issued_at: instant,
  keys: listOf(fields({ ...jwkFields, purpose: oneOf(SIGNING_PURPOSES), state: oneOf(KEY_STATES) })),
  root: publicJwkShape,
  version: count,
});
type Bundle = ShapeOf<typeof bundleShape>;

const trustFileShape = fields({ envelope: envelopeShape, format: oneOf([TRUST_FILE_FORMAT]), root: publicJwkShape });

/** Signs a bundle with the root key; the envelope as canonical JSON text. */
export function signTrustBundle(statement: TrustStatement, root: SigningKey): string {
  const payload = canonicalJson({
    expires: timeText(statement.expiresAtMs),
    instance: statement.instanceUid,
    issued_at: timeText(statement.issuedAtMs),
    keys: statement.keys.map((key) => ({ ...key })),
    root: { ...root.publicJwk },
    version: statement.version,
  });
  const signer = { kid: root.publicJwk.kid, sign: root.sign };
  return canonicalJson(envelopeJson(signEnvelope(TRUST_PAYLOAD_TYPE, Buffer.from(payload), signer)));
}

/**
 * The file for `--trust`: an envelope, and the root key it names.
 *
 * @throws {StepgateError} EVIDENCE_MALFORMED when the text is no envelope of a bundle.
 */
export function trustFile(envelopeText: string): string {
  const envelope = envelopeShape(parseJson(envelopeText), "");
  const { root } = bundleShape(parseJson(Buffer.from(envelope.payload, "base64")), "/payload");
  return canonicalJson({ envelope: envelopeJson(envelope), format: TRUST_FILE_FORMAT, root: { ...root } });
}

/**
 * Verifies a `--trust` file at `nowMs`.
 *
 * `pinnedRoot` is the root's RFC 7638 thumbprint as the verifier knows it from elsewhere; undefined trusts the file as it
 * was given. A refusal is a value: without trust nothing is established, and nothing is proven false.
 */
export function verifyTrustFile(
  file: string | Uint8Array,
  { nowMs, pinnedRoot }: { readonly nowMs: number; readonly pinnedRoot: string | undefined },
): TrustVerdict {
  const read = readable(() => trustFileShape(parseJson(file), ""));
  if (read === undefined) return { ok: false, reason: "malformed" };
  if (pinnedRoot !== undefined && read.root.kid !== pinnedRoot) return { ok: false, reason: "pin" };
  return verifyTrustBundle(read.envelope, read.root, nowMs);
}

/** Verifies an envelope against one root key at `nowMs`. */
export function verifyTrustBundle(envelope: Envelope, root: PublicJwk, nowMs: number): TrustVerdict {
  const rootKey = readable(() => ({ kid: root.kid, publicKey: publicKeyOf(root) }));
  if (rootKey === undefined) return { ok: false, reason: "malformed" };
  const opened = openEnvelope(envelope, TRUST_PAYLOAD_TYPE, [rootKey]);
  if (!opened.ok) return { ok: false, reason: "signature" };
  const trust = readable(() => trustOf(bundleShape(parseJson(opened.payload), "/payload"), root.kid));
  if (trust === undefined) return { ok: false, reason: "malformed" };
  if (nowMs < trust.issuedAtMs) return { ok: false, reason: "not_yet_valid" };
  if (nowMs >= trust.expiresAtMs) return { ok: false, reason: "expired" };
  return { ok: true, trust };
}

/** The keys that capability tokens may be signed with, as offline adapters use them. */
export function tokenKeysOf(keys: Iterable<TrustedKey>): TokenKeys {
  const usable = [...keys].filter(({ purpose, state }) => purpose === "token" && state !== "removed");
  return new Map(usable.map(({ kid, publicKey }) => [kid, { kid, alg: "Ed25519", publicKey }]));
}

function trustOf(bundle: Bundle, rootKid: string): (Trust & { readonly issuedAtMs: number }) | undefined {
  const keys = new Map<string, TrustedKey>();
  for (const jwk of bundle.keys) {
    // one key, one purpose: a second entry could widen what the first one may sign
    if (keys.has(jwk.kid) || jwk.kid === rootKid) return undefined;
    keys.set(jwk.kid, { kid: jwk.kid, publicKey: publicKeyOf(jwk), purpose: jwk.purpose, state: jwk.state });
  }
  if (bundle.root.kid !== rootKid) return undefined;
  return {
    version: bundle.version,
    instanceUid: bundle.instance,
    rootKid,
    issuedAtMs: bundle.issued_at,
    expiresAtMs: bundle.expires,
    keys,
  };
}
