/**
 * Every statement stays within one tenant, or says why it may not: by an equality on `tenant_uid`, read from its text.
 *
 * So that no look-up can ever find another tenant's row, and a database distributed by tenant can route it (design §10).
 */
import { readdir, readFile } from "node:fs/promises";
import t from "tap";
import * as keys from "../../src/storage/statements/keys.ts";
import * as pipeline from "../../src/storage/statements/pipeline.ts";
import * as queue from "../../src/storage/statements/queue.ts";
import * as runs from "../../src/storage/statements/runs.ts";
import * as tenants from "../../src/storage/statements/tenants.ts";

const STATEMENTS = new URL("../../src/storage/statements/", import.meta.url);
const SQL_FOLDERS = ["migrations", "functions"].map((name) => new URL(`../../src/storage/${name}/`, import.meta.url));

/** Statements without it, each with its reason; one that gets an equality must leave this list. */
const INSTANCE_WIDE: Readonly<Record<string, string>> = {
  LOCK_FIRST_START: "touches no row",
  UNLOCK_FIRST_START: "touches no row",
  READ_INSTANCE_CHECK: "of the instance",
  INSERT_INSTANCE_CHECK: "of the instance",
  LIST_INSTANCE_KEYS: "keys of the instance: tenant_uid is null",
  READ_ACTIVE_KEY: "of a tenant or, with null, of the instance: `is not distinct from`",
  READ_TRUST_BUNDLE: "of the instance",
  INSERT_TRUST_BUNDLE: "of the instance",
  EXTEND_LEASE: "workers serve every tenant",
  END_LEASE: "workers serve every tenant",
  SAY_TYPES: "workers serve every tenant",
  READ_SERVED_TYPES: "workers serve every tenant",
  CLAIM_STEPS: "picks the tenant first; the walk inside holds the equality",
  ADMIT_STEPS: "a batch of several tenants; every item carries its own",
  SETTLE_STEPS: "a batch of several tenants; every item carries its own",
  FIND_BATCH_RECORDS: "by a batch id made here; shows digests only",
  READ_BATCHES: "by batch ids of a tenant's own records; shows digests only",
  RELEASE_LAPSED: "reaps whatever a dead worker held",
  FIND_LOST: "reaps whatever a dead worker held",
  TAKE_SEAL_JOB: "seals whatever has ended",
  INSERT_DECISIONS: "a batch of several tenants; every item carries its own",
  SUBMIT_RUN: "the run carries its tenant",
  LIST_TENANTS: "with null for platform keys of the instance only",
  READ_TENANT: "is how a name becomes a tenant",
  FIND_TENANT: "is how a name becomes a tenant",
  UPSERT_TENANT: "is how a name becomes a tenant",
  ENSURE_TENANT: "is how a name becomes a tenant",
  FIND_API_KEY: "is how a credential becomes a tenant",
  TOUCH_API_KEY: "by the public id of a key that was verified",
  HAS_ADMIN_KEY: "keys of the instance: tenant_uid is null",
};

/** An equality with a parameter, or with the tenant of the very item the statement was asked about. */
const EQUALITY =
  /tenant_uid\s*=\s*\$\d|tenant_uid\s*=\s*wanted\.tenant_uid|\(wanted\.tenant_uid,|in \(select tenant_uid/;
const INSERTED = /insert into stepgate\.\w+(?: as \w+)?\s*\((?:\w+,\s*)*tenant_uid/;
/** Functions take the tenant as their first parameter; their own text is read below. */
const CALL = /^\s*select (?:\* from )?stepgate\.(\w+)\(\$1, \$2/;

const all: readonly (readonly [string, string])[] = Object.entries<unknown>({
  ...keys,
  ...pipeline,
  ...queue,
  ...runs,
  ...tenants,
}).flatMap(([name, text]) => (typeof text === "string" ? [[name, text] as const] : []));

t.test("the statements read here are all there are", async (t) => {
  t.same((await readdir(STATEMENTS)).sort(), ["keys.ts", "pipeline.ts", "queue.ts", "runs.ts", "tenants.ts"]);
  t.ok(all.length > 50);
});

t.test("every statement holds an equality on tenant_uid, or is listed with its reason", async (t) => {
  const sql = await sqlText();
  for (const [name, text] of all) {
    const called = CALL.exec(text)?.[1];
    const takesTenant = called !== undefined && new RegExp(`function stepgate\\.${called}\\(p_tenant uuid`).test(sql);
    const takesTenantSecond =
      called !== undefined && new RegExp(`function stepgate\\.${called}\\(p_worker text, p_tenant uuid`).test(sql);
    const isWithin = EQUALITY.test(text) || INSERTED.test(text) || takesTenant || takesTenantSecond;
    if (Object.hasOwn(INSTANCE_WIDE, name)) continue;
    t.ok(isWithin, `${name}: ${text.trim().slice(0, 120)}`);
  }
});

t.test("the list of exceptions names statements that exist and need it", async (t) => {
  const texts = new Map(all);
  for (const name of Object.keys(INSTANCE_WIDE)) {
    const text = texts.get(name);
    t.ok(text !== undefined, `${name} exists`);
    t.notOk(/\btenant_uid = \$\d(?! or|\))/.test(text ?? ""), `${name} has no equality of its own`);
  }
});

/** Tables whose rows belong to no tenant, or are reached by an id that another row of the tenant holds. */
const NO_TENANT = new Set(["workers", "record_batches"]);
const JOIN =
  /\bjoin stepgate\.(\w+)\s+(?:as )?\w*\s*(on|using)\s*([\s\S]*?)(?=\bjoin stepgate|\bleft join|\bwhere\b|\border by\b|\breturning\b|;|`|\bfor update\b|\bset\b)/g;

t.test("every join keeps to the tenant, in statements and in functions", async (t) => {
  const texts: readonly (readonly [string, string])[] = [...all, ["migrations and functions", await sqlText()]];
  let found = 0;
  for (const [name, text] of texts) {
    for (const [whole, table = "", , condition = ""] of text.matchAll(JOIN)) {
      found += 1;
      if (NO_TENANT.has(table)) continue;
      t.ok(/tenant_uid/.test(condition) || name === "FIND_BATCH_RECORDS", `${name}: ${whole.trim()}`);
    }
  }
  t.ok(found > 15, `${found} joins`);
});

/** Migrations and the functions as they stand now, which come last. */
async function sqlText(): Promise<string> {
  const texts: string[] = [];
  for (const folder of SQL_FOLDERS) {
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort()) {
      texts.push(await readFile(new URL(name, folder), "utf8"));
    }
  }
  return texts.join("\n").replaceAll(/--.*$/gm, "");
}
