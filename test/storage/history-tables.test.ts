/** Tables of history keep what they had before they were partitioned, and each partition has what the first one has. */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { makeMaintain } from "../../src/scheduler/retention.ts";
import { migrate, readSchema } from "../../src/storage/migrate.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import { setUpRoles } from "../../src/storage/set-up-roles.ts";
import { forEachDatabase } from "./test-database.ts";

const TABLES = [
  "artifacts",
  "blobs",
  "cost_ledger",
  "evaluations",
  "record_batches",
  "records",
  "run_events",
  "step_attempts",
];

/** Everything that the catalogue says of one table but its rights, one line a fact. */
const FACTS = `
  with relation as (select c.* from pg_class c where c.oid = ('stepgate.' || $1)::regclass)
  select 'column ' || concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
           pg_get_expr(d.adbin, d.adrelid), a.attstorage, nullif(a.attcompression, '')) as fact
    from relation c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  -- some servers list what is not null again
  union all select 'constraint ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
    from relation c join pg_constraint k on k.conrelid = c.oid and k.contype not in ('n', 't')
  union all select 'index ' || i.indexrelid::regclass || ' ' || replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
    from relation c join pg_index i on i.indrelid = c.oid where i.indisvalid
  union all select concat_ws(' ', 'trigger', g.tgenabled, pg_get_triggerdef(g.oid))
    from relation c join pg_trigger g on g.tgrelid = c.oid and not g.tgisinternal
  union all select 'option ' || o from relation c, unnest(c.reloptions) o
  union all select concat_ws(' ', 'identity', c.relreplident, c.relpersistence, c.relowner::regrole) from relation c`;

/** Its rights, and which index of the whole table each of its own belongs to. */
const RIGHTS = `
  with relation as (select c.* from pg_class c where c.oid = ('stepgate.' || $1)::regclass)
  select 'security ' || c.relrowsecurity || ' ' || c.relforcerowsecurity as fact from relation c
  union all select 'policy ' || concat_ws(' ', p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from relation c join pg_policy p on p.polrelid = c.oid
  union all select 'right ' || d.kind || ' ' || r.name
    from relation c, stepgate.database_roles d,
         unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as r (name)
   where has_table_privilege(d.name, c.oid, r.name)
  union all select 'index of ' || coalesce(h.inhparent::regclass::text, 'itself')
    from relation c join pg_index i on i.indrelid = c.oid left join pg_inherits h on h.inhrelid = i.indexrelid`;

const factsOf = async (pool: Pool, relation: string, text = FACTS): Promise<readonly string[]> =>
  (await pool.query<{ fact: string }>(text, [relation])).rows
    .map(({ fact }) => fact.replaceAll("stepgate.", ""))
    .sort();

/** A column's fact without how it is compressed, which is the server's to have or not. */
const uncompressed = (fact: string): string => fact.replace(/^(column .*) l$/, "$1");
const compressedOf = async (pool: Pool, table: string): Promise<number> =>
  (await factsOf(pool, table)).filter((fact) => fact !== uncompressed(fact)).length;

/** Of a partition, without its own name and those that its indexes were given. */
const partitionFacts = async (pool: Pool, table: string, name: string): Promise<readonly string[]> =>
  [...(await factsOf(pool, `${table}_${name}`)), ...(await factsOf(pool, `${table}_${name}`, RIGHTS))]
    .map((fact) => fact.replaceAll(`${table}_${name}`, table))
    .map((fact) => fact.replace(/^index \S+ (CREATE.* INDEX) \S+ /, "index $1 "))
    .map((fact) => fact.replace(/^(constraint) \S+ (PRIMARY KEY)/, "$1 $2"))
    .sort();

/** What changed for good: a key must hold what places its rows, no row is without it, and what is read as a whole is text. */
const CHANGED: Readonly<Record<string, readonly string[]>> = {
  artifacts: [
    // kept as the text it came as, as are bodies and data below
    "- column metadata jsonb not null x",
    "- column run_uid uuid p",
    "- constraint artifacts_pkey PRIMARY KEY (tenant_uid, artifact_id)",
    "- index artifacts_pkey CREATE UNIQUE INDEX artifacts_pkey ON artifacts USING btree (tenant_uid, artifact_id)",
    "- index artifacts_run_idx CREATE INDEX artifacts_run_idx ON artifacts USING btree (tenant_uid, run_uid) WHERE (run_uid IS NOT NULL)",
    "+ column metadata json not null x",
    "+ column run_uid uuid not null p",
    "+ constraint artifacts_pkey PRIMARY KEY (tenant_uid, artifact_id, run_uid)",
    "+ index artifacts_pkey CREATE UNIQUE INDEX artifacts_pkey ON artifacts USING btree (tenant_uid, artifact_id, run_uid)",
    "+ index artifacts_run_idx CREATE INDEX artifacts_run_idx ON artifacts USING btree (tenant_uid, run_uid)",
  ],
  evaluations: ["- column body jsonb not null x", "+ column body json not null x"],
  records: [
    "- constraint records_pkey PRIMARY KEY (tenant_uid, record_id)",
    "- index records_pkey CREATE UNIQUE INDEX records_pkey ON records USING btree (tenant_uid, record_id)",
    // decisions outside a run are found by age too
    "- index records_run_idx CREATE INDEX records_run_idx ON records USING btree (tenant_uid, run_uid, created_at) WHERE (run_uid IS NOT NULL)",
    "- index records_seal_key CREATE UNIQUE INDEX records_seal_key ON records USING btree (tenant_uid, run_uid) WHERE (kind = 'seal'::text)",
    "+ column window_uid uuid not null p",
    "+ constraint records_pkey PRIMARY KEY (tenant_uid, record_id, window_uid)",
    "+ constraint records_window_check CHECK ((window_uid = run_uid))",
    "+ index records_pkey CREATE UNIQUE INDEX records_pkey ON records USING btree (tenant_uid, record_id, window_uid)",
    "+ index records_run_idx CREATE INDEX records_run_idx ON records USING btree (tenant_uid, run_uid, created_at)",
    "+ index records_seal_key CREATE UNIQUE INDEX records_seal_key ON records USING btree (tenant_uid, run_uid, window_uid) WHERE (kind = 'seal'::text)",
  ],
  run_events: ["- column data jsonb not null x", "+ column data json not null x"],
  step_attempts: [
    // as no other table of history has one: the check of each row cost more than it found
    "- constraint step_attempts_run_fkey FOREIGN KEY (tenant_uid, run_uid) REFERENCES runs(tenant_uid, run_uid) ON DELETE CASCADE",
  ],
};

/** Indexes of the partition `_rest` alone. */
const OF_REST = ["artifacts_rest_batch_idx", "records_rest_batch_idx"];

t.test(
  "tables of history keep every column, key, check, index and trigger that they had, and windows made later have them too, with row security and rights",
  async (t) => {
    await forEachDatabase(
      t,
      async (t, { pool }) => {
        const schema = await readSchema();
        const count = schema.migrations.findIndex(({ name }) => name === "history_windows");
        await migrate({ pool, schema: { migrations: schema.migrations.slice(0, count), functions: "" } });
        const before = new Map<string, readonly string[]>();
        const compressed = new Map<string, number>();
        for (const table of TABLES) {
          before.set(table, await factsOf(pool, table));
          compressed.set(table, await compressedOf(pool, table));
        }
        await migrate({ pool, schema });
        for (const table of TABLES) {
          const [then = [], now] = [
            before.get(table)?.map(uncompressed),
            (await factsOf(pool, table)).map(uncompressed),
          ];
          t.equal(await compressedOf(pool, table), compressed.get(table), `${table}: compressed as before`);
          t.same(
            [
              ...then.filter((fact) => !now.includes(fact)).map((fact) => `- ${fact}`),
              ...now.filter((fact) => !then.includes(fact)).map((fact) => `+ ${fact}`),
            ],
            CHANGED[table] ?? [],
            table,
          );
        }
        const ofRest = await Promise.all(["artifacts", "records"].map((table) => factsOf(pool, `${table}_rest`)));
        for (const name of OF_REST)
          t.ok(
            ofRest.flat().some((fact) => fact.startsWith(`index ${name} `)),
            name,
          );

        await setUpRoles(pool);
        const maintain = makeMaintain({
          store: makeHistoryStore(pool),
          windowDays: 7,
          maxMoved: 0,
          isDropping: false,
          isStopping: () => false,
          clock: systemClock,
          pause: (ms) => sleep(ms),
          onProgress: () => undefined,
        });
        await maintain(Date.now() + 8 * 86_400_000);
        const { rows } = await pool.query<{ name: string }>(
          "select name from stepgate.history_windows order by first_uid",
        );
        const [first = "", ...later] = rows.map(({ name }) => name);
        t.same(first, "first");
        t.ok(later.length > 0, `made later: ${later.join(", ")}`);
        for (const table of TABLES) {
          const facts = await partitionFacts(pool, table, first);
          t.ok(
            facts.some((fact) => fact.startsWith("index of ")),
            `${table}: ${facts.length} facts`,
          );
          for (const name of later) t.same(await partitionFacts(pool, table, name), facts, `${table}_${name}`);
          t.same(
            (await partitionFacts(pool, table, "rest")).filter(
              (fact) => !/CREATE INDEX .*\(batch_id\)$|of itself$/.test(fact),
            ),
            facts,
            `${table}_rest, but for what it has alone`,
          );
        }
      },
      { isMigrated: false },
    );
  },
);
