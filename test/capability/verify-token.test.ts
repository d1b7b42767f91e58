import { createPublicKey, createSecretKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { mintToken } from "../../src/capability/mint-token.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import type { TokenKey } from "../../src/core/capability.ts";
import { expected, keys, keysOf, mintInput, NOW_SEC, signer, signerFromSeed, token } from "./issuer.ts";

t.test(
  "T5 a token signed before a rotation verifies as long as its key is there, new ones with the new key",
  async (t) => {
    const next = signerFromSeed(2);
    const renewed = mintToken({ ...mintInput, signer: next }).token;
    t.ok(verifyToken(token, keysOf(signer, next), expected, NOW_SEC).ok);
    t.ok(verifyToken(renewed, keysOf(signer, next), expected, NOW_SEC).ok);
    t.match(verifyToken(token, keysOf(next), expected, NOW_SEC), { ok: false, reasons: ["unknown_key"] });
  },
);

t.test("throws when there are no keys or the named one cannot verify Ed25519, and only then", async (t) => {
  const withKey = (publicKey: TokenKey["publicKey"]) =>
    new Map([[signer.kid, { kid: signer.kid, alg: "Ed25519", publicKey } as const]]);
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const broken: Readonly<Record<string, ReturnType<typeof withKey>>> = {
    "no keys": new Map(),
    "a P-256 key": withKey(p256.publicKey),
    "an X25519 key": withKey(generateKeyPairSync("x25519").publicKey),
    "a secret": withKey(createSecretKey(Buffer.alloc(32))),
    "a private key": withKey(generateKeyPairSync("ed25519").privateKey),
    "a key of another algorithm made public": withKey(createPublicKey(p256.privateKey)),
  };
  for (const [why, given] of Object.entries(broken))
    t.throws(() => verifyToken(token, given, expected, NOW_SEC), { code: "KEYS_UNAVAILABLE" }, why);
  for (const given of [undefined, null, 1, {}, []])
    t.match(
      verifyToken(given as never, keys, expected, NOW_SEC),
      { ok: false, reasons: ["missing"] },
      `${given} is no token`,
    );
});

t.test("a demand that is not JSON is the adapter's own fault and throws", async (t) => {
  const demand = { ...expected.demand, arguments: { ...expected.demand.arguments, to: Number.NaN } };
  t.throws(() => verifyToken(token, keys, { ...expected, demand }, NOW_SEC), { code: "JSON_INVALID" });
});

t.test("no change of any character passes", async () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \n";
  fc.assert(
    fc.property(fc.nat({ max: token.length - 1 }), fc.constantFrom(...alphabet), (index, character) => {
      const changed = token.slice(0, index) + character + token.slice(index + 1);
      return verifyToken(changed, keys, expected, NOW_SEC).ok === (changed === token);
    }),
    { numRuns: 500 },
  );
});

t.test("any text at all is answered with a verdict", async () => {
  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab{}"=._-') }),
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => !verifyToken(parts.join("."), keys, expected, NOW_SEC).ok),
    { numRuns: 1_000 },
  );
});
