import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { checkFences } from "../../src/storage/check-fences.ts";
import { migrate, readSchema } from "../../src/storage/migrate.ts";
import { makePool, type Pool, type PoolOptions } from "../../src/storage/pool.ts";
import { type DatabaseRoles, setUpRoles } from "../../src/storage/set-up-roles.ts";
import { forEachDatabase, openTestDatabase, silentLog, type TestDatabase } from "./test-database.ts";

const EMPTY = { isMigrated: false } as const;

const prepare = async (pool: Pool): Promise<DatabaseRoles> => {
  await migrate({ pool, schema: await readSchema() });
  return setUpRoles(pool);
};

/** A database user; gone with the test, after its database. */
async function makeUser(t: Test, { pool, target }: TestDatabase, attributes: string, database = "") {
  const user = `test_user_${randomBytes(6).toString("hex")}`;
  await pool.query(`create role ${user} login password 'a-test' ${attributes}`);
  const open = (options: Partial<PoolOptions> = {}): Pool => {
    const made = makePool({
      ...("url" in target
        ? { url: Object.assign(new URL(target.url), { username: user, password: "a-test" }).href }
        : { connection: { ...target.connection, user, password: "a-test" } }),
      maxConnections: 2,
      applicationName: `stepgate test ${database}`,
      log: silentLog,
      ...options,
    });
    t.teardown(() => made.close());
    return made;
  };
  return { user, open };
}

t.test("each database names roles of its own, and a copy keeps those it was copied with", async (t) => {
  const [one, two] = [await openTestDatabase(t, EMPTY), await openTestDatabase(t, EMPTY)];
  const [first, second] = [await prepare(one.pool), await prepare(two.pool)];
  t.match(first, { gateway: /^stepgate_gateway_[0-9a-f]{12}$/, worker: /^stepgate_worker_[0-9a-f]{12}$/ });
  t.equal(new Set([...Object.values(first), ...Object.values(second)]).size, 4);
  const [copy, other] = [await openTestDatabase(t), await openTestDatabase(t)];
  t.same(await setUpRoles(copy.pool), await setUpRoles(other.pool));
  t.same(await setUpRoles(one.pool), first, "a second time nothing changes");
});

t.test(
  "an owner without superuser makes the roles, migrates and sees every row; the gateway's role does not",
  async (t) => {
    await forEachDatabase(
      t,
      async (t, database) => {
        const owner = await makeUser(t, database, "createrole");
        await database.pool.query(
          `do $$ begin execute format('alter database %I owner to ${owner.user}', current_database()); end $$`,
        );
        const pool = owner.open();
        const { gateway, worker } = await prepare(pool);
        await pool.query(
          "insert into stepgate.tenants (tenant_uid, tenant_id) values (gen_random_uuid(), 'one'), (gen_random_uuid(), 'two')",
        );
        t.equal((await pool.query("select 1 from stepgate.tenants")).rowCount, 2, "as a dump must");
        t.equal((await owner.open({ role: worker }).query("select 1 from stepgate.tenants")).rowCount, 2);
        const fenced = owner.open({ role: gateway, isFenced: true });
        t.equal((await fenced.query("select 1 from stepgate.tenants")).rowCount, 0);
        await checkFences(fenced);
        await t.rejects(checkFences(owner.open()), { code: "STORE_FENCE_OPEN" }, "the control: the owner could");
        await pool.close();
        await database.pool.query(`reassign owned by ${owner.user} to current_user; drop owned by ${owner.user}`);
      },
      EMPTY,
    );
  },
);

t.test("a user who may make no roles is told which, and starts once somebody made them", async (t) => {
  await forEachDatabase(
    t,
    async (t, database) => {
      const owner = await makeUser(t, database, "");
      await database.pool.query(
        `do $$ begin execute format('alter database %I owner to ${owner.user}', current_database()); end $$`,
      );
      const pool = owner.open();
      const refused = await prepare(pool).catch((caught: unknown) => caught);
      t.match(refused, {
        code: "STORE_ROLES_MISSING",
        detail: { user: owner.user, gatewayRole: /^stepgate_gateway_/ },
      });
      const { gatewayRole, workerRole } = (refused as { detail: Record<string, string> }).detail;
      await database.pool.query(
        `create role ${gatewayRole} nologin; create role ${workerRole} nologin; grant ${gatewayRole}, ${workerRole} to ${owner.user}`,
      );
      const roles = await prepare(pool);
      t.same(roles, { gateway: gatewayRole, worker: workerRole });
      await checkFences(owner.open({ role: roles.gateway, isFenced: true }));
      await database.pool.query(`reassign owned by ${owner.user} to current_user; drop owned by ${owner.user}`);
    },
    EMPTY,
  );
});

t.test(
  "roles that a restored database brings not with it are made again, with their grants and policies",
  async (t) => {
    const database = await openTestDatabase(t, EMPTY);
    const { gateway, worker } = await prepare(database.pool);
    await database.pool.query(`drop owned by ${gateway}, ${worker}; drop role ${gateway}, ${worker}`);
    t.same(await setUpRoles(database.pool), { gateway, worker });
    await checkFences(database.openPool({ role: gateway, isFenced: true }));
    t.equal((await database.openPool({ role: worker }).query("select 1 from stepgate.runs")).rowCount, 0);
  },
);

t.test("a user of the gateway's role alone can be nobody else", async (t) => {
  const database = await openTestDatabase(t);
  const { gateway, worker } = await setUpRoles(database.pool);
  const login = await makeUser(t, database, `in role ${gateway}`);
  const [pool, fenced] = [login.open(), login.open({ role: gateway, isFenced: true })];
  t.equal(await migrate({ pool, schema: await readSchema() }), 0, "it finds the schema in place");
  t.same(await setUpRoles(pool), { gateway, worker });
  await checkFences(fenced);
  await t.rejects(login.open({ role: worker }).query("select 1"), { code: "STORE_REFUSED" });
  await t.rejects(pool.query("alter table stepgate.runs disable row level security"), { code: "STORE_REFUSED" });
});
