import t from "tap";
import { type AttenuationInput, attenuateToken } from "../../src/capability/attenuate-token.ts";
import { makeCallCounter } from "../../src/capability/call-counter.ts";
import { mintToken } from "../../src/capability/mint-token.ts";
import { holderIssuer, verifyChain } from "../../src/capability/verify-chain.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import { canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { Scope, TokenExpectation, TokenReason } from "../../src/core/capability.ts";
import type { StepId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import {
  expected,
  keys,
  keysOf,
  mintInput,
  NOW_SEC,
  SALT,
  scope,
  signerFromSeed,
  signRaw,
  subject,
  token as unbound,
} from "./issuer.ts";

const jwkOf = (seed: number) => {
  const { kty, crv, x } = signerFromSeed(seed).publicJwk;
  return { kty, crv, x };
};
const holder = signerFromSeed(3);
const nextHolder = signerFromSeed(4);
const wide: Scope = { ...scope, locations: ["adapter:mail", "adapter.smtp"] };
const narrow: Scope = { ...wide, limits: { ...wide.limits, calls: 1 } };
const root = mintToken({ ...mintInput, scope: wide, confirmationJwk: jwkOf(3) });
const input: AttenuationInput = {
  parent: root,
  holder,
  audience: "adapter.smtp",
  jti: "child-1",
  nowSec: NOW_SEC,
  ttlSec: 30,
  scope: narrow,
  salt: SALT,
  confirmationJwk: jwkOf(4),
};
const child = attenuateToken(input);
const childPayload = JSON.parse(JSON.stringify(child.claims)) as JsonObject;
const grandchild = attenuateToken({ ...input, parent: child, holder: nextHolder, jti: "child-2", ttlSec: 10 });
const oneCall = { ...expected.demand, limits: { ...expected.demand.limits, calls: 1 } };
const atSmtp: TokenExpectation = { ...expected, audience: "adapter.smtp", demand: oneCall };

const reasonsOf = (tokens: readonly string[], wanted = atSmtp, nowSec = NOW_SEC): readonly TokenReason[] => {
  const verdict = verifyChain(tokens, keys, wanted, nowSec);
  return verdict.ok ? [] : verdict.reasons;
};

/** The child with claims or header changed, signed by its holder: what the verifier must refuse by itself. */
function forge(change: { readonly claims?: object; readonly header?: object; readonly by?: typeof holder }): string {
  const header = { alg: "Ed25519", kid: holder.kid, typ: "stepgate.cap+jwt", ...change.header };
  return signRaw(
    canonicalJson(header),
    canonicalJson({ ...childPayload, ...change.claims } as JsonObject),
    change.by ?? holder,
  );
}

t.test("a chain allows what its last token allows", async (t) => {
  t.match(verifyChain([root.token, child.token], keys, atSmtp, NOW_SEC), {
    ok: true,
    claims: { jti: "child-1", depth: 1 },
    scope: { limits: { calls: 1 } },
    root: { jti: root.claims.jti, iss: expected.issuer },
  });
  t.match(verifyChain([root.token, child.token, grandchild.token], keys, atSmtp, NOW_SEC), {
    ok: true,
    claims: { depth: 2 },
  });
  t.strictSame(reasonsOf([unbound], expected), [], "a chain of one is a token");
  t.strictSame(
    reasonsOf([root.token, child.token], { ...atSmtp, demand: { ...expected.demand, limits: { calls: 2 } } }),
    ["limit_calls"],
  );
});

t.test("refuses a chain that is broken at any link", async (t) => {
  const other = attenuateToken({ ...input, jti: "child-3" });
  const [head, body] = child.token.split(".");
  const forged = `${head}.${body}.${other.token.split(".")[2]}`;
  const tctx = { ...child.claims.tctx, spec_digest: "6".repeat(64) };
  const refused: readonly (readonly [why: string, tokens: readonly string[], ...reasons: TokenReason[]])[] = [
    ["no token", [], "missing"],
    ["a child alone", [child.token], "unknown_key"],
    ["a child of a token without cnf", [unbound, child.token], "chain"],
    ["a link left out", [root.token, grandchild.token], "unknown_key"],
    ["a link twice", [root.token, child.token, child.token], "unknown_key"],
    ["another order", [child.token, root.token], "unknown_key"],
    ["more than four", [root.token, child.token, child.token, child.token, child.token], "chain"],
    ["a forged signature", [root.token, forged], "signature"],
    [
      "a child signed by the gateway",
      [root.token, forge({ header: { kid: mintInput.signer.kid }, by: mintInput.signer })],
      "unknown_key",
    ],
    ["a child signed by another under the holder's kid", [root.token, forge({ by: nextHolder })], "signature"],
    ["a child with an embedded key", [root.token, forge({ header: { jwk: jwkOf(3) } })], "header"],
    ["a gateway's token as child", [root.token, root.token], "unknown_key"],
    ["a child without parent hash", [root.token, forge({ claims: { par_hash: undefined } })], "malformed"],
    ["a child of another parent", [root.token, forge({ claims: { par_hash: sha256Hex(unbound) } })], "chain"],
    ["depth 2 at place 1", [root.token, forge({ claims: { depth: 2 } })], "chain"],
    ["depth 0", [root.token, forge({ claims: { depth: 0 } })], "malformed"],
    ["the gateway's name as issuer", [root.token, forge({ claims: { iss: expected.issuer } })], "chain"],
    ["another subject", [root.token, forge({ claims: { sub: `${child.claims.sub}1` } })], "chain"],
    ["another context", [root.token, forge({ claims: { tctx } })], "chain"],
    [
      "an audience that its parent does not name",
      [root.token, forge({ claims: { aud: "adapter.fs" } })],
      "audience",
      "chain",
    ],
    ["its own parent's audience, elsewhere", [root.token, forge({ claims: { aud: "adapter.mail" } })], "audience"],
    ["a longer life", [root.token, forge({ claims: { exp: root.claims.exp + 1 } })], "chain"],
    ["an earlier beginning", [root.token, forge({ claims: { iat: root.claims.iat - 1 } })], "chain"],
    ["valid before its parent", [root.token, forge({ claims: { nbf: root.claims.nbf - 1 } })], "chain"],
    ["a beginning to come", [root.token, forge({ claims: { nbf: NOW_SEC + 31 } })], "not_yet_valid"],
    [
      "a wider scope",
      [root.token, forge({ claims: { authorization_details: [{ ...narrow, limits: { ...wide.limits, calls: 3 } }] } })],
      "scope_widened",
    ],
    ["a malformed scope", [root.token, forge({ claims: { authorization_details: [] } })], "scope_malformed"],
    [
      "a weak key for the next",
      [root.token, forge({ claims: { cnf: { jwk: { ...jwkOf(3), x: "A".repeat(43) } } } })],
      "confirmation",
    ],
  ];
  for (const [why, tokens, ...reasons] of refused)
    t.test(why, async (t) => {
      t.strictSame(reasonsOf(tokens), reasons);
    });
});

t.test("what is expected of the root is expected of the chain", async (t) => {
  const chain = [root.token, child.token];
  t.strictSame(reasonsOf(chain, { ...atSmtp, issuer: "x" }), ["issuer"]);
  t.strictSame(reasonsOf(chain, { ...atSmtp, subject: { ...subject, stepId: "x" as StepId } }), ["subject"]);
  t.strictSame(reasonsOf(chain, { ...atSmtp, highestAttemptSeen: 3 }), ["superseded"]);
  t.strictSame(reasonsOf(chain, { ...atSmtp, request: { salt: SALT, canonical: "{}" } }), ["request_digest"]);
  t.strictSame(
    reasonsOf(chain, { ...atSmtp, audience: "adapter.mail" }),
    ["audience"],
    "the root's own adapter does not take its child",
  );
  t.strictSame(reasonsOf(chain, atSmtp, NOW_SEC + 30), ["expired"], "the child's life counts");
  t.strictSame(reasonsOf(chain, atSmtp, NOW_SEC + 300), ["expired"]);
  t.throws(() => verifyChain(chain, keysOf(), atSmtp, NOW_SEC), { code: "KEYS_UNAVAILABLE" });
});

t.test("a child is no token of its own", async (t) => {
  t.match(verifyToken(child.token, keys, atSmtp, NOW_SEC), { ok: false, reasons: ["unknown_key"] });
  t.match(
    verifyToken(child.token, keysOf(holder), atSmtp, NOW_SEC),
    { ok: false, reasons: ["malformed"] },
    "not even where its key is trusted",
  );
  t.equal(child.claims.iss, holderIssuer(holder.publicJwk.x));
});

t.test("refuses to derive what would not verify", async (t) => {
  const refused: readonly (readonly [why: string, change: Partial<AttenuationInput>, reason: string])[] = [
    ["a key that the parent does not name", { holder: nextHolder }, "confirmation"],
    [
      "a parent without cnf",
      { parent: { token: unbound, claims: { ...root.claims, cnf: undefined } as never } },
      "confirmation",
    ],
    ["a weak key for the next", { confirmationJwk: { ...jwkOf(3), x: "A".repeat(43) } }, "confirmation"],
    ["another audience", { audience: "adapter.fs" }, "audience"],
    ["a life longer than the parent's", { ttlSec: 301 }, "lifetime"],
    ["no life", { ttlSec: 0 }, "lifetime"],
    ["a beginning before the parent's", { nowSec: NOW_SEC - 1 }, "lifetime"],
    ["a wider scope", { scope: { ...wide, actions: ["invoke", "delete"] } }, "scope_widened"],
    ["a chain too long", { parent: { token: child.token, claims: { ...child.claims, depth: 3 } } }, "chain"],
    ["an empty jti", { jti: "" }, "claims"],
  ];
  for (const [why, change, reason] of refused)
    t.throws(() => attenuateToken({ ...input, ...change }), { code: "SCOPE_INVALID", detail: { reason } }, why);
});

t.test("children are good for one call each, and all of them for the calls of the gateway's token", async (t) => {
  const calls = makeCallCounter({ nowSec: () => NOW_SEC, maxTokens: 100 });
  const call = (jti: string) => {
    const verdict = verifyChain([root.token, attenuateToken({ ...input, jti }).token], keys, atSmtp, NOW_SEC);
    if (!verdict.ok) throw new Error(verdict.reasons.join());
    return calls.countChain(verdict);
  };
  const refused = { ok: false, reasons: ["limit_calls"] };
  t.strictSame(call("a"), { ok: true, callsLeft: 1 });
  t.strictSame(call("a"), refused, "a child sent again");
  t.strictSame(
    call(root.claims.jti),
    { ok: true, callsLeft: 0 },
    "a child that takes its parent's name is counted on it too",
  );
  t.strictSame(call("b"), refused, "the third call of a token for two");
  const bare = verifyChain([unbound], keys, expected, NOW_SEC);
  if (!bare.ok) throw new Error("the control verifies");
  t.strictSame(
    makeCallCounter({ nowSec: () => NOW_SEC, maxTokens: 9 }).countChain(bare),
    { ok: true, callsLeft: 0 },
    "a chain of one has no proof",
  );
});
