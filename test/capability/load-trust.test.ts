import t from "tap";
import { loadTrust } from "../../src/capability/load-trust.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import { ed25519Thumbprint } from "../../src/core/ed25519.ts";
import { expected, NOW_SEC, signer, signerFromSeed, token } from "./issuer.ts";

const jwk = signer.publicJwk;
const set = (...keys: readonly unknown[]) => JSON.stringify({ keys });

t.test("keys of a JWK set verify tokens", async (t) => {
  const keys = loadTrust(set(jwk, signerFromSeed(2).publicJwk));
  t.strictSame([...keys.keys()], [signer.kid, signerFromSeed(2).kid]);
  t.ok(verifyToken(token, keys, expected, NOW_SEC).ok);
  t.ok(verifyToken(token, loadTrust(Buffer.from(set(jwk))), expected, NOW_SEC).ok, "as bytes too");
});

t.test("one entry that is not exactly one of our public keys refuses the whole set", async (t) => {
  const smallOrder = Buffer.from(`01${"00".repeat(31)}`, "hex").toString("base64url");
  const { use: _use, ...withoutUse } = jwk;
  const refused: readonly (readonly [why: string, text: string, reason: string, index?: number])[] = [
    ["no JSON", "keys", "not strict JSON"],
    ["nothing", "", "not strict JSON"],
    ["a duplicate member", `{"keys":[],"keys":[]}`, "not strict JSON"],
    ["a lone key", JSON.stringify(jwk), "not a key set"],
    ["a list", JSON.stringify([jwk]), "not a key set"],
    ["another member", JSON.stringify({ keys: [jwk], next: "https://evil.example" }), "not a key set"],
    ["keys as object", JSON.stringify({ keys: { [jwk.kid]: jwk } }), "not a key set"],
    ["no key", set(), "no key"],
    ["null as key", set(jwk, null), "not one of our public keys", 1],
    ["a private key", set({ ...jwk, d: "AAAA" }), "not one of our public keys", 0],
    ["a key with x5u", set(jwk, { ...jwk, x5u: "https://evil.example" }), "not one of our public keys", 1],
    ["a key for anything", set(withoutUse), "not one of our public keys", 0],
    ["an EC key", set({ ...jwk, kty: "EC", crv: "P-256" }), "another algorithm", 0],
    ["the old name of the algorithm", set({ ...jwk, alg: "EdDSA" }), "another algorithm", 0],
    ["a key for encryption", set({ ...jwk, use: "enc" }), "another algorithm", 0],
    [
      "a key of small order",
      set({ ...jwk, x: smallOrder, kid: ed25519Thumbprint(smallOrder) }),
      "not a usable point",
      0,
    ],
    ["a key with padding", set({ ...jwk, x: `${jwk.x}=` }), "not a usable point", 0],
    ["x as number", set({ ...jwk, x: 1 }), "not a usable point", 0],
    ["a kid of another key", set({ ...jwk, kid: signerFromSeed(2).kid }), "the kid is not the thumbprint", 0],
    ["a kid of its own", set({ ...jwk, kid: "gateway-key" }), "the kid is not the thumbprint", 0],
    ["a key twice", set(jwk, jwk), "a key is there twice", 1],
  ];
  for (const [why, text, reason, index] of refused)
    t.throws(
      () => loadTrust(text),
      { code: "KEYS_UNAVAILABLE", detail: { reason, ...(index === undefined ? {} : { index }) } },
      why,
    );
});
