import { createHash, verify } from "node:crypto";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import { type KeyFiles, openKeyFiles } from "../../src/evidence/key-files.ts";
import { type KeyRing, type KeyRingDeps, openKeyRing } from "../../src/evidence/key-ring.ts";
import { publicKeyOf } from "../../src/evidence/signing-key.ts";
import { DIGEST_PURPOSES } from "../../src/evidence/tenant-keys.ts";
import { verifyTrustFile } from "../../src/evidence/trust-bundle.ts";
import { Killed, type MemoryKeyStore, memoryKeyStore } from "./memory-key-store.ts";
import { TENANT } from "./sample-run.ts";
import { fixedClock, NOW_MS, seededIds } from "./seeded.ts";

const HOUR_MS = 3_600_000;
const uid = process.getuid?.() ?? 0;
const filesIn = (home: string) => openKeyFiles({ home, uid, uuid: seededIds(home).uuid });

let processes = 0;
async function depsFor(home: string, store: MemoryKeyStore, change: Partial<KeyRingDeps> = {}): Promise<KeyRingDeps> {
  return {
    files: await filesIn(home),
    store,
    ids: seededIds(`process ${++processes}`),
    clock: fixedClock(),
    givenInstanceKey: undefined,
    givenAdminKey: undefined,
    purposes: ["token", "decision", "artifact"],
    trustLifetimeMs: HOUR_MS,
    ...change,
  };
}

const openAt = async (home: string, store: MemoryKeyStore, change: Partial<KeyRingDeps> = {}): Promise<KeyRing> =>
  openKeyRing(await depsFor(home, store, change));
const keySet = (store: MemoryKeyStore) => store.rows.map(({ keyId, state }) => `${keyId} ${state}`).sort();

t.test("a first start makes one key of each purpose, a trust file that verifies, and an admin key", async (t) => {
  const home = join(t.testdir(), "home");
  const store = memoryKeyStore();
  const ring = await openAt(home, store);
  t.same(store.rows.map(({ purpose }) => purpose).sort(), [...SIGNING_PURPOSES].sort());
  const verdict = verifyTrustFile(ring.trustFile(), { nowMs: NOW_MS, pinnedRoot: undefined });
  t.match(verdict, { ok: true, trust: { instanceUid: ring.instanceUid, expiresAtMs: NOW_MS + HOUR_MS } });
  t.equal(readFileSync(join(home, "keys/trust.json"), "utf8"), `${ring.trustFile()}\n`);
  t.match(ring.adminKey, { source: "file", path: join(home, "keys/admin-key"), isNew: true });
  const text = readFileSync(join(home, "keys/admin-key"), "utf8");
  t.match(text, /^sg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
  t.same([...store.adminKeys.values()], [createHash("sha256").update(text).digest()]);
  const message = Buffer.from("message");
  const signer = ring.signer("decision");
  t.equal(verify(null, message, publicKeyOf(signer.publicJwk), signer.sign(message)), true);
  t.same([...ring.tokenKeys().keys()], [ring.signer("token").kid]);
  t.equal((ring.jwks()["keys"] as readonly unknown[]).length, SIGNING_PURPOSES.length);
  t.notMatch(JSON.stringify(ring.jwks()), /"d"|purpose|state/);
});

t.test("a later start finds everything again and makes nothing", async (t) => {
  const home = join(t.testdir(), "home");
  const store = memoryKeyStore();
  const first = await openAt(home, store);
  const before = keySet(store);
  const second = await openAt(home, store);
  t.same(keySet(store), before);
  t.same([second.instanceUid, second.trustFile()], [first.instanceUid, first.trustFile()]);
  t.match(second.adminKey, { source: "file", isNew: false });
  rmSync(join(home, "keys/admin-key"));
  t.same((await openAt(home, store)).adminKey, { source: "stored" }, "a removed file is not made anew");
});

t.test("a process holds only the private keys of its role", async (t) => {
  const home = join(t.testdir(), "home");
  const ring = await openAt(home, memoryKeyStore(), { purposes: ["decision"] });
  t.equal(ring.signer("decision").purpose, "decision");
  t.throws(() => ring.signer("token"), { code: "SIGNER_UNAVAILABLE" });
  t.equal(ring.tokenKeys().size, 1, "verification keys are there for everyone");
});

t.test("K1 a kill between any two steps of a first start is made good by the next", async (t) => {
  const homes = t.testdir();
  let kills = 0;
  for (let point = 0; ; point += 1) {
    const [home, store] = [join(homes, `home-${point}`), memoryKeyStore()];
    store.killAfter = point;
    const killed = await openAt(home, store).then(
      () => false,
      (caught: unknown) => caught instanceof Killed || Promise.reject(caught),
    );
    if (!killed) break;
    kills += 1;
    store.killAfter = undefined;
    const ring = await openAt(home, store);
    const again = await openAt(home, store);
    t.equal(
      new Set(store.rows.map(({ purpose }) => purpose)).size,
      store.rows.length,
      `one key a purpose after kill ${point}`,
    );
    t.equal(store.adminKeys.size, 1);
    t.equal(verifyTrustFile(ring.trustFile(), { nowMs: NOW_MS, pinnedRoot: undefined }).ok, true);
    t.same([again.instanceUid, again.trustFile()], [ring.instanceUid, ring.trustFile()]);
  }
  t.ok(kills > 10, `${kills} kill points`);
});

t.test("K1 a kill between any two files of a first start is made good by the next", async (t) => {
  for (const name of ["instance.key", "root.key", "trust.json", "admin-key"]) {
    for (const moment of ["before", "after"] as const) {
      const [home, store] = [join(t.testdir(), `${name}-${moment}`), memoryKeyStore()];
      const files = await filesIn(home);
      const dying =
        <A extends readonly [string, ...unknown[]], R>(act: (...given: A) => Promise<R>) =>
        async (...given: A) => {
          if (given[0] === name && moment === "before") throw new Killed();
          const result = await act(...given);
          if (given[0] === name) throw new Killed();
          return result;
        };
      const mortal: KeyFiles = { ...files, create: dying(files.create), replace: dying(files.replace) };
      await t.rejects(openAt(home, store, { files: mortal }), { name: "Killed" }, `${moment} ${name}`);
      await openAt(home, store);
      t.equal(store.rows.length, SIGNING_PURPOSES.length);
      t.same([store.bundles.length, store.adminKeys.size], [1, 1]);
    }
  }
});

t.test("K1 two first starts at once end with one key set", async (t) => {
  const home = join(t.testdir(), "home");
  const store = memoryKeyStore();
  const rings = await Promise.all(Array.from({ length: 4 }, () => openAt(home, store)));
  t.equal(new Set(rings.map((ring) => ring.instanceUid)).size, 1);
  t.equal(new Set(rings.map((ring) => ring.signer("token").kid)).size, 1);
  t.same([store.rows.length, store.bundles.length, store.adminKeys.size], [SIGNING_PURPOSES.length, 1, 1]);
});

t.test("K1 a full database without its instance key, or with another, is refused and nothing is made", async (t) => {
  const homes = t.testdir();
  const home = join(homes, "home");
  const store = memoryKeyStore();
  await openAt(home, store);
  const before = keySet(store);
  const elsewhere = join(homes, "elsewhere");
  await t.rejects(openAt(elsewhere, store), { code: "INSTANCE_KEY_MISSING" });
  t.equal(await (await filesIn(elsewhere)).read("instance.key"), undefined, "no key was generated");
  await t.rejects(openAt(home, store, { givenInstanceKey: Buffer.alloc(32, 1) }), { code: "INSTANCE_KEY_MISMATCH" });
  await t.rejects(openAt(home, store, { givenInstanceKey: Buffer.alloc(31) }), { code: "KEY_FILE_INVALID" });
  chmodSync(join(home, "keys/instance.key"), 0o644);
  await t.rejects(openAt(home, store), { code: "KEY_FILE_UNSAFE" });
  t.same(keySet(store), before);
  const halfErased = memoryKeyStore();
  halfErased.rows.push(...store.rows);
  await t.rejects(openAt(elsewhere, halfErased), { code: "INSTANCE_KEY_MISMATCH" }, "keys without their check");
});

t.test("a key row that was not written with this instance key is never trusted", async (t) => {
  const stranger = memoryKeyStore();
  await openAt(join(t.testdir(), "stranger"), stranger);
  const planted = stranger.rows.find(({ purpose }) => purpose === "token");
  const spoils: readonly ((store: MemoryKeyStore) => void)[] = [
    (store) => planted && store.rows.push({ ...planted, state: "verify_only" }),
    (store) => planted && store.rows.push({ ...planted, wrapped: undefined }),
    (store) => {
      const row = store.rows.find(({ purpose }) => purpose === "artifact");
      if (row) store.rows.push({ ...row, purpose: "token", state: "verify_only" });
    },
    (store) => planted && store.rows.push({ ...planted, purpose: "unknown" }),
    (store) => planted && store.rows.push({ ...planted, keyId: "another", state: "removed" }),
    (store) =>
      planted && store.rows.push({ ...planted, state: "removed", publicJwk: { ...planted.publicJwk, kid: "x" } }),
  ];
  for (const [index, spoil] of spoils.entries()) {
    const [home, store] = [join(t.testdir(), `home-${index}`), memoryKeyStore()];
    await openAt(home, store);
    spoil(store);
    await t.rejects(openAt(home, store), { code: "KEY_ROW_INVALID" }, `case ${index}`);
  }
});

t.test("the trust bundle is renewed when half its life is over or the keys changed, by the root alone", async (t) => {
  const home = join(t.testdir(), "home");
  const store = memoryKeyStore();
  await openAt(home, store);
  await openAt(home, store, { clock: fixedClock(NOW_MS + HOUR_MS / 2 - 1) });
  t.equal(store.bundles.length, 1, "one millisecond before half");
  await openAt(home, store, { clock: fixedClock(NOW_MS + HOUR_MS / 2) });
  t.equal(store.bundles.length, 2, "at half");
  const retired = store.rows.findIndex(({ purpose }) => purpose === "decision");
  const row = store.rows[retired];
  if (row !== undefined) store.rows[retired] = { ...row, state: "verify_only" };
  const late = { clock: fixedClock(NOW_MS + HOUR_MS / 2) };
  const ring = await openAt(home, store, late);
  t.equal(store.bundles.length, 3, "another active key");
  t.not(ring.signer("decision").kid, row?.keyId);
  t.ok(ring.trustedKeys().has(row?.keyId ?? ""), "T5 what the old key signed still verifies");
  rmSync(join(home, "keys/root.key"));
  const offline = await openAt(home, store, { clock: fixedClock(NOW_MS + 9 * HOUR_MS) });
  t.equal(store.bundles.length, 3, "a root that was moved offline is not made anew");
  t.equal(await (await filesIn(home)).read("root.key"), undefined);
  t.equal(offline.trustFile(), ring.trustFile());
  store.bundles.length = 0;
  t.equal(
    (await openAt(home, store)).trustFile() === ring.trustFile(),
    false,
    "a database without a bundle gets a new root",
  );
});

t.test("an admin key is given, or made once; a weak one stops the start before anything is made", async (t) => {
  const home = join(t.testdir(), "home");
  const store = memoryKeyStore();
  await t.rejects(openAt(home, store, { givenAdminKey: "x".repeat(31) }), { code: "ADMIN_KEY_WEAK" });
  t.equal(store.rows.length, 0);
  const given = await openAt(home, store, { givenAdminKey: "x".repeat(32) });
  t.match(given.adminKey, { source: "given", keyId: /^own-[0-9a-f]{16}$/ });
  t.match((await openAt(home, store)).adminKey, { source: "stored" });
  const own = await openAt(home, store, { givenAdminKey: `sg_0123456789abcdef_${"y".repeat(43)}` });
  t.match(own.adminKey, { source: "given", keyId: "0123456789abcdef" });
  const revoked = Buffer.from("revoked");
  store.adminKeys.set("0123456789abcdef", revoked);
  await openAt(home, store, { givenAdminKey: `sg_0123456789abcdef_${"y".repeat(43)}` });
  t.equal(store.adminKeys.get("0123456789abcdef"), revoked, "a stored key is never written over");
});

t.test(
  "a tenant's keys are made on first use, the same in every process, and apart by tenant and purpose",
  async (t) => {
    const home = join(t.testdir(), "home");
    const store = memoryKeyStore();
    const [one, two] = [await openAt(home, store), await openAt(home, store)];
    const [mine, same] = await Promise.all([one.tenants.of(TENANT), two.tenants.of(TENANT)]);
    const other = await one.tenants.of(one.instanceUid as typeof TENANT);
    t.equal(mine.dataKey.keyId, same.dataKey.keyId);
    t.equal(mine.digest("snapshot", "{}"), same.digest("snapshot", "{}"));
    t.match(mine.digest("snapshot", "{}"), /^[0-9a-f]{64}$/);
    t.not(mine.digest("snapshot", "{}"), mine.digest("idempotency", "{}"));
    t.not(mine.digest("snapshot", "{}"), other.digest("snapshot", "{}"));
    t.not(mine.dataKey.keyId, other.dataKey.keyId);
    t.equal(store.rows.filter(({ tenantUid }) => tenantUid === TENANT).length, 1 + DIGEST_PURPOSES.length);
  },
);

t.test(
  "a data key that another process rotated is found; an unknown one, and another tenant's row, are refused",
  async (t) => {
    const home = join(t.testdir(), "home");
    const store = memoryKeyStore();
    const [one, two] = [await openAt(home, store), await openAt(home, store)];
    const old = (await one.tenants.of(TENANT)).dataKey.keyId;
    const at = store.rows.findIndex(({ keyId }) => keyId === old);
    const row = store.rows[at];
    if (row !== undefined) store.rows[at] = { ...row, state: "verify_only" };
    const rotated = (await two.tenants.of(TENANT)).dataKey.keyId;
    t.not(rotated, old);
    t.equal((await one.tenants.dataKey(TENANT, rotated)).keyId, rotated, "read again");
    t.equal((await two.tenants.dataKey(TENANT, old)).keyId, old, "the old one still opens");
    await t.rejects(one.tenants.dataKey(TENANT, "nobody"), { code: "BLOB_UNREADABLE" });
    const stolen = {
      ...(store.rows.find(({ keyId }) => keyId === rotated) ?? store.rows[0]),
      tenantUid: one.instanceUid as typeof TENANT,
    };
    store.rows.push(stolen as (typeof store.rows)[number]);
    await t.rejects(one.tenants.of(one.instanceUid as typeof TENANT), { code: "KEY_ROW_INVALID" });
  },
);

t.test("a store that fails once is asked again", async (t) => {
  const store = memoryKeyStore();
  const ring = await openAt(join(t.testdir(), "home"), store);
  store.killAfter = 0;
  await t.rejects(ring.tenants.of(TENANT), { name: "Killed" });
  store.killAfter = undefined;
  t.ok(await ring.tenants.of(TENANT));
});
