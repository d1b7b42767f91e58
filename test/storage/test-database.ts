/**
 * Fresh databases for tests, with the product's migrations applied: on the embedded server, and on the outside one when
 * STEPGATE_TEST_DATABASE_URL names it.
 *
 * All test files of a checkout share one embedded server, as the product's own processes would: the first starts it, the
 * last one out stops it. A database is a copy of a migrated template (~40 ms), made once per set of migrations.
 */
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import { type EmbeddedServer, startEmbedded } from "../../src/storage/embedded/embedded-server.ts";
import type { StoreLog } from "../../src/storage/log.ts";
import { migrate, readSchema, type Schema } from "../../src/storage/migrate.ts";
import { type Connection, type DatabaseTarget, makePool, type Pool, type PoolOptions } from "../../src/storage/pool.ts";

export interface TestDatabase {
  /** Which server: for names of subtests. */
  readonly server: "embedded" | "outside";
  /** Spread into `makePool`. */
  readonly target: DatabaseTarget;
  /** A pool of the database's owner with ten connections, closed with the database. */
  readonly pool: Pool;
  /** A further pool, with a role or limits of its own; closed with the database. */
  readonly openPool: (
    options?: Partial<
      Pick<PoolOptions, "role" | "isFenced" | "limits" | "maxConnections" | "isPlannedOnce" | "isBehindPooler">
    >,
  ) => Pool;
  /** Drops the database. Called by itself when the test ends. */
  readonly close: () => Promise<void>;
}

/** For servers and pools of tests: what they would log is of no interest. */
export const silentLog: StoreLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Opens a fresh, migrated database on the embedded server; `isMigrated: false` gives an empty one. */
export async function openTestDatabase(
  test: Test,
  options: { readonly server?: TestDatabase["server"]; readonly isMigrated?: boolean } = {},
): Promise<TestDatabase> {
  const { server = "embedded", isMigrated = true } = options;
  const admin = await openAdmin(server);
  const name = `test_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString("hex")}`;
  await admin.pool.transaction(async (lock) => {
    await lock.query("select pg_advisory_xact_lock(1)");
    await dropOldDatabases(admin.pool, lock);
    const template = isMigrated ? await ensureTemplate(admin, lock) : "template1";
    await admin.pool.query(`create database ${name} template ${template}`);
  });
  const target = admin.targetOf(name);
  const pools: Pool[] = [];
  const openPool: TestDatabase["openPool"] = (more = {}) => {
    const pool = makePool({ maxConnections: 10, ...target, ...more, applicationName: "stepgate test", log: silentLog });
    pools.push(pool);
    return pool;
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await Promise.all(pools.map((pool) => pool.close()));
      await admin.pool.query(`drop database if exists ${name} with (force)`);
      // made by a test that migrated it itself; those of copies belong to the template
      const roles = isMigrated
        ? []
        : ["gateway", "worker"].map((kind) => `stepgate_${kind}_${sha256Hex(name).slice(0, 12)}`);
      for (const role of roles) await admin.pool.query(`drop role if exists ${role}`);
    })();
    return closing;
  };
  test.teardown(close);
  return { server, target, pool: openPool(), openPool, close };
}

/** Runs `run` as a subtest on a fresh database of the embedded server, and of the outside one where there is one. */
export async function forEachDatabase(
  test: Test,
  run: (t: Test, database: TestDatabase) => Promise<void>,
  options: { readonly isMigrated?: boolean } = {},
): Promise<void> {
  const servers = outsideUrl() === undefined ? (["embedded"] as const) : (["embedded", "outside"] as const);
  for (const server of servers) {
    await test.test(`on the ${server} PostgreSQL`, async (t) =>
      run(t, await openTestDatabase(t, { ...options, server })),
    );
  }
}

interface Admin {
  readonly pool: Pool;
  readonly targetOf: (database: string) => DatabaseTarget;
}

const LIMITS = { statementMs: 60_000, lockMs: 60_000, idleInTransactionMs: 120_000 };
/** Longer than any test runs. */
const OLD_SEC = 3600;

const admins = new Map<TestDatabase["server"], Promise<Admin>>();
let schema: Promise<Schema> | undefined;

function openAdmin(server: TestDatabase["server"]): Promise<Admin> {
  let admin = admins.get(server);
  if (admin === undefined) {
    admin = server === "embedded" ? openEmbedded() : openOutside();
    admins.set(server, admin);
  }
  return admin;
}

async function openEmbedded(): Promise<Admin> {
  const server = await startEmbedded({ home: testHome(), log: silentLog, rootParents: [tmpdir(), "/var/lib"] });
  const targetOf = (database: string): DatabaseTarget => ({ connection: { ...server.connection, database } });
  return adminOf({ connection: server.connection }, targetOf, server);
}

async function openOutside(): Promise<Admin> {
  const url = outsideUrl();
  if (url === undefined) throw new Error("STEPGATE_TEST_DATABASE_URL is not set");
  const targetOf = (database: string): DatabaseTarget => {
    const changed = new URL(url);
    changed.pathname = `/${database}`;
    return { url: changed.href };
  };
  return adminOf({ url }, targetOf, undefined);
}

function adminOf(target: DatabaseTarget, targetOf: Admin["targetOf"], server: EmbeddedServer | undefined): Admin {
  const pool = makePool({
    ...target,
    maxConnections: 4,
    applicationName: "stepgate test",
    limits: LIMITS,
    log: silentLog,
  });
  // at the end of the test file, whatever its tests did
  t.teardown(async () => {
    await pool.close();
    await server?.stop();
  });
  return { pool, targetOf };
}

/** One per checkout and user, so that test runs of other checkouts are not disturbed. */
function testHome(): string {
  const checkout = createHash("sha256")
    .update(import.meta.url)
    .digest("hex")
    .slice(0, 16);
  return join(tmpdir(), `stepgate-test-${process.geteuid?.() ?? 0}-${checkout}`);
}

function outsideUrl(): string | undefined {
  return process.env["STEPGATE_TEST_DATABASE_URL"] || undefined;
}

/**
 * A database with exactly this schema, in place of those of other ones; made under another name first, since a
 * killed test may stop half-way.
 */
async function ensureTemplate(admin: Admin, lock: Connection): Promise<string> {
  schema ??= readSchema();
  const { migrations, functions } = await schema;
  const template = `template_${sha256Hex([...migrations.map(({ digest }) => digest), functions].join()).slice(0, 16)}`;
  const { rows } = await lock.query<{ datname: string }>(
    "select datname from pg_database where datname like 'template\\_%' or datname = 'half_made'",
  );
  if (rows.some(({ datname }) => datname === template)) return template;
  for (const { datname } of rows) await admin.pool.query(`drop database ${datname} with (force)`);
  await admin.pool.query("create database half_made");
  const target = admin.targetOf("half_made");
  const pool = makePool({
    ...target,
    maxConnections: 1,
    applicationName: "stepgate test",
    limits: LIMITS,
    log: silentLog,
  });
  try {
    await migrate({ pool, schema: { migrations, functions } });
  } finally {
    await pool.close();
  }
  await admin.pool.query(`alter database half_made rename to ${template}`);
  return template;
}

/** What killed test runs left behind. */
async function dropOldDatabases(pool: Pool, lock: Connection): Promise<void> {
  const { rows } = await lock.query<{ datname: string }>(
    `select datname from pg_database
      where datname ~ '^test_[0-9]+_' and split_part(datname, '_', 2)::bigint < extract(epoch from now()) - $1`,
    [OLD_SEC],
  );
  for (const { datname } of rows) await pool.query(`drop database if exists ${datname} with (force)`);
}
