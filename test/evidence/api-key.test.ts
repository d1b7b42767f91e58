import { createHash } from "node:crypto";
import t from "tap";
import { hashApiKey, makeApiKey } from "../../src/evidence/api-key.ts";
import { seededIds } from "./seeded.ts";

t.test("a made key carries its id and 32 random bytes, and is stored as a hash of the whole text", async (t) => {
  const key = makeApiKey(seededIds("api").random);
  const [, id] = /^sg_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(key) ?? [];
  const { keyId, secretHash } = hashApiKey(key);
  t.equal(keyId, id);
  t.same(Buffer.from(secretHash), createHash("sha256").update(key).digest());
  t.not(key, makeApiKey(seededIds("other").random));
});

t.test("a text of another form gets an id that no made key can have, the same one every time", async (t) => {
  for (const text of [
    "an operator's own long admin key, 40 chars",
    "sg_0123456789abcdef_short",
    "sg__",
    "",
    "sg_X_y",
  ]) {
    const { keyId } = hashApiKey(text);
    t.match(keyId, /^own-[0-9a-f]{16}$/);
    t.equal(keyId, hashApiKey(text).keyId);
  }
});
