/**
 * Signatures of webhooks, against the published vector and a verifier written from the standard's text.
 */
import t from "tap";
import {
  makeWebhookSecret,
  readSecrets,
  rotateSecret,
  signWebhook,
  writeSecrets,
} from "../../src/sinks/webhook-secret.ts";
import { verifies } from "./verifies.ts";

/** From the tests of the reference libraries (github.com/standard-webhooks/standard-webhooks). */
const VECTOR = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  message: {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestampSec: 1_614_265_330,
    body: '{"test": 2432232314}',
  },
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

t.test("signs the published message as published", async (t) => {
  t.equal(signWebhook(VECTOR.message, { current: VECTOR.secret, previous: undefined }), VECTOR.signature);
});

t.test("a signature is good for its own id, time and body alone", async (t) => {
  const { secret, message } = VECTOR;
  const header = signWebhook(message, { current: secret, previous: undefined });
  t.ok(verifies(secret, message, header), "the control");
  const changes = [
    { why: "another body", change: { body: `${message.body} ` } },
    { why: "another id", change: { id: "msg_p5jXN8AQM9LWM0D4loKWxJej" } },
    { why: "another time", change: { timestampSec: message.timestampSec + 1 } },
  ];
  for (const { why, change } of changes) t.notOk(verifies(secret, { ...message, ...change }, header), why);
  t.notOk(verifies("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", message, header), "another secret");
});

t.test("while a rotation lasts both secrets sign, and then the new one alone", async (t) => {
  let drawn = 0;
  const random = (size: number) => new Uint8Array(size).fill(++drawn);
  const [first, second] = [makeWebhookSecret(random), makeWebhookSecret(random)];
  t.match(first, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const untilMs = VECTOR.message.timestampSec * 1000 + 1000;
  const rotated = readSecrets(writeSecrets(rotateSecret({ current: first, previous: undefined }, second, untilMs)));
  const during = signWebhook(VECTOR.message, rotated);
  t.ok(verifies(first, VECTOR.message, during) && verifies(second, VECTOR.message, during));
  const later = { ...VECTOR.message, timestampSec: VECTOR.message.timestampSec + 1 };
  const after = signWebhook(later, rotated);
  t.notOk(verifies(first, later, after));
  t.ok(verifies(second, later, after));
});

t.test("what is no secret is not read as one", async (t) => {
  for (const text of ["{}", "[]", '{"current":1}'])
    t.throws(() => readSecrets(text), { code: "BLOB_UNREADABLE" }, text);
});
