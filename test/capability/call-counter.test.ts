import t from "tap";
import { makeCallCounter } from "../../src/capability/call-counter.ts";
import { subjectUrn, type TokenClaims } from "../../src/core/capability.ts";
import type { StepId } from "../../src/core/ids.ts";
import { claims, NOW_SEC, scope, signer, subject } from "./issuer.ts";

const { kty, crv, x } = signer.publicJwk;
const bound: TokenClaims = { ...claims, cnf: { jwk: { kty, crv, x } } };
const named = (jti: string, stepId = jti): TokenClaims => ({
  ...claims,
  jti,
  sub: subjectUrn({ ...subject, stepId: stepId as StepId }),
});
const attempt = (number: number): TokenClaims => ({
  ...claims,
  jti: `jti-${number}`,
  sub: subjectUrn({ ...subject, attempt: number }),
  tctx: { ...claims.tctx, attempt: number },
});
const counterAt = (maxTokens = 100) => {
  let nowSec = NOW_SEC;
  return {
    counter: makeCallCounter({ nowSec: () => nowSec, maxTokens }),
    wait: (sec: number) => {
      nowSec += sec;
    },
  };
};
const noProof = { hasProof: false };
const refused = { ok: false, reasons: ["limit_calls"] };

t.test("without proof of possession a token is good for one call, whatever its limit says", async (t) => {
  const { counter } = counterAt();
  t.strictSame(counter.count(claims, noProof), { ok: true, callsLeft: 0 });
  t.strictSame(counter.count(claims, noProof), refused);
  t.strictSame(counter.count(claims, { hasProof: true }), refused, "a token without cnf has nothing to prove");
});

t.test("with proof it is good for as many calls as its scope says, and not one more", async (t) => {
  const { counter } = counterAt();
  t.strictSame(counter.count(bound, { hasProof: true }), { ok: true, callsLeft: 1 });
  t.strictSame(counter.count(bound, { hasProof: true }), { ok: true, callsLeft: 0 });
  t.strictSame(counter.count(bound, { hasProof: true }), refused);
});

t.test("a scope of no calls allows none", async (t) => {
  const none: TokenClaims = { ...claims, authorization_details: [{ ...scope, limits: { calls: 0 } }] };
  t.strictSame(counterAt().counter.count(none, noProof), refused);
});

t.test("tokens are counted apart, by issuer and jti", async (t) => {
  const { counter } = counterAt();
  t.ok(counter.count(named("a"), noProof).ok);
  t.ok(counter.count(named("b"), noProof).ok);
  t.ok(counter.count({ ...named("a"), iss: "https://other.example" }, noProof).ok);
  t.notOk(counter.count(named("a"), noProof).ok);
});

t.test("once a later attempt was counted an older one is superseded", async (t) => {
  const { counter } = counterAt();
  t.equal(counter.highestAttempt(subject), 0);
  t.ok(counter.count(attempt(1), noProof).ok);
  t.ok(counter.count(attempt(3), noProof).ok);
  t.equal(counter.highestAttempt(subject), 3);
  t.equal(counter.highestAttempt({ ...subject, stepId: "other" as StepId }), 0);
  t.strictSame(counter.count(attempt(2), noProof), { ok: false, reasons: ["superseded"] });
});

t.test("what is full refuses, and has room again when tokens have expired", async (t) => {
  const { counter, wait } = counterAt(2);
  t.ok(counter.count(named("a"), noProof).ok);
  t.ok(counter.count(named("b"), noProof).ok);
  t.strictSame(counter.count(named("c"), noProof), refused);
  t.strictSame(counter.count(named("a"), noProof), refused, "and forgets none that still lives");
  wait(901);
  t.ok(counter.count(named("c"), noProof).ok);
});

t.test("a token is remembered as long as it lives", async (t) => {
  const { counter, wait } = counterAt(1);
  t.ok(counter.count(claims, noProof).ok);
  wait(299);
  t.strictSame(counter.count(named("b"), noProof), refused);
  t.strictSame(counter.count(claims, noProof), refused);
});
