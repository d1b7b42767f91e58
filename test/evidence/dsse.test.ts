import t from "tap";
import { type Envelope, openEnvelope, preAuthEncoding, signEnvelope } from "../../src/evidence/dsse.ts";
import { makeSigner, signingKeyOf } from "../../src/evidence/signing-key.ts";
import { seededIds } from "./seeded.ts";

const { random } = seededIds("dsse");
const [ours, other] = [signingKeyOf(random(32)), signingKeyOf(random(32))];
const keys = [other, ours].map(({ publicJwk, publicKey }) => ({ kid: publicJwk.kid, publicKey }));
const TYPE = "application/test+json";
const payload = Buffer.from('{"a":1}');
const envelope = signEnvelope(TYPE, payload, makeSigner("decision", ours));

t.test("an envelope opens to exactly the bytes that were signed, whatever order the keys have", async (t) => {
  for (const order of [keys, [...keys].reverse()]) {
    const opened = openEnvelope(envelope, TYPE, order);
    t.match(opened, { ok: true, kid: ours.publicJwk.kid });
    t.same(opened.ok && Buffer.from(opened.payload), payload);
  }
  const [signature] = envelope.signatures;
  const unnamed = { ...envelope, signatures: [{ keyid: undefined, sig: signature?.sig ?? "" }] };
  t.match(openEnvelope(unnamed, TYPE, keys), { ok: true, kid: ours.publicJwk.kid }, "keyid is only a hint");
});

t.test("refuses an envelope that differs in anything", async (t) => {
  const sig = envelope.signatures[0]?.sig ?? "";
  const cases: readonly { why: string; change: Partial<Envelope>; reason: string }[] = [
    { why: "another type", change: { payloadType: "application/other+json" }, reason: "payload_type" },
    { why: "another payload", change: { payload: Buffer.from('{"a":2}').toString("base64") }, reason: "signature" },
    {
      why: "a payload with spare bits",
      change: { payload: envelope.payload.replace("fQ==", "fR==") },
      reason: "encoding",
    },
    { why: "a payload with white space", change: { payload: `${envelope.payload}\n` }, reason: "encoding" },
    { why: "no signature", change: { signatures: [] }, reason: "signature" },
    {
      why: "a second signature",
      change: { signatures: [...envelope.signatures, ...envelope.signatures] },
      reason: "signature",
    },
    { why: "a short signature", change: { signatures: [{ keyid: undefined, sig: "AAAA" }] }, reason: "signature" },
    { why: "another key's id", change: { signatures: [{ keyid: other.publicJwk.kid, sig }] }, reason: "keyid" },
  ];
  for (const { why, change, reason } of cases) {
    t.match(openEnvelope({ ...envelope, ...change }, TYPE, keys), { ok: false, reason }, why);
  }
  t.match(openEnvelope(envelope, TYPE, []), { ok: false, reason: "signature" }, "no key");
  t.match(openEnvelope(envelope, TYPE, keys.slice(0, 1)), { ok: false, reason: "signature" }, "only another key");
});

t.test("the encoding keeps type and payload apart", async (t) => {
  const one = preAuthEncoding("a", Buffer.from("b 1 c"));
  const two = preAuthEncoding("a 1 b", Buffer.from("c"));
  t.not(Buffer.compare(one, two), 0);
});
