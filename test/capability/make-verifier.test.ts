import t from "tap";
import { makeVerifier, rememberGood } from "../../src/capability/make-verifier.ts";
import { mintToken } from "../../src/capability/mint-token.ts";
import { checkSignature } from "../../src/capability/verify-token.ts";
import type { TokenKey, TokenKeys } from "../../src/core/capability.ts";
import { expected, keys, keysOf, mintInput, NOW_SEC, signer, signerFromSeed, token } from "./issuer.ts";

const clock = { nowMs: () => NOW_SEC * 1000 + 999 };
const tokens = Array.from({ length: 4 }, (_, index) => mintToken({ ...mintInput, jti: `jti-${index}` }).token);

/** A memory of `size` with a count of the checks that were really made. */
function countedMemory(size: number) {
  let checks = 0;
  const memory = rememberGood((...input) => {
    checks += 1;
    return checkSignature(...input);
  }, size);
  const isGood = (given: string, key: TokenKey | undefined = keys.get(signer.kid)) => {
    if (key === undefined) throw new Error("the test has no key");
    return memory.read(given, new Map([[signer.kid, key]])).ok;
  };
  return { isGood, checks: () => checks, vouch: memory.vouch };
}

t.test("a verifier verifies with the keys and the time of each call", async (t) => {
  for (const memoSize of [0, 2]) {
    let current: TokenKeys = keys;
    let nowMs = NOW_SEC * 1000;
    const { verifyToken: verify } = makeVerifier({ keys: () => current, clock: { nowMs: () => nowMs }, memoSize });
    t.ok(verify(token, expected).ok);
    t.ok(verify(token, expected).ok, "again");
    t.match(
      verify(token, { ...expected, audience: "x" }),
      { reasons: ["audience"] },
      "what is expected is checked each time",
    );
    nowMs += 300_000;
    t.match(verify(token, expected), { reasons: ["expired"] }, "and so is the time");
    nowMs = NOW_SEC * 1000;
    current = keysOf(signerFromSeed(2));
    t.match(verify(token, expected), { reasons: ["unknown_key"] }, "a key that was removed is gone at once");
    current = new Map();
    t.throws(() => verify(token, expected), { code: "KEYS_UNAVAILABLE" });
  }
});

t.test("seconds are whole and never run ahead", async (t) => {
  const { verifyToken: verify } = makeVerifier({ keys: () => keys, clock, memoSize: 0 });
  const lastSecond = mintToken({ ...mintInput, ttlSec: 1 }).token;
  t.ok(verify(lastSecond, expected).ok);
});

t.test("a good signature is checked once", async (t) => {
  const memory = countedMemory(8);
  for (const _ of [1, 2, 3]) for (const given of tokens) t.ok(memory.isGood(given));
  t.equal(memory.checks(), tokens.length);
});

t.test("a bad signature is checked every time and never remembered", async (t) => {
  const memory = countedMemory(8);
  const [head, body] = token.split(".");
  const forged = `${head}.${body}.${(tokens[1] ?? "").split(".")[2]}`;
  for (const _ of [1, 2]) t.notOk(memory.isGood(forged));
  t.equal(memory.checks(), 2);
  t.ok(memory.isGood(token));
  t.notOk(memory.isGood(forged));
});

t.test("another key under the same kid is not believed for what the first one signed", async (t) => {
  const memory = countedMemory(8);
  const [other] = [...keysOf(signerFromSeed(2)).values()];
  t.ok(memory.isGood(token));
  t.notOk(memory.isGood(token, other && { ...other, kid: signer.kid }));
});

t.test("the memory keeps its size, and the oldest goes first", async (t) => {
  const memory = countedMemory(2);
  const [a = "", b = "", c = ""] = tokens;
  for (const given of [a, b, c]) memory.isGood(given);
  t.equal(memory.checks(), 3);
  memory.isGood(c);
  memory.isGood(b);
  t.equal(memory.checks(), 3, "the two newest are there");
  memory.isGood(a);
  t.equal(memory.checks(), 4, "the oldest is not");
});

t.test("what this process signed is good once its key has been checked, and no sooner", async (t) => {
  const memory = countedMemory(8);
  const [first = "", second = "", third = ""] = tokens;
  memory.vouch(first, signer.kid);
  t.ok(memory.isGood(first));
  t.equal(memory.checks(), 1, "the first token of a key is checked in full");
  memory.vouch(second, signer.kid);
  t.ok(memory.isGood(second));
  t.equal(memory.checks(), 1);
  memory.vouch(third, "another kid");
  t.ok(memory.isGood(third));
  t.equal(memory.checks(), 2, "a key that nobody has checked vouches for nothing");
});

t.test("a vouched token is not believed under another key, nor when it was altered", async (t) => {
  const memory = countedMemory(8);
  const [first = "", second = ""] = tokens;
  t.ok(memory.isGood(first));
  memory.vouch(second, signer.kid);
  const [other] = [...keysOf(signerFromSeed(2)).values()];
  t.notOk(memory.isGood(second, other && { ...other, kid: signer.kid }));
  const [head, body] = second.split(".");
  t.notOk(memory.isGood(`${head}.${body}.${first.split(".")[2]}`));
});

t.test("what a token says is read once, and nobody who was told can change it for the next", async (t) => {
  const { verifyToken: verify } = makeVerifier({ keys: () => keys, clock, memoSize: 2 });
  const [first, second] = [verify(token, expected), verify(token, expected)];
  t.same(second, first);
  if (!first.ok || !second.ok) throw new Error("the test's token is not good");
  t.equal(second.scope, first.scope, "read once");
  t.throws(() => Object.assign(first.scope, { actions: ["anything"] }), TypeError);
  t.throws(() => Object.assign(first.claims.tctx, { attempt: 99 }), TypeError);
  t.same(verify(token, expected), second);
  t.match(
    verify(token, { ...expected, subject: { ...expected.subject, attempt: 99 } }),
    { ok: false, reasons: ["subject"] },
    "what is expected is compared each time",
  );
});

t.test("a memory of no size remembers nothing", async (t) => {
  const memory = countedMemory(0);
  t.ok(memory.isGood(token));
  memory.vouch(token, signer.kid);
  t.ok(memory.isGood(token));
  t.equal(memory.checks(), 2);
});
