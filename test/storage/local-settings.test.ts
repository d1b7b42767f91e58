import pg from "pg";
import t, { type Test } from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import { prepareLocal, queryWith } from "../../src/storage/local-settings.ts";
import { setUpRoles } from "../../src/storage/set-up-roles.ts";
import { openTestDatabase, type TestDatabase } from "./test-database.ts";

const TENANT = "0199aaaa-0000-7000-8000-000000000001" as TenantUid;
const OTHER = "0199aaaa-0000-7000-8000-000000000002" as TenantUid;
const WHO = "select current_user::text as who, current_setting('stepgate.tenant_uid', true) as tenant";

async function connect(t: Test, { target }: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client("url" in target ? target.url : target.connection);
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

t.test("a statement runs under its settings, in one round trip, and leaves none of them behind", async (t) => {
  const database = await openTestDatabase(t);
  const { gateway } = await setUpRoles(database.pool);
  const client = await connect(t, database);
  await prepareLocal(client);
  const who = async (...given: readonly [Parameters<typeof queryWith>[1]?]) => {
    const [local] = given;
    const result = await (local === undefined ? client.query(WHO) : queryWith(client, local, { text: WHO }));
    return (Array.isArray(result) ? result.at(-1) : result).rows[0];
  };
  const me = (await who()).who;
  t.same(await who({ tenantUid: TENANT }), { who: me, tenant: TENANT });
  t.same(await who(), { who: me, tenant: "" }, "the next one on the same connection has none");
  t.same(await who({ role: gateway, tenantUid: TENANT }), { who: gateway, tenant: TENANT }, "behind a pooler");
  t.same(await who({ role: gateway }), { who: gateway, tenant: "" }, "a role without a tenant");
  t.same(await who(), { who: me, tenant: "" });
  await t.rejects(queryWith(client, { tenantUid: TENANT }, { text: "select 1 / 0" }), { code: "22012" });
  await t.rejects(queryWith(client, { role: "nobody at all" }, { text: "select 1" }), { code: "22023" });
  t.same(await who(), { who: me, tenant: "" }, "also after a failure");
  const named = { name: "one", text: "select $1::int as n", values: [1] };
  for (const n of [1, 2]) {
    const result = await queryWith(client, { tenantUid: TENANT }, { ...named, values: [n] });
    t.same((result as unknown as readonly pg.QueryResult[]).at(-1)?.rows, [{ n }], "a prepared statement");
  }
});

t.test(
  "a fenced pool keeps each statement and each transaction to its tenant, with and without a pooler",
  async (t) => {
    const database = await openTestDatabase(t);
    const { gateway } = await setUpRoles(database.pool);
    for (const isBehindPooler of [false, true]) {
      const pool = database.openPool({ role: gateway, isFenced: true, isBehindPooler, maxConnections: 1 });
      const one = async (connection: Pick<typeof pool, "query">) => (await connection.query(WHO)).rows[0];
      t.same(await one(pool.within(TENANT)), { who: gateway, tenant: TENANT });
      t.match(await one(pool), { who: gateway, tenant: /^$/ }, "nothing without a tenant");
      await pool.within(OTHER).transaction(async (connection) => {
        t.same(await one(connection), { who: gateway, tenant: OTHER });
        t.same(await one(connection), { who: gateway, tenant: OTHER }, "all through a transaction");
      });
      await t.rejects(
        pool.within(OTHER).transaction(async (connection) => connection.query("select 1 / 0")),
        { code: "STORE_REFUSED" },
      );
      await t.rejects(pool.within(OTHER).query("select $1::int / 0", [1]), { code: "STORE_REFUSED" });
      t.match(await one(pool), { who: gateway, tenant: /^$/ }, "nor after one that failed");
    }
    const unfenced = database.openPool({ maxConnections: 1 });
    t.equal(unfenced.within(TENANT).query, unfenced.query, "a pool that sees every row sends nothing more");
  },
);
