import t from "tap";
import { type MintInput, mintToken } from "../../src/capability/mint-token.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { StepId, TenantUid } from "../../src/core/ids.ts";
import {
  claims,
  expected,
  header,
  keys,
  mintInput,
  NOW_SEC,
  payload,
  scope,
  signer,
  signerFromSeed,
  token,
} from "./issuer.ts";

t.test(
  "a token is three parts of canonical JSON and a signature, with exactly the header of the profile",
  async (t) => {
    const [headerPart = "", payloadPart = "", signature = ""] = token.split(".");
    const text = (part: string) => Buffer.from(part, "base64url").toString();
    t.equal(text(headerPart), canonicalJson(header));
    t.equal(text(payloadPart), canonicalJson(payload));
    t.strictSame(Object.keys(header).sort(), ["alg", "kid", "typ"]);
    t.equal(signature.length, 86);
    t.match(claims, { iat: NOW_SEC, nbf: NOW_SEC, exp: NOW_SEC + 300, aud: "adapter.mail" });
    t.equal(mintToken(mintInput).token, token, "the same input gives the same token: Ed25519 needs no randomness");
  },
);

t.test("a holder's key and the longest life verify", async (t) => {
  const { kty, crv, x } = signerFromSeed(3).publicJwk;
  const minted = mintToken({ ...mintInput, ttlSec: 900, confirmationJwk: { kty, crv, x } });
  const verdict = verifyToken(minted.token, keys, expected, NOW_SEC + 899);
  t.match(verdict, { ok: true, claims: { cnf: { jwk: { x } }, exp: NOW_SEC + 900 } });
});

t.test("refuses to sign what would not verify, or would allow what nobody can check", async (t) => {
  const { kty, crv } = signer.publicJwk;
  const jwk = (x: string) => ({ kty, crv, x });
  const refused: readonly (readonly [why: string, change: Partial<MintInput>, reason: string])[] = [
    ["a life of 901 s", { ttlSec: 901 }, "lifetime"],
    ["a life of 0 s", { ttlSec: 0 }, "lifetime"],
    ["a negative life", { ttlSec: -1 }, "lifetime"],
    ["a life in fractions", { ttlSec: 1.5 }, "lifetime"],
    ["a life that is no number", { ttlSec: Number.NaN }, "lifetime"],
    ["another tenant in the context", { context: { ...mintInput.context, tenant: "t" as TenantUid } }, "context"],
    ["another step in the context", { context: { ...mintInput.context, step: "s" as StepId } }, "context"],
    ["another attempt in the context", { context: { ...mintInput.context, attempt: 1 } }, "context"],
    ["a digest that is none", { context: { ...mintInput.context, request_digest: "x" } }, "claims"],
    [
      "a holder's key of order 1",
      { confirmationJwk: jwk(Buffer.from(`01${"00".repeat(31)}`, "hex").toString("base64url")) },
      "confirmation",
    ],
    ["a holder's key of order 4", { confirmationJwk: jwk("A".repeat(43)) }, "confirmation"],
    [
      "a holder's key off the curve",
      { confirmationJwk: jwk(Buffer.from(`02${"00".repeat(31)}`, "hex").toString("base64url")) },
      "confirmation",
    ],
    ["a holder's key cut short", { confirmationJwk: jwk("AAAA") }, "confirmation"],
    ["a holder's private key", { confirmationJwk: { ...jwk(signer.publicJwk.x), d: "x" } as never }, "claims"],
    ["an empty issuer", { issuer: "" }, "claims"],
    ["a lone surrogate", { issuer: "\ud83d" }, "claims"],
    ["a time in fractions", { nowSec: NOW_SEC + 0.5 }, "claims"],
    ["a scope of another type", { scope: { ...scope, type: "x" as never } }, "scope"],
    [
      "an unknown constraint",
      { scope: { ...scope, tools: { a: { b: { constraint_type: "regex" } as never } } } },
      "scope",
    ],
    [
      "a fraction in a constraint",
      { scope: { ...scope, tools: { a: { b: { constraint_type: "exact", value: 0.5 } } } } },
      "claims",
    ],
    [
      "a constraint nested 17 deep",
      {
        scope: {
          ...scope,
          tools: { a: { b: { constraint_type: "exact", value: JSON.parse("[".repeat(16) + "]".repeat(16)) } } },
        },
      },
      "claims",
    ],
    ["more than 8 KiB", { scope: { ...scope, data: ["x".repeat(6_000)] } }, "size"],
  ];
  for (const [why, change, reason] of refused)
    t.throws(() => mintToken({ ...mintInput, ...change }), { code: "SCOPE_INVALID", detail: { reason } }, why);
});

t.test("only a key for tokens that gives a signature signs", async (t) => {
  t.throws(
    () => mintToken({ ...mintInput, signer: signerFromSeed(1, "decision") }),
    { code: "SIGNER_UNAVAILABLE" },
    "another purpose",
  );
  t.throws(
    () => mintToken({ ...mintInput, signer: { ...signer, sign: () => new Uint8Array(63) } }),
    { code: "SIGNER_UNAVAILABLE" },
    "no signature",
  );
  const cause = new Error("HSM is gone");
  const broken = {
    ...signer,
    sign: () => {
      throw cause;
    },
  };
  t.throws(
    () => mintToken({ ...mintInput, signer: broken }),
    { code: "SIGNER_UNAVAILABLE", cause },
    "a signer that throws",
  );
});
