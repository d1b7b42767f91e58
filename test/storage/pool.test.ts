import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import { isInDoubt } from "../../src/storage/errors.ts";
import { makePool } from "../../src/storage/pool.ts";
import { forEachDatabase, silentLog } from "./test-database.ts";

const EMPTY = { isMigrated: false } as const;

t.test("values go in and come out as the product means them", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      const bytes = Buffer.from([0, 1, 255]);
      const { rows } = await pool.query(
        `select $1::int8 as big, $2::int8[] as bigs, $3::jsonb as value, array[$8::json] as "values", $4::bytea as bytes,
                $5::text as missing, $6::text[] as texts, $7::timestamptz as time, $9::bytea[] as chunks, count(*) as count`,
        [
          "9007199254740991",
          [1, -2, null],
          '{"b":1,"a":2.50}',
          bytes,
          undefined,
          ['a"b', "c,d"],
          "2026-01-02T03:04:05Z",
          '{"b":1,"a":2.50}',
          [bytes, Buffer.alloc(0)],
        ],
      );
      t.same(rows, [
        {
          big: 9007199254740991,
          bigs: [1, -2, null],
          value: '{"a": 2.50, "b": 1}',
          values: ['{"b":1,"a":2.50}'],
          bytes,
          missing: null,
          texts: ['a"b', "c,d"],
          time: new Date("2026-01-02T03:04:05Z"),
          chunks: [bytes, Buffer.alloc(0)],
          count: 1,
        },
      ]);
      t.same((await pool.query("select 1 as n; select 2 as n")).rows, [{ n: 2 }], "of several statements, the last");
      for (const query of ["select 9007199254740992::int8 as n", "select array[-9007199254740992::int8] as n"]) {
        await t.rejects(pool.query(query), { code: "STORE_REFUSED" }, query);
      }
      t.equal((await pool.query("select 1")).rowCount, 1, "the connection serves on");
    },
    EMPTY,
  );
});

t.test("every session has our limits and reads names and times our way, whatever the database says", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool, openPool }) => {
      await pool.query(`do $$ begin
        execute format('alter database %I set statement_timeout = 0', current_database());
        execute format('alter database %I set search_path = public', current_database());
        execute format('alter database %I set datestyle = german', current_database());
        execute format('alter database %I set default_transaction_isolation = serializable', current_database());
      end $$`);
      const names = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "application_name",
        "search_path",
        "TimeZone",
        "DateStyle",
        "default_transaction_isolation",
      ];
      const { rows } = await openPool({ limits: { lockMs: 1234 } }).query<{ value: string }>(
        "select current_setting(name) as value from unnest($1::text[]) with ordinality as n (name, i) order by i",
        [names],
      );
      t.same(
        rows.map(({ value }) => value),
        ["30s", "1234ms", "15s", "stepgate test", "pg_catalog, stepgate, pg_temp", "UTC", "ISO, YMD", "read committed"],
      );
    },
    EMPTY,
  );
});

t.test("a pool with a role never runs a statement as anyone else", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool, openPool }) => {
      const role = `test_role_${process.pid}`;
      await pool.query(`create role ${role} nologin`);
      const limited = openPool({ role });
      t.same((await limited.query("select current_user as who")).rows, [{ who: role }]);
      await t.rejects(limited.query("select rolpassword from pg_authid"), {
        code: "STORE_REFUSED",
        detail: { sqlState: "42501" },
      });
      await limited.close();
      await pool.query(`drop role ${role}`);
      await t.rejects(openPool({ role }).query("select 1"), { code: "STORE_REFUSED" }, "a role that is not there");
    },
    EMPTY,
  );
});

t.test("a statement with values is prepared once per session, unless a pooler stands between", async (t) => {
  await forEachDatabase(
    t,
    async (t, { openPool }) => {
      const count = async (isBehindPooler: boolean): Promise<unknown> => {
        const pool = openPool({ maxConnections: 1, isBehindPooler });
        for (const value of [1, 2, 3]) await pool.query("select $1::int as value", [value]);
        return (await pool.query("select count(*) as n from pg_prepared_statements where statement like '%as value%'"))
          .rows[0];
      };
      t.same([await count(false), await count(true)], [{ n: 1 }, { n: 0 }]);
    },
    EMPTY,
  );
});

t.test("of a pool that plans once, a statement has one plan for all values, from its first call on", async (t) => {
  await forEachDatabase(
    t,
    async (t, { openPool }) => {
      const plans = async (isPlannedOnce: boolean): Promise<unknown> => {
        const pool = openPool({ maxConnections: 1, isPlannedOnce });
        for (const value of [1, 2, 3]) await pool.query("select $1::int as planned", [value]);
        const { rows } = await pool.query(
          "select generic_plans, custom_plans from pg_prepared_statements where statement like '%as planned%'",
        );
        return rows[0];
      };
      t.same(
        [await plans(true), await plans(false)],
        [
          { generic_plans: 3, custom_plans: 0 },
          { generic_plans: 0, custom_plans: 3 },
        ],
      );
    },
    EMPTY,
  );
});

t.test("what has a lane runs in sessions of its own, and of few sessions none are set apart", async (t) => {
  await forEachDatabase(
    t,
    async (t, { target }) => {
      const lanes = { claim: 1, admit: 1, settle: 1 };
      const backends = async (maxConnections: number): Promise<readonly unknown[]> => {
        const pool = makePool({ ...target, maxConnections, lanes, applicationName: "test", log: silentLog });
        t.teardown(() => pool.close());
        const asked = [pool, pool.lane("claim"), pool.lane("admit"), pool.lane("settle"), pool.lane("claim"), pool];
        const pids: unknown[] = [];
        for (const sessions of asked) pids.push((await sessions.query("select pg_backend_pid() as pid")).rows[0]);
        return pids.map((pid) => pids.findIndex((first) => JSON.stringify(first) === JSON.stringify(pid)));
      };
      t.same(await backends(6), [0, 1, 2, 3, 1, 0]);
      t.same(await backends(5), [0, 0, 0, 0, 0, 0]);
    },
    EMPTY,
  );
});

t.test("a transaction is made whole or not at all", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      await pool.query(
        "create table public.notes (id int primary key, other int references public.notes deferrable initially deferred)",
      );
      const ids = async (): Promise<unknown> => (await pool.query("select id from public.notes order by id")).rows;
      const insert = "insert into public.notes values ($1, $2)";
      await pool.transaction(async (connection) => {
        await connection.query(insert, [1, null]);
        await connection.query(insert, [2, 1]);
      });
      t.same(await ids(), [{ id: 1 }, { id: 2 }], "the control: it commits");

      const refusals = [
        { why: "its work throws", second: () => Promise.reject(new RangeError("mine")), error: { message: "mine" } },
        {
          why: "a statement fails",
          values: [1, null],
          error: { code: "STORE_REFUSED", detail: { sqlState: "23505", constraint: "notes_pkey" } },
        },
        { why: "its commit fails", values: [4, 99], error: { code: "STORE_REFUSED", detail: { sqlState: "23503" } } },
      ] as const;
      for (const refusal of refusals) {
        const work = pool.transaction(async (connection) => {
          await connection.query(insert, [3, null]);
          if ("second" in refusal) return await refusal.second();
          return await connection.query(insert, refusal.values);
        });
        await t.rejects(work, refusal.error, refusal.why);
        t.notOk(isInDoubt(await work.catch((caught: unknown) => caught)), `${refusal.why}: not in doubt`);
        t.same(await ids(), [{ id: 1 }, { id: 2 }], `${refusal.why}: nothing is written`);
      }
      const swallowed = pool.transaction(async (connection) => {
        await connection.query(insert, [3, null]);
        await connection.query(insert, [1, null]).catch(() => undefined);
      });
      await t.rejects(swallowed, { code: "STORE_REFUSED" }, "a failure that was swallowed does not pass for a commit");
      t.same(await ids(), [{ id: 1 }, { id: 2 }]);

      const kept = await pool.transaction(async (connection) => connection);
      await t.rejects(kept.query("select 1"), { code: "INTERNAL" }, "its connection ends with it");
    },
    EMPTY,
  );
});

t.test("no wait is without end", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool, openPool }) => {
      await pool.query("create table public.rows (id int primary key); insert into public.rows values (1)");
      const hasty = openPool({
        maxConnections: 1,
        limits: { statementMs: 150, lockMs: 50, idleInTransactionMs: 50, connectMs: 100 },
      });
      await pool.transaction(async (holder) => {
        await holder.query("select 1 from public.rows for update");
        await t.rejects(hasty.query("select 1 from public.rows for update"), {
          code: "STORE_BUSY",
          detail: { sqlState: "55P03" },
        });
      });
      await t.rejects(hasty.query("select pg_sleep(60)"), { code: "STORE_BUSY", detail: { sqlState: "57014" } });
      const idle = hasty.transaction(async (connection) => {
        await pool.query("select pg_sleep(0.2)");
        await connection.query("select 1");
      });
      await t.rejects(idle, { code: "STORE_UNAVAILABLE" }, "a transaction that does nothing is ended");
      const crowded = hasty.transaction(async () =>
        t.rejects(hasty.query("select 1"), { code: "STORE_UNAVAILABLE" }, "no connection is free"),
      );
      await crowded.catch((caught: unknown) => t.ok(isStepgateError(caught, "STORE_UNAVAILABLE")));
      t.equal((await hasty.query("select 1")).rowCount, 1, "the pool serves on");
    },
    EMPTY,
  );
});

t.test("a database that is not there, and a URL that is none, are told without its password", async (t) => {
  const options = { maxConnections: 1, applicationName: "test", log: silentLog };
  const absent = makePool({ ...options, url: "postgres://user:s3cret@localhost/db?host=/nonexistent" });
  const refused = await absent.query("select 1").catch((caught: unknown) => caught);
  t.match(refused, { code: "STORE_UNAVAILABLE", detail: { system: "ENOENT" } });
  await absent.close();
  try {
    makePool({ ...options, url: "postgres://user:s3cret@host:port/db" });
    t.fail("it was taken");
  } catch (caught) {
    t.match(caught, { code: "CONFIG_INVALID", cause: undefined });
    t.notMatch(JSON.stringify(caught), /s3cret/);
  }
});
