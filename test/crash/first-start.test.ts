/**
 * K1: the first start killed after each of its steps, in a process of its own, on real files and a real database.
 *
 * An undisturbed start names the steps; the next start after each kill must go on with what stands and make only the rest.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import { hashApiKey } from "../../src/evidence/api-key.ts";
import { signingKeyOf } from "../../src/evidence/signing-key.ts";
import { verifyTrustFile } from "../../src/evidence/trust-bundle.ts";
import { findRoles } from "../../src/storage/set-up-roles.ts";
import { openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { openKeyRingAt } from "./key-ring-at.ts";

const PROGRAM = fileURLToPath(new URL("first-start-process.ts", import.meta.url));
/** As many processes as are started at once. */
const BREADTH = 3;

/** The order of spec 10; a file is written beside its place first. The database is there before the lock, which it keeps. */
const STEPS = [
  "home made",
  "keys made",
  "lock",
  ...["instance.key written", "instance.key in place"],
  ...["root.key written", "root.key in place"],
  "instance check row",
  ...SIGNING_PURPOSES.map((purpose) => `${purpose} key row`),
  "trust bundle row",
  ...["trust.json written", "trust.json in place"],
  ...["admin-key written", "admin-key in place"],
  "admin key row",
];

interface Site {
  readonly home: string;
  readonly database: TestDatabase;
}

async function makeSite(t: Test): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-first-start-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return { home: join(folder, "home"), database: await openTestDatabase(t) };
}

/** Runs a first start until it ends or is killed. */
async function start({ home, database }: Site, killAfter?: string) {
  const { NODE_OPTIONS: _tap, ...env } = process.env;
  const role = (await findRoles(database.pool))?.gateway;
  const given = JSON.stringify({ home, target: database.target, role, killAfter });
  const child = spawn(process.execPath, [PROGRAM, given], { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  const end = await new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  return { end, steps: text.trimEnd().split("\n") };
}

/** Everything that a first start leaves: key files by name, rows by table; temporary files are not keys. */
async function standing({ home, database }: Site) {
  const names = (await readdir(join(home, "keys")).catch(() => [])).filter((name) => !name.startsWith(".new-"));
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(home, "keys", name))] as const));
  const rows = async (sql: string) => (await database.pool.query<Record<string, unknown>>(sql)).rows;
  return {
    files: new Map(files),
    checks: await rows("select instance_uid, proof from stepgate.instance_check"),
    keys: await rows("select key_id, purpose, state, wrapped from stepgate.keys order by purpose, key_id"),
    bundles: await rows("select version, envelope from stepgate.trust_bundles"),
    adminKeys: await rows("select key_id, secret_hash from stepgate.api_keys"),
  };
}
type Standing = Awaited<ReturnType<typeof standing>>;

/** One key set, whose parts belong together. */
function isWhole(t: Test, { files, checks, keys, bundles, adminKeys }: Standing): void {
  t.same([...files.keys()].sort(), ["admin-key", "instance.key", "root.key", "trust.json"]);
  t.same(
    keys.map(({ purpose, state }) => `${String(purpose)} ${String(state)}`),
    [...SIGNING_PURPOSES].sort().map((purpose) => `${purpose} active`),
  );
  t.same([checks.length, bundles.length, adminKeys.length], [1, 1, 1]);
  const root = signingKeyOf(files.get("root.key") ?? Buffer.alloc(0));
  const trust = files.get("trust.json") ?? "";
  const verdict = verifyTrustFile(trust, { nowMs: Date.now(), pinnedRoot: root.publicJwk.kid });
  t.match(verdict, { ok: true, trust: { instanceUid: checks[0]?.["instance_uid"] } });
  if (verdict.ok) t.same([...verdict.trust.keys.keys()].sort(), keys.map((row) => row["key_id"]).sort());
  const admin = hashApiKey(String(files.get("admin-key")));
  t.same(adminKeys, [{ key_id: admin.keyId, secret_hash: Buffer.from(admin.secretHash) }]);
}

/** What stood at the kill stands unchanged. */
function isKept(t: Test, before: Standing, after: Standing): void {
  for (const [name, bytes] of before.files) t.same(after.files.get(name), bytes, `${name} was not made again`);
  for (const table of ["checks", "keys", "bundles", "adminKeys"] as const) {
    for (const row of before[table]) t.ok(after[table].some(isRow(row)), `a row of ${table} was not made again`);
  }
}

const isRow = (row: object) => (other: object) => JSON.stringify(row) === JSON.stringify(other);

t.test("K1 a first start goes through the steps of the specification in their order", async (t) => {
  const site = await makeSite(t);
  t.same(await start(site), { end: 0, steps: STEPS });
  const made = await standing(site);
  isWhole(t, made);
  t.same(
    (await start(site)).steps,
    ["lock", "admin key row"],
    "a later start makes nothing but asks for the admin's row",
  );
  t.same(await standing(site), made);
});

t.test("K1 a first start killed after any step is resumed by the next, with one key set", async (t) => {
  t.jobs = BREADTH;
  await Promise.all(
    STEPS.map((step) =>
      t.test(`killed after: ${step}`, async (t) => {
        const site = await makeSite(t);
        const killed = await start(site, step);
        t.same(killed, { end: "SIGKILL", steps: STEPS.slice(0, STEPS.indexOf(step) + 1) });
        const before = await standing(site);
        await openKeyRingAt(site.home, site.database.pool);
        const after = await standing(site);
        isWhole(t, after);
        isKept(t, before, after);
        await openKeyRingAt(site.home, site.database.pool);
        t.same(await standing(site), after, "nothing more is made");
      }),
    ),
  );
});
