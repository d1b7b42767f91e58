import t from "tap";
import { makeInstanceKey } from "../../src/evidence/instance-key.ts";
import { type KeyIdentity, unwrapKey, wrapKey } from "../../src/evidence/key-wrap.ts";
import { TENANT } from "./sample-run.ts";
import { seededIds } from "./seeded.ts";

const { random } = seededIds("wrap");
const instance = makeInstanceKey(random(32));
const wrapping = instance.derive("wrap");
const identity: KeyIdentity = { tenantUid: TENANT, purpose: "data", keyId: "k1" };

t.test("a wrapped key unwraps under its own identity only", async (t) => {
  const material = random(32);
  const wrapped = wrapKey(wrapping, identity, material, random);
  t.same(Buffer.from(unwrapKey(wrapping, identity, wrapped)), material);
  const others: readonly Partial<KeyIdentity>[] = [{ tenantUid: undefined }, { purpose: "token" }, { keyId: "k2" }];
  for (const change of others) {
    t.throws(() => unwrapKey(wrapping, { ...identity, ...change }, wrapped), { code: "KEY_ROW_INVALID" });
  }
  t.throws(() => unwrapKey(wrapping, identity, undefined), { code: "KEY_ROW_INVALID" });
  const stranger = makeInstanceKey(random(32)).derive("wrap");
  t.throws(() => unwrapKey(stranger, identity, wrapped), { code: "KEY_ROW_INVALID" });
});

t.test("labels of the instance key give keys of their own, the same ones every time", async (t) => {
  const bytes = Buffer.alloc(32, 7);
  const hex = (label: "wrap" | "check" | "presign" | "row_mac") =>
    makeInstanceKey(bytes).derive(label).export().toString("hex");
  const labels = ["wrap", "check", "presign", "row_mac"] as const;
  t.equal(new Set(labels.map(hex)).size, 4);
  t.equal(hex("wrap"), hex("wrap"));
  t.notOk(labels.map(hex).includes(bytes.toString("hex")));
});

t.test("the proof of an instance fits that instance and key only", async (t) => {
  const proof = instance.prove("instance-1");
  t.equal(instance.isProof("instance-1", proof), true);
  t.equal(instance.isProof("instance-2", proof), false);
  t.equal(makeInstanceKey(random(32)).isProof("instance-1", proof), false);
  t.equal(instance.isProof("instance-1", new Uint8Array()), false);
  for (const size of [0, 31, 33]) t.throws(() => makeInstanceKey(random(size)), { code: "KEY_FILE_INVALID" });
});
