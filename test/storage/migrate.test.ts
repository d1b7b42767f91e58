import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import { type Migration, migrate, readSchema, type Schema } from "../../src/storage/migrate.ts";
import type { Connection } from "../../src/storage/pool.ts";
import { forEachDatabase } from "./test-database.ts";

const EMPTY = { isMigrated: false } as const;
const ONE = migration(1, "create table stepgate.one (id int)");
const TWO = migration(2, "create table stepgate.two (id int); insert into stepgate.two select 1 from pg_sleep(0.1)");
const THREE = migration(3, "insert into stepgate.two values (3)");

function migration(number: number, sql: string): Migration {
  return { number, name: `step_${number}`, sql, digest: sha256Hex(sql) };
}

function schemaOf(migrations: readonly Migration[], answer = 1): Schema {
  return {
    migrations,
    functions: `create or replace function stepgate.answer() returns int language sql as 'select ${answer}'`,
  };
}

async function answerOf(pool: Connection): Promise<number | undefined> {
  return (await pool.query<{ answer: number }>("select stepgate.answer()")).rows[0]?.answer;
}

t.test("the product's migrations apply to an empty database, once", async (t) => {
  const schema = await readSchema();
  const { migrations } = schema;
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      const progress: unknown[] = [];
      t.equal(await migrate({ pool, schema, onProgress: (each) => progress.push(each) }), migrations.length);
      t.same(
        progress,
        migrations.map(({ number, name }) => ({ number, name, total: migrations.length })),
      );
      t.equal(await migrate({ pool, schema }), 0, "a second time nothing is left to do");
      const { rows } = await pool.query("select number, name, digest from stepgate.migrations order by number");
      t.same(
        rows,
        migrations.map(({ number, name, digest }) => ({ number, name, digest })),
      );
    },
    EMPTY,
  );
});

t.test("any number of processes may migrate at once: each migration is applied exactly once", async (t) => {
  await forEachDatabase(
    t,
    async (t, { openPool }) => {
      const pools = [1, 2, 3, 4].map(() => openPool({ limits: { lockMs: 10, statementMs: 20 } }));
      const counts = await Promise.all(pools.map((pool) => migrate({ pool, schema: schemaOf([ONE, TWO, THREE]) })));
      t.equal(
        counts.reduce((sum, count) => sum + count, 0),
        3,
        `applied ${counts}`,
      );
      const { rows } = await (pools[0] ?? openPool()).query("select id from stepgate.two order by id");
      t.same(rows, [{ id: 1 }, { id: 3 }]);
    },
    EMPTY,
  );
});

t.test("a process that starts while another one migrates waits for it, longer than its locks may wait", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool, openPool }) => {
      await migrate({ pool, schema: schemaOf([ONE]) });
      const late = openPool({ limits: { lockMs: 10, statementMs: 20 } });
      const started = await pool.transaction(async (connection) => {
        await connection.query("lock table stepgate.migrations in access exclusive mode");
        const migrating = migrate({ pool: late, schema: schemaOf([ONE]) });
        await connection.query("select pg_sleep(0.2)");
        return { migrating };
      });
      t.equal(await started.migrating, 0);
    },
    EMPTY,
  );
});

t.test("a later version adds only what is missing", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      t.equal(await migrate({ pool, schema: schemaOf([ONE]) }), 1);
      t.equal(await answerOf(pool), 1);
      t.equal(await migrate({ pool, schema: schemaOf([ONE, TWO, THREE], 2) }), 2);
      t.equal(await answerOf(pool), 2, "and its functions take the place of the earlier ones");
    },
    EMPTY,
  );
});

t.test("a schema that is not ours is refused and left as it is", async (t) => {
  const changed = migration(2, "create table stepgate.another (id int)");
  const failing = migration(2, "create table stepgate.half (id int); select 1 / 0");
  const refusals = [
    { why: "made by a newer version", migrations: [ONE], code: "SCHEMA_NEWER", detail: { applied: 2, known: 1 } },
    {
      why: "an applied file was changed",
      migrations: [ONE, changed, THREE],
      code: "SCHEMA_CORRUPT",
      detail: { number: 2 },
    },
    { why: "a migration that fails", migrations: [ONE, TWO, { ...failing, number: 3 }], code: "STORE_REFUSED" },
  ] as const;
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      await migrate({ pool, schema: schemaOf([ONE, TWO]) });
      const tables = async (): Promise<unknown> =>
        (await pool.query("select relname from pg_class where relnamespace = 'stepgate'::regnamespace order by 1"))
          .rows;
      const before = await tables();
      for (const { why, migrations, ...error } of refusals) {
        await t.rejects(migrate({ pool, schema: schemaOf(migrations) }), error, why);
        t.same(await tables(), before, `${why}: nothing is changed`);
      }
      const functionsOnly = migrate({ pool, schema: schemaOf([ONE, TWO], 2) });
      await t.rejects(functionsOnly, { code: "SCHEMA_CORRUPT" }, "functions changed without a number of their own");
      t.equal(await answerOf(pool), 1);
      await pool.query("delete from stepgate.migrations where number = 1");
      await t.rejects(
        migrate({ pool, schema: schemaOf([ONE, TWO]) }),
        { code: "SCHEMA_CORRUPT" },
        "a gap in the record",
      );
    },
    EMPTY,
  );
});

t.test("files are numbered without a gap and named plainly", async (t) => {
  const cases = [
    { why: "the control", files: ["0001_one.sql", "0002_two.sql", "notes.md"], count: 2 },
    { why: "a gap", files: ["0001_one.sql", "0003_three.sql"] },
    { why: "a number twice", files: ["0001_one.sql", "0001_two.sql"] },
    { why: "a strange name", files: ["0001-One.sql"] },
    { why: "no number", files: ["one.sql"] },
  ];
  for (const { why, files, count } of cases) {
    const folder = await mkdtemp(join(tmpdir(), "stepgate-migrations-"));
    t.teardown(() => rm(folder, { recursive: true }));
    for (const name of ["migrations", "functions"]) await mkdir(join(folder, name));
    for (const file of files) await writeFile(join(folder, "migrations", file), "select 1");
    if (count === undefined) await t.rejects(readSchema(folder), { code: "SCHEMA_CORRUPT" }, why);
    else t.equal((await readSchema(folder)).migrations.length, count, why);
  }
});

t.test("a function has one text in force: numbered files after 0008 define none", async (t) => {
  const { migrations } = await readSchema();
  const late = migrations.filter(({ number, sql }) => number > 8 && /^create (or replace )?function/m.test(sql));
  t.same(late, []);
});
