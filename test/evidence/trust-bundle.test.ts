import t from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { signEnvelope } from "../../src/evidence/dsse.ts";
import { TRUST_PAYLOAD_TYPE, tokenKeysOf, verifyTrustFile } from "../../src/evidence/trust-bundle.ts";
import { INSTANCE, sampleKeys, sampleTrust } from "./sample-run.ts";
import { NOW_MS } from "./seeded.ts";

const KEYS = sampleKeys("trust");
const root = KEYS.root.publicJwk.kid;
const verify = (file: string, pinnedRoot = root, nowMs = NOW_MS) => verifyTrustFile(file, { nowMs, pinnedRoot });
const verifyUnpinned = (file: string) => verifyTrustFile(file, { nowMs: NOW_MS, pinnedRoot: undefined });

t.test("a trust file establishes each key with its purpose and state", async (t) => {
  const verdict = verify(sampleTrust(KEYS, { artifact: "verify_only" }));
  t.match(verdict, { ok: true, trust: { version: 1, instanceUid: INSTANCE, rootKid: root } });
  const keys = verdict.ok ? [...verdict.trust.keys.values()] : [];
  t.same(
    keys.map(({ kid, purpose, state }) => [kid, purpose, state]),
    [
      [KEYS.decision.publicJwk.kid, "decision", "active"],
      [KEYS.artifact.publicJwk.kid, "artifact", "verify_only"],
      [KEYS.token.publicJwk.kid, "token", "active"],
    ],
  );
  t.same([...tokenKeysOf(keys).keys()], [KEYS.token.publicJwk.kid], "tokens verify by token keys alone");
  const gone = verify(sampleTrust(KEYS, { token: "removed" }));
  t.equal(gone.ok && tokenKeysOf(gone.trust.keys.values()).size, 0);
});

t.test("T7 a trust file that the pinned root did not sign, or that is out of time, establishes nothing", async (t) => {
  const file = sampleTrust(KEYS);
  const stranger = sampleKeys("stranger");
  const edit = (change: (file: Record<string, unknown>) => void): string => {
    const editable: Record<string, unknown> = JSON.parse(file);
    change(editable);
    return JSON.stringify(editable);
  };
  const payloadOf = (change: JsonObject) =>
    edit((editable) => {
      const envelope = editable["envelope"] as { payload: string };
      const payload: JsonObject = JSON.parse(Buffer.from(envelope.payload, "base64").toString());
      envelope.payload = Buffer.from(canonicalJson({ ...payload, ...change })).toString("base64");
    });
  const listed = { ...KEYS.token.publicJwk, purpose: "token", state: "active" } as const;
  const asRoot = { ...KEYS.root.publicJwk, purpose: "token", state: "active" } as const;
  const refusals: readonly { why: string; verdict: ReturnType<typeof verify>; reason: string }[] = [
    { why: "another root's file", verdict: verify(sampleTrust(stranger)), reason: "pin" },
    {
      why: "another root's key beside our envelope",
      verdict: verifyUnpinned(edit((e) => Object.assign(e, { root: stranger.root.publicJwk }))),
      reason: "signature",
    },
    {
      why: "a later expiry written in",
      verdict: verify(payloadOf({ expires: "2099-01-01T00:00:00.000Z" })),
      reason: "signature",
    },
    { why: "at its expiry", verdict: verify(file, root, NOW_MS + 1000), reason: "expired" },
    { why: "before it was issued", verdict: verify(file, root, NOW_MS - 1001), reason: "not_yet_valid" },
    {
      why: "one key listed for two purposes",
      verdict: verify(sampleTrust(KEYS, {}, { keys: [listed, { ...listed, purpose: "decision" }] })),
      reason: "malformed",
    },
    {
      why: "the root listed as a signing key",
      verdict: verify(sampleTrust(KEYS, {}, { keys: [asRoot] })),
      reason: "malformed",
    },
    { why: "an unknown field", verdict: verify(edit((e) => Object.assign(e, { more: 1 }))), reason: "malformed" },
    { why: "no JSON", verdict: verify("trust me"), reason: "malformed" },
  ];
  for (const { why, verdict, reason } of refusals) t.same(verdict, { ok: false, reason }, why);
  const { root: _, ...payload } = JSON.parse(
    Buffer.from((JSON.parse(file) as { envelope: { payload: string } }).envelope.payload, "base64").toString(),
  ) as JsonObject;
  const lie = Buffer.from(canonicalJson({ ...payload, root: { ...stranger.root.publicJwk } }));
  const envelope = signEnvelope(TRUST_PAYLOAD_TYPE, lie, { kid: root, sign: KEYS.root.sign });
  t.same(
    verify(edit((e) => Object.assign(e, { envelope }))),
    { ok: false, reason: "malformed" },
    "another root inside",
  );
  t.equal(verify(file).ok, true, "the control");
  t.equal(verify(file, root, NOW_MS + 999).ok, true, "the last millisecond");
});
