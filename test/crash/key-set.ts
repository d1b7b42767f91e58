/**
 * The key set that a first start leaves: what stands, whether it is one whole set, whether an earlier part of it was kept.
 *
 * Used where the key ring alone is killed (first-start.test.ts) and where the whole product is (acceptance/).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import { hashApiKey } from "../../src/evidence/api-key.ts";
import { signingKeyOf } from "../../src/evidence/signing-key.ts";
import { verifyTrustFile } from "../../src/evidence/trust-bundle.ts";
import type { Connection } from "../../src/storage/pool.ts";

/** Everything that a first start leaves: key files by name, rows by table; temporary files are not keys. */
export async function standing(home: string, pool: Connection) {
  const names = (await readdir(join(home, "keys")).catch(() => [])).filter((name) => !name.startsWith(".new-"));
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(home, "keys", name))] as const));
  const rows = async (sql: string) => (await pool.query<Record<string, unknown>>(sql)).rows;
  return {
    files: new Map(files),
    checks: await rows("select instance_uid, proof from stepgate.instance_check"),
    keys: await rows(
      "select key_id, purpose, state, wrapped from stepgate.keys where tenant_uid is null order by purpose, key_id",
    ),
    bundles: await rows("select version, envelope from stepgate.trust_bundles"),
    adminKeys: await rows("select key_id, secret_hash from stepgate.api_keys"),
  };
}
export type Standing = Awaited<ReturnType<typeof standing>>;

/** One key set, whose parts belong together. */
export function isWhole(t: Test, { files, checks, keys, bundles, adminKeys }: Standing): void {
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
export function isKept(t: Test, before: Standing, after: Standing): void {
  for (const [name, bytes] of before.files) t.same(after.files.get(name), bytes, `${name} was not made again`);
  for (const table of ["checks", "keys", "bundles", "adminKeys"] as const) {
    for (const row of before[table]) t.ok(after[table].some(isRow(row)), `a row of ${table} was not made again`);
  }
}

const isRow = (row: object) => (other: object) => JSON.stringify(row) === JSON.stringify(other);
