/**
 * Every statement stays within one tenant, or says why it may not: by an equality on `tenant_uid`, read from its text.
 *
 * So that no look-up can ever find another tenant's row, and a database distributed by tenant can route it (design §10).
 */
import { readdir, readFile } from "node:fs/promises";
import t from "tap";

const STATEMENTS = new URL("../../src/storage/statements/", import.meta.url);
const FUNCTIONS = new URL("../../src/storage/functions/", import.meta.url);
const TABLES = new URL("../../src/storage/migrations/", import.meta.url);

/** Statements without it, each with its reason; one that gets an equality must leave this list. */
const INSTANCE_WIDE: Readonly<Record<string, string>> = {
  LOCK_FIRST_START: "touches no row",
  LOCK_QUOTAS: "touches no row",
  UNLOCK_FIRST_START: "touches no row",
  READ_INSTANCE_CHECK: "of the instance",
  INSERT_INSTANCE_CHECK: "of the instance",
  LIST_INSTANCE_KEYS: "keys of the instance: tenant_uid is null",
  READ_ACTIVE_KEY: "of a tenant or, with null, of the instance: `is not distinct from`",
  READ_TRUST_BUNDLE: "of the instance",
  INSERT_TRUST_BUNDLE: "of the instance",
  EXTEND_LEASE: "workers serve every tenant",
  SHOULD_EMPTY: "lost steps of every tenant wait for a worker that does nothing else",
  END_LEASE: "workers serve every tenant",
  SAY_TYPES: "workers serve every tenant",
  READ_SERVED_TYPES: "workers serve every tenant",
  LEASE_OVERDUE: "ends whatever is past its time; each step carries its tenant",
  CHARGE_PUT_BACK: "several tenants; each row carries its own",
  CLAIM_STEPS: "picks the tenant first; the walk inside holds the equality",
  ADMIT_STEPS: "a batch of several tenants; every item carries its own",
  SETTLE_STEPS: "a batch of several tenants; every item carries its own",
  READ_BATCHES: "by batch ids of a tenant's own records; shows digests only",
  RELEASE_LAPSED: "reaps whatever a dead worker held",
  FIND_LOST: "reaps whatever a dead worker held",
  FIND_DUE_APPROVALS: "ends whatever nobody decided in time",
  FIND_HELD: "what one worker holds, of every tenant",
  TAKE_SEAL_JOBS: "seals whatever has ended",
  WRITE_SEALS: "seals of several tenants' runs; each carries its own",
  READ_ACTIVE_SINKS: "a publisher serves every tenant",
  FIND_DELIVERIES: "looks at sinks of several tenants; each look holds the equality",
  CLAIM_DELIVERIES: "a batch of several tenants; every item carries its own",
  MOVE_DELIVERIES: "a batch of several tenants; every item carries its own",
  CLAIM_REDRIVES: "looks at sinks of several tenants; each look holds the equality",
  WAKE_STEPS: "looks at steps of several tenants; each look holds the equality",
  INSERT_DECISIONS: "a batch of several tenants; every item carries its own",
  LIST_TENANTS: "with null for platform keys of the instance only",
  FIND_TENANT: "is how a name becomes a tenant",
  UPSERT_TENANT: "is how a name becomes a tenant",
  ENSURE_TENANT: "is how a name becomes a tenant",
  FIND_API_KEY: "is how a credential becomes a tenant",
  TOUCH_API_KEY: "by the public id of a key that was verified",
  HAS_ADMIN_KEY: "keys of the instance: tenant_uid is null",
  HAS_ROLES: "reads the catalogue",
  READ_ROLES: "names of roles",
  ARE_ROLES_IN_PLACE: "reads the catalogue",
  SET_UP_ROLES: "changes the catalogue",
  READ_FENCES: "reads the catalogue",
  ENTER_TENANT: "touches no row",
  TAKE_ROOM: "touches no row that is kept",
  FIND_VACUUM_HOLDERS: "reads the catalogue",
  PLAN_WINDOWS: "stretches of time, for every tenant",
  MISSING_PARTITIONS: "stretches of time, for every tenant",
  MAKE_PARTITION: "stretches of time, for every tenant",
  READ_PREPARED: "stretches of time, for every tenant",
  DUE_RANGES: "stretches of time, for every tenant",
  JUDGE_WINDOW: "stretches of time, for every tenant",
  RETIRE_RUNS: "goes by tenant inside",
  RETIRE_DECISIONS: "goes by tenant inside",
  ERASE_INPUTS: "goes by tenant inside",
  RETIRE_ORPHANS: "stretches of time, for every tenant",
  RETIRE_LEFTOVERS: "goes by tenant inside",
  DROP_PARTITION: "stretches of time, for every tenant",
  FORGET_WINDOW: "stretches of time, for every tenant",
  HISTORY_TABLES: "names of tables",
  RETAIN_RUNS: "runs of several tenants; each carries its own",
};

/** Statements inside functions without one, by function: how many, and why. */
const INSTANCE_WIDE_INSIDE: Readonly<Record<string, readonly [number, string]>> = {
  extend_lease: [1, "a worker holds steps of every tenant"],
  release_lapsed: [1, "forgets workers that hold no step of any tenant"],
  is_alone_in_hand: [1, "lost steps of every tenant run one at a time"],
  claim_steps: [1, "how far any tenant is that these workers serve"],
  charge_put_back: [1, "how far any tenant is that these workers serve"],
  rebuild_steps: [1, "rows that carry their tenant, one run's"],
  end_lease: [1, "hands back what a worker holds, of every tenant"],
  due_ranges: [1, "the shortest time that any tenant keeps runs for"],
  judge_window: [1, "the longest time that any tenant keeps runs for"],
  kept_batches: [1, "batches hold records of several tenants"],
};

/** An equality with a parameter, or with the tenant of the very item the statement was asked about. */
const EQUALITY =
  /tenant_uid\s*=\s*\$\d|tenant_uid\s*=\s*wanted\.tenant_uid|\(wanted\.tenant_uid,|in \(select tenant_uid/;
const INSERTED = /insert into stepgate\.\w+(?: as \w+)?\s*\((?:\w+,\s*)*tenant_uid/;
/** Functions take the tenant as their first parameter; their own text is read below. */
const CALL = /^\s*select (?:\* from )?stepgate\.(\w+)\(\$1, \$2/;

const files = (await readdir(STATEMENTS)).sort();
/** Every exported statement of every file, so that a new file joins by itself. */
const all: readonly (readonly [string, string])[] = (
  await Promise.all(files.map((file) => import(new URL(file, STATEMENTS).href) as Promise<Record<string, unknown>>))
).flatMap((module) =>
  Object.entries(module).flatMap(([name, text]) => (typeof text === "string" ? [[name, text] as const] : [])),
);

t.test("statements are found", async (t) => {
  t.ok(files.length > 6);
  t.ok(all.length > 50);
});

t.test("every statement holds an equality on tenant_uid, or is listed with its reason", async (t) => {
  const functions = await textsIn(FUNCTIONS);
  for (const [name, text] of all) {
    const called = CALL.exec(text)?.[1];
    const takesTenant =
      called !== undefined && new RegExp(`function stepgate\\.${called}\\(p_tenant uuid`).test(functions);
    const takesTenantSecond =
      called !== undefined &&
      new RegExp(`function stepgate\\.${called}\\(p_worker text, p_tenant uuid`).test(functions);
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
const NO_TENANT = new Set(["workers", "record_batches", "history_ranges", "history_tables"]);
const JOIN =
  /\bjoin stepgate\.(\w+)\s+(?:as )?\w*\s*(on|using)\s*([\s\S]*?)(?=\bjoin stepgate|\bleft join|\bwhere\b|\border by\b|\breturning\b|;|`|\bfor update\b|\bset\b)/g;

t.test("every join keeps to the tenant, in statements and in functions", async (t) => {
  const texts: readonly (readonly [string, string])[] = [...all, ["functions", await textsIn(FUNCTIONS)]];
  let found = 0;
  for (const [name, text] of texts) {
    for (const [whole, table = "", , condition = ""] of text.matchAll(JOIN)) {
      found += 1;
      if (NO_TENANT.has(table)) continue;
      t.ok(/tenant_uid/.test(condition), `${name}: ${whole.trim()}`);
    }
  }
  t.ok(found > 15, `${found} joins`);
});

/** An equality, a membership, a conflict or a column that is written, whatever alias the tenant has. */
const KEEPS_TO_TENANT =
  /tenant_uid\s*=\s*[$\w.(]|\((?:\w+\.)?tenant_uid,[^()]*\)\s*(?:=|in)|tenant_uid in \(|\(tenant_uid[,)]|using \(tenant_uid/;

t.test("every statement inside a function keeps to the tenant, or is listed with its reason", async (t) => {
  const tenantTables = new Set<string>();
  for (const [, table = "", columns = ""] of (await textsIn(TABLES)).matchAll(
    /create table stepgate\.(\w+) \(([\s\S]*?)\n\)/g,
  )) {
    if (/\btenant_uid\b/.test(columns)) tenantTables.add(table);
  }
  t.ok(tenantTables.size > 25, `${tenantTables.size} tables`);
  const found = new Map<string, number>();
  let checked = 0;
  for (const [, name = "", , body = ""] of (await textsIn(FUNCTIONS)).matchAll(
    /function stepgate\.(\w+)\(([\s\S]*?)as \$\$([\s\S]*?)\$\$/g,
  )) {
    for (const statement of body.split(/;|\b(?:loop|then)\s*\n/)) {
      const tables = [...statement.matchAll(/\b(?:from|join|update|into|only)\s+stepgate\.(\w+)/g)].map(
        ([, table]) => table ?? "",
      );
      if (!tables.some((table) => tenantTables.has(table))) continue;
      checked += 1;
      if (KEEPS_TO_TENANT.test(statement) || /insert into stepgate\.\w+ select \(\w+\)\.\*/.test(statement)) continue;
      found.set(name, (found.get(name) ?? 0) + 1);
      if (!Object.hasOwn(INSTANCE_WIDE_INSIDE, name)) t.fail(`${name}: ${statement.trim().slice(0, 200)}`);
    }
  }
  t.ok(checked > 80, `${checked} statements`);
  t.same(
    Object.fromEntries(found),
    Object.fromEntries(Object.entries(INSTANCE_WIDE_INSIDE).map(([name, [count]]) => [name, count])),
    "the list names exactly those that need it",
  );
});

async function textsIn(folder: URL): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), "utf8")));
  return texts.join("\n").replaceAll(/--.*$/gm, "");
}
