/** The public subpath `stepgate/verify`, used as an adapter's author would. */
import t from "tap";
import { mintToken } from "../src/capability/mint-token.ts";
import { scopeOf } from "../src/capability/narrow-scope.ts";
import { requestDigest } from "../src/capability/request-digest.ts";
import * as verify from "../src/verify.ts";
import { mintInput, NOW_SEC, SALT, signer, subject } from "./capability/issuer.ts";

const call = {
  action: "invoke",
  location: "adapter:mail",
  tool: "mail.send",
  arguments: { to: "ops@example.com" },
  egress: ["smtp.example.com:465"],
};
const request = { tool: "mail.send", arguments: call.arguments };

t.test("an adapter loads trust, verifies, counts, and refuses everything else", async (t) => {
  const keys = verify.loadTrust(JSON.stringify({ keys: [signer.publicJwk] }));
  const calls = verify.makeCallCounter({ nowSec: () => NOW_SEC, maxTokens: 1_000 });
  const handle = (token: string, asked: typeof call) => {
    const step = verify.stepSubject(subject.tenantUid, subject.runUid, subject.stepId, subject.attempt);
    const verdict = verify.verifyToken(
      token,
      keys,
      {
        issuer: "https://gate.example",
        audience: "adapter.mail",
        subject: step,
        highestAttemptSeen: calls.highestAttempt(step),
        request: { salt: SALT, canonical: verify.canonicalJson({ tool: asked.tool, arguments: asked.arguments }) },
        demand: verify.callDemand(asked),
        clockSkewSec: 30,
      },
      NOW_SEC,
    );
    return verdict.ok ? calls.count(verdict.claims, { hasProof: false }) : verdict;
  };
  const { token } = mintToken({
    ...mintInput,
    scope: scopeOf(verify.callDemand(call), SALT),
    context: { ...mintInput.context, request_digest: requestDigest(SALT, verify.canonicalJson(request)) },
  });

  t.match(handle(token, { ...call, arguments: { to: "eve@example.com" } }), {
    ok: false,
    reasons: ["argument", "request_digest"],
  });
  t.match(handle(token, call), { ok: true, callsLeft: 0 });
  t.match(handle(token, call), { ok: false, reasons: ["limit_calls"] });
  t.match(handle("", call), { ok: false, reasons: ["missing"] });
});

t.test("a demand of one call is for one call and carries no label", async (t) => {
  t.strictSame(verify.callDemand(call), { ...call, limits: { calls: 1 }, data: [] });
});

t.test("the surface is what the docs name", async (t) => {
  t.strictSame(Object.keys(verify).sort(), [
    "DEFAULT_AUDIENCE",
    "StepgateError",
    "TOKEN_REASONS",
    "attenuateToken",
    "callDemand",
    "canonicalJson",
    "isStepgateError",
    "loadTrust",
    "makeCallCounter",
    "parseJson",
    "stepSubject",
    "verifyChain",
    "verifyToken",
  ]);
});
