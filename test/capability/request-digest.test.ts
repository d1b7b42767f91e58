import { createHash } from "node:crypto";
import t from "tap";
import { isDigestOf, requestDigest } from "../../src/capability/request-digest.ts";
import { REQUEST, SALT } from "./issuer.ts";

t.test("the digest is SHA-256 of salt and text, in hex", async (t) => {
  const wanted = createHash("sha256")
    .update(Buffer.concat([SALT, Buffer.from(REQUEST)]))
    .digest("hex");
  t.equal(requestDigest(SALT, REQUEST), wanted);
  t.ok(isDigestOf(wanted, SALT, REQUEST));
  t.notOk(isDigestOf(wanted, SALT, `${REQUEST} `));
  t.notOk(isDigestOf(wanted.toUpperCase(), SALT, REQUEST));
});

t.test("a salt of another length is refused: the border between salt and text must not move", async (t) => {
  for (const bytes of [0, 31, 33]) {
    t.throws(() => requestDigest(Buffer.alloc(bytes), REQUEST), {
      code: "FIELD_INVALID",
      detail: { field: "salt", bytes },
    });
    t.notOk(isDigestOf(requestDigest(SALT, REQUEST), Buffer.alloc(bytes, 7), REQUEST));
  }
});
