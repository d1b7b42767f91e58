/**
 * Row security as a fence of its own (spec 10): whatever a statement says, the gateway's role sees rows of one tenant.
 *
 * Statements here are raw on purpose: those of the product name their tenant and would find nothing anyway.
 */
import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import type { TenantUid } from "../../src/core/ids.ts";
import { allow, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import { forEachDatabase, openTestDatabase, type TestDatabase } from "../storage/test-database.ts";

/** Tables whose rows belong to no tenant, each with its reason. */
const INSTANCE_TABLES: Readonly<Record<string, string>> = {
  database_roles: "names of roles",
  history_windows: "stretches of time",
  instance_check: "one row of the instance",
  migrations: "of the schema",
  record_batches: "digests of several tenants' records, found by ids from a tenant's own records",
  trust_bundles: "public",
  workers: "workers serve every tenant",
};

t.test("every table is a tenant's with both policies, or is listed with its reason", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    const { rows } = await pool.query<{
      name: string;
      parent: string | null;
      is_tenant: boolean;
      is_forced: boolean;
      policies: string;
    }>(`
      select c.relname as name, (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid) as parent, a.attname is not null as is_tenant, c.relrowsecurity and c.relforcerowsecurity as is_forced,
             (select string_agg(format('%s %s', p.polname, p.polcmd), ', ' order by p.polname) from pg_policy p
               where p.polrelid = c.oid) as policies
        from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_uid'
       where c.relnamespace = 'stepgate'::regnamespace and c.relkind in ('r', 'p', 'f', 'm') order by 1`);
    t.ok(rows.length > 30, `${rows.length} tables`);
    for (const { name, parent, is_tenant: isTenant, is_forced: isForced, policies } of rows) {
      if (Object.hasOwn(INSTANCE_TABLES, parent?.replace("stepgate.", "") ?? name))
        t.equal(isTenant, false, `${name} has no tenant`);
      else t.same([isTenant, isForced, policies], [true, true, "gateway *, worker *"], name);
    }
    const listed = await pool.query<{ relation: string }>("select relation from stepgate.table_grants() order by 1");
    t.same(
      listed.rows.map(({ relation }) => relation),
      rows.filter(({ parent }) => parent === null).map(({ name }) => name),
      "and says what each role may do with it (functions/roles.sql)",
    );
  });
});

t.test("nothing reads or acts for a role with more rights than its own", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    const { rows } = await pool.query(`
      select c.relname from pg_class c where c.relnamespace = 'stepgate'::regnamespace and c.relkind = 'v'
         and not coalesce(c.reloptions, '{}') @> array['security_invoker=true']
      union all select p.proname from pg_proc p where p.pronamespace = 'stepgate'::regnamespace and p.prosecdef`);
    t.same(rows, [], "no view of its owner's, no function of its definer's");
    const evidence = [
      "audit_log",
      "records",
      "record_batches",
      "run_events",
      "evaluations",
      "artifacts",
      "cost_ledger",
    ];
    const grants = await pool.query(
      `select relation from stepgate.table_grants() where relation = any ($1)
          and (gateway ~ '[ud]' or worker ~ 'u' or worker ~ 'd' and relation <> 'record_batches')`,
      [evidence],
    );
    t.same(grants.rows, [], "evidence is only ever added");
  });
});

/** States that a new row may have: the guards of states would refuse a copy before row security does. */
const NEW_ROW: Readonly<Record<string, string>> = {
  run_heads: '{"status": "pending", "paused_from": null, "paused_step": null, "paused_at": null}',
  steps: '{"status": "queued", "ended_at": null}',
};

/** A second tenant with a run, a quota and a key of its own. */
async function addTenant(rig: Rig, tenantId: string): Promise<TenantUid> {
  const { tenants, ids } = rig.stepgate.rooms;
  const settings = { runtime_pack: "open", required_guardrails: [] };
  const quotas = [{ id: "q", unit: "tokens", window: "lifetime", limit: 1000 } as const];
  const put = { weight: 1, isPaused: false, settings, quotas, actor: "test" };
  await tenants.put({ ...put, tenantId, tenantUid: ids.uuid() as TenantUid });
  const found = await tenants.find(tenantId);
  if (found === undefined) throw new TypeError("no tenant");
  await tenants.putExecutorSettings({ tenantUid: found.tenantUid, type: "sink", settings: {}, actor: "test" });
  return found.tenantUid;
}

async function fill(database: TestDatabase, rig: Rig, tenantUid: TenantUid): Promise<void> {
  const { rooms } = rig.stepgate;
  const { rows } = await database.pool.query<{ key_id: string }>("select key_id from stepgate.api_keys limit 1");
  const caller = { keyId: rows[0]?.key_id ?? "", owner: "admin", roles: ["submitter"] };
  const submission = rooms.readRunSubmission({
    steps: [
      { id: "a", type: "sink", inputs: {} },
      { id: "b", type: "sink", inputs: {} },
    ],
    edges: [["a", "b"]],
    budget: { tokens: 100 },
    debug: { breakpoints: [{ target: "step", value: "b" }] },
  });
  const input = { tenantUid, caller, submission, idempotencyKey: undefined, trace: undefined };
  const { runUid } = await rooms.submitRun(input);
  const endMs = performance.now() + 60_000;
  while ((await rooms.store.find(tenantUid, { runUid }))?.status !== "paused_at_step") {
    if (performance.now() > endMs) throw new TypeError("the run did not reach its breakpoint");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test(
  "with one tenant set, raw statements find and change no row of another; without one, no row at all",
  async (t) => {
    const database = await openTestDatabase(t);
    const sink = makeSink(() => done(null, { tokens: 1, usdMicros: 1 }));
    const rig = await startRig(t, { database, packs: { open: allow }, adapters: [sink.adapter] });
    const [mine, theirs] = [await addTenant(rig, "mine"), await addTenant(rig, "theirs")];
    for (const tenantUid of [mine, theirs]) await fill(database, rig, tenantUid);
    const roles = (await database.pool.query<{ kind: string; name: string }>("select * from stepgate.database_roles"))
      .rows;
    const role = roles.find(({ kind }) => kind === "gateway")?.name ?? "";
    const pool = database.openPool({ role, isFenced: true, maxConnections: 2 });
    const sqlStateOf = async (act: () => Promise<{ readonly rowCount: number }>): Promise<number | string> => {
      try {
        return (await act()).rowCount;
      } catch (caught) {
        if (!isStepgateError(caught, "STORE_REFUSED")) throw caught;
        return String(caught.detail["sqlState"]);
      }
    };
    const tables = await database.pool.query<{ name: string; is_partition: boolean; is_read: boolean }>(
      `select t.name, (select relispartition from pg_class where oid = t.relation) as is_partition,
              coalesce(g.gateway ~ 's', false) as is_read
         from stepgate.tenant_tables() t left join stepgate.table_grants() g on g.relation = t.name order by 1`,
    );
    const filled: string[] = [];
    for (const { name, is_partition: isPartition, is_read: isRead } of tables.rows) {
      if (isPartition) {
        const direct = await sqlStateOf(() => pool.within(mine).query(`select 1 from stepgate.${name}`));
        t.equal(direct, "42501", `${name}: reached through its table only`);
        continue;
      }
      const own = await database.pool.query(`select 1 from stepgate.${name} where tenant_uid = $1`, [mine]);
      const count = async (tenantUid: TenantUid | undefined): Promise<number | string> => {
        const scope = tenantUid === undefined ? pool : pool.within(tenantUid);
        return sqlStateOf(() => scope.query(`select 1 from stepgate.${name}`));
      };
      t.equal(await count(mine), isRead ? own.rowCount : "42501", `${name}: its own rows are all it sees`);
      t.equal(await count(undefined), isRead ? 0 : "42501", `${name}: nothing without a tenant`);
      if (own.rowCount === 0) continue;
      filled.push(name);
      const within = pool.within(mine);
      for (const change of [
        `update stepgate.${name} set tenant_uid = tenant_uid where tenant_uid = $1`,
        `delete from stepgate.${name} where tenant_uid = $1`,
        `update stepgate.${name} set tenant_uid = $1`,
        `insert into stepgate.${name} select (jsonb_populate_record(r, jsonb_build_object('tenant_uid', $1::text)
           || '${NEW_ROW[name] ?? "{}"}')).* from stepgate.${name} r limit 1`,
      ]) {
        const outcome = await sqlStateOf(() => within.query(change, [theirs]));
        t.ok(outcome === 0 || outcome === "42501", `${name}: ${outcome} to ${change.slice(0, 40)}`);
      }
    }
    t.ok(filled.length >= 18, `tables with rows: ${filled.join(" ")}`);
    t.equal(
      (await pool.within(mine).query(`update stepgate.runs set op_id = op_id`)).rowCount,
      1,
      "the control: its own",
    );
  },
);
