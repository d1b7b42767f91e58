import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import type { EmbeddedServer } from "../../src/storage/embedded/embedded-server.ts";
import { isInDoubt } from "../../src/storage/errors.ts";
import { makePool, type Pool } from "../../src/storage/pool.ts";
import { makeTestHome } from "./embedded/home.ts";
import { silentLog } from "./test-database.ts";

t.test(
  "the pool survives a killed server: acknowledged rows are there, an open commit says that it is in doubt",
  async (t) => {
    const { start } = await makeTestHome(t);
    const server = await start();
    const pool = openPool(t, server);
    await pool.query("create table public.rows (id int primary key)");
    // some connections are idle when the server dies
    await Promise.all([1, 2, 3, 4].map(() => pool.query("select pg_sleep(0.01)")));
    for (let round = 0; round < 3; round += 1) {
      await killWhileWriting(t, server, pool, round);
    }
  },
);

async function killWhileWriting(t: Test, server: EmbeddedServer, pool: Pool, round: number): Promise<void> {
  const acknowledged: number[] = [];
  const doubtful: number[] = [];
  const refused: number[] = [];
  const write = async (id: number): Promise<void> => {
    try {
      await pool.transaction((connection) => connection.query("insert into public.rows values ($1)", [id]));
      acknowledged.push(id);
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_UNAVAILABLE")) throw caught;
      (isInDoubt(caught) ? doubtful : refused).push(id);
    }
  };
  const writers = [1, 2, 3].map(async (writer) => {
    for (let n = 0; refused.length + doubtful.length === 0; n += 1)
      await write(round * 1_000_000 + writer * 100_000 + n);
  });
  while (acknowledged.length < 50) await pool.query("select 1");
  process.kill(await postmasterPid(server), "SIGKILL");
  await Promise.all(writers);

  const { rows } = await untilItAnswers(() => pool.query<{ id: number }>("select id from public.rows"));
  const present = new Set(rows.map(({ id }) => id));
  t.ok(
    acknowledged.every((id) => present.has(id)),
    `round ${round}: all ${acknowledged.length} acknowledged rows are there`,
  );
  t.notOk(
    refused.some((id) => present.has(id)),
    `round ${round}: what was refused for certain is not there`,
  );
  t.ok(refused.length + doubtful.length > 0, `round ${round}: ${doubtful.length} in doubt, ${refused.length} refused`);
}

t.test("connections that an administrator ends are replaced", async (t) => {
  const { start } = await makeTestHome(t);
  const pool = openPool(t, await start());
  const ended = pool.transaction(async (connection) => {
    const { rows } = await connection.query<{ pid: number }>("select pg_backend_pid() as pid");
    await pool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    await connection.query("select 1");
  });
  await t.rejects(ended, { code: "STORE_UNAVAILABLE" });
  t.equal((await pool.query("select 1")).rowCount, 1);
});

function openPool(t: Test, server: EmbeddedServer): Pool {
  const pool = makePool({ connection: server.connection, maxConnections: 8, applicationName: "test", log: silentLog });
  t.teardown(() => pool.close());
  return pool;
}

async function postmasterPid(server: EmbeddedServer): Promise<number> {
  return Number((await readFile(join(server.dataDirectory, "postmaster.pid"), "utf8")).split("\n")[0]);
}

async function untilItAnswers<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask();
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_UNAVAILABLE") || tries === 5000) throw caught;
    }
  }
}
