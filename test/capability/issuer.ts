/** A gateway for tests: one fixed token key, one token and one expectation that fit each other, and ways to spoil them. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { type MintInput, mintToken } from "../../src/capability/mint-token.ts";
import { scopeOf } from "../../src/capability/narrow-scope.ts";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { Scope, ScopeDemand, StepSubject, TokenExpectation, TokenKeys } from "../../src/core/capability.ts";
import { ed25519Thumbprint } from "../../src/core/ed25519.ts";
import type { RunUid, StepId, TenantUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Signer, SigningPurpose } from "../../src/core/keys.ts";

export const NOW_SEC = 1_763_712_000;
export const SALT = Buffer.alloc(32, 7);
export const REQUEST = '{"inputs":{"to":"ops@example.com"},"type":"http"}';
export const JTI = "0199c1b2-7a3c-7def-8abc-1234567890ab";

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** An Ed25519 signer from a seed of 32 equal bytes. */
export function signerFromSeed(seed: number, purpose: SigningPurpose = "token"): Signer {
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const kid = ed25519Thumbprint(x);
  const publicJwk = { kty: "OKP", crv: "Ed25519", x, kid, alg: "Ed25519", use: "sig" } as const;
  return { kid, purpose, publicJwk, sign: (message) => sign(null, message, privateKey) };
}

export function keysOf(...signers: readonly Signer[]): TokenKeys {
  return new Map(
    signers.map(({ kid, publicJwk: { kty, crv, x } }) => {
      const publicKey = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
      return [kid, { kid, alg: "Ed25519", publicKey }] as const;
    }),
  );
}

export const signer = signerFromSeed(1);
export const keys = keysOf(signer);

export const subject: StepSubject = {
  tenantUid: "0199c1b2-0000-7000-8000-000000000001" as TenantUid,
  runUid: "0199c1b2-0000-7000-8000-000000000002" as RunUid,
  stepId: "send_reply" as StepId,
  attempt: 2,
};

export const demand: ScopeDemand = {
  action: "invoke",
  location: "adapter:mail",
  tool: "mail.send",
  arguments: { to: "ops@example.com", priority: 3 },
  limits: { calls: 2, tokens: 100, usd_micros: 5_000, wall_ms: 30_000, bytes_out: 65_536 },
  egress: ["smtp.example.com:465"],
  data: ["internal"],
};

export const scope: Scope = scopeOf(demand, SALT);

export const expected: TokenExpectation = {
  issuer: "https://gate.example",
  audience: "adapter.mail",
  subject,
  highestAttemptSeen: 2,
  request: { salt: SALT, canonical: REQUEST },
  demand,
  clockSkewSec: 30,
};

export const mintInput: MintInput = {
  signer,
  issuer: expected.issuer,
  audience: expected.audience,
  subject,
  jti: JTI,
  nowSec: NOW_SEC,
  ttlSec: 300,
  context: {
    tenant: subject.tenantUid,
    run_uid: subject.runUid,
    step: subject.stepId,
    attempt: subject.attempt,
    spec_digest: "5".repeat(64),
    request_digest: requestDigest(SALT, REQUEST),
    pack: { id: "baseline", version: "1.0.0", digest: "b".repeat(64) },
    admission_uid: "0199c1b2-0000-7000-8000-000000000003",
  },
  scope,
};

export const { token, claims } = mintToken(mintInput);
/** The claims as they stand in the token. */
export const payload = JSON.parse(JSON.stringify(claims)) as JsonObject;
export const header: JsonObject = { alg: "Ed25519", kid: signer.kid, typ: "stepgate.cap+jwt" };

export const base64url = (data: string | Uint8Array) => Buffer.from(data).toString("base64url");

/** Signs any header and payload text with the gateway's own key: what a strict verifier must refuse by itself. */
export function signRaw(headerText: string, payloadText: string | Uint8Array, by: Signer = signer): string {
  const signingInput = `${base64url(headerText)}.${base64url(payloadText)}`;
  return `${signingInput}.${base64url(by.sign(Buffer.from(signingInput)))}`;
}

/** The good token with claims or header members changed, signed again by the gateway's key. */
export function resign(change: { readonly claims?: object; readonly header?: object }): string {
  return signRaw(
    canonicalJson({ ...header, ...change.header } as JsonObject),
    canonicalJson({ ...payload, ...change.claims } as JsonObject),
  );
}
