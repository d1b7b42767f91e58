import { verify } from "node:crypto";
import t from "tap";
import type { PublicJwk } from "../../src/core/keys.ts";
import { makeSigner, publicJwkShape, publicKeyOf, signingKeyOf } from "../../src/evidence/signing-key.ts";
import { seededIds } from "./seeded.ts";

t.test("a seed gives the key of RFC 8037, named by its published thumbprint", async (t) => {
  const seed = Buffer.from("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "base64url");
  const { publicJwk } = signingKeyOf(seed);
  t.equal(publicJwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "appendix A.2");
  t.equal(publicJwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "appendix A.3");
});

t.test("a signer signs what its public key verifies", async (t) => {
  const signer = makeSigner("token", signingKeyOf(seededIds("sign").random(32)));
  const message = Buffer.from("message");
  const key = publicKeyOf(signer.publicJwk);
  t.equal(verify(null, message, key, signer.sign(message)), true);
  t.equal(verify(null, Buffer.from("other"), key, signer.sign(message)), false);
  t.match(signer, { kid: signer.publicJwk.kid, purpose: "token" });
});

t.test("refuses a public key under another name, of small order, or with members of a private one", async (t) => {
  const { publicJwk } = signingKeyOf(seededIds("refuse").random(32));
  const small = Buffer.alloc(32, 0).toString("base64url");
  const refusals: readonly { why: string; jwk: Readonly<Record<string, string>> }[] = [
    { why: "another kid", jwk: { ...publicJwk, kid: "A".repeat(43) } },
    { why: "a point of small order", jwk: { ...publicJwk, x: small } },
    { why: "a private member", jwk: { ...publicJwk, d: small } },
    { why: "another curve", jwk: { ...publicJwk, crv: "X25519" } },
    { why: "another algorithm name", jwk: { ...publicJwk, alg: "EdDSA" } },
    { why: "a remote key", jwk: { ...publicJwk, x5u: "http://localhost" } },
    { why: "no x", jwk: { kty: "OKP", crv: "Ed25519", kid: publicJwk.kid, alg: "Ed25519", use: "sig" } },
  ];
  const read = (jwk: Readonly<Record<string, string>>) => publicKeyOf(publicJwkShape(jwk, ""));
  for (const { why, jwk } of refusals) t.throws(() => read(jwk), { code: "EVIDENCE_MALFORMED" }, why);
  t.ok(read({ ...(publicJwk satisfies PublicJwk) }), "the control");
  for (const size of [0, 31, 33, 64]) t.throws(() => signingKeyOf(Buffer.alloc(size)), { code: "KEY_FILE_INVALID" });
});
