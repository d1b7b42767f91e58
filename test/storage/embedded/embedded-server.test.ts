import { lstat, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { type EmbeddedServer, startEmbedded } from "../../../src/storage/embedded/embedded-server.ts";
import { readEmbeddedStatus } from "../../../src/storage/embedded/status.ts";
import { type DatabaseConnection, makePool, type Pool } from "../../../src/storage/pool.ts";
import { silentLog } from "../test-database.ts";
import { dataFolderOf, makeTestHome, namesWith } from "./home.ts";

function poolTo(t: Test, connection: DatabaseConnection): Pool {
  const pool = makePool({ connection, maxConnections: 2, applicationName: "test", log: silentLog });
  t.teardown(() => pool.close());
  return pool;
}

async function clusterId(t: Test, connection: DatabaseConnection): Promise<string> {
  const { rows } = await poolTo(t, connection).query<{ id: string }>(
    "select system_identifier::text as id from pg_control_system()",
  );
  return String(rows[0]?.id);
}

t.test("the first start makes a cluster that only we can enter, and that syncs", async (t) => {
  const { home, start } = await makeTestHome(t);
  t.same(await readEmbeddedStatus(home), { state: "absent" });
  const server = await start();
  t.equal(server.role, "owner");
  t.match(server.version, /^18\./);
  t.equal(server.connection.database, "stepgate");
  const { rows } = await poolTo(t, server.connection).query(
    `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages,
            current_setting('synchronous_commit') as commit, current_setting('data_checksums') as checksums,
            current_setting('listen_addresses') as addresses, current_setting('server_encoding') as encoding,
            (select string_agg(distinct auth_method, ',') from pg_hba_file_rules) as auth,
            (select datlocale from pg_database where datname = current_database()) as locale`,
  );
  t.same(rows, [
    {
      fsync: "on",
      pages: "on",
      commit: "on",
      checksums: "on",
      addresses: "",
      encoding: "UTF8",
      auth: "scram-sha-256",
      locale: "C.UTF-8",
    },
  ]);
  for (const path of [home, join(home, "pg"), server.dataDirectory, server.connection.host]) {
    t.equal((await lstat(path)).mode & 0o777, 0o700, path);
  }
  t.equal((await lstat(join(home, "pg", "password"))).mode & 0o777, 0o600);
  t.same(await namesWith(dirname(server.dataDirectory), ".new-"), [], "nothing temporary is left");
});

t.test(
  "as root the server runs as another user, which no executor slot uses, outside a home it cannot enter",
  async (t) => {
    const { home, start } = await makeTestHome(t);
    const server = await start();
    const { uid } = await lstat(server.dataDirectory);
    if (process.geteuid?.() !== 0) {
      t.equal(uid, process.geteuid?.());
      t.equal(server.dataDirectory, join(home, "pg", "data"));
      return;
    }
    t.not(uid, 0);
    t.notOk(uid >= 61000 && uid <= 61999);
    t.notOk(server.dataDirectory.startsWith(home));
    t.equal(server.dataDirectory, await dataFolderOf(home), "the home records the place");
    const root = await lstat(dirname(server.dataDirectory));
    t.same([root.uid, root.mode & 0o777], [0, 0o710], "its user can replace nothing there");
  },
);

t.test("later processes join through the socket, and the last one out stops the server", async (t) => {
  const { home, start } = await makeTestHome(t);
  const first = await start();
  const second = await start();
  t.same([first.role, second.role], ["owner", "member"]);
  t.match(await readEmbeddedStatus(home), { state: "running", users: 2 });
  await first.stop();
  t.match(await readEmbeddedStatus(home), { state: "running", users: 1 }, "the owner leaves, the server stays");
  t.equal((await poolTo(t, second.connection).query("select 1")).rowCount, 1);
  await second.stop();
  t.match(await readEmbeddedStatus(home), { state: "stopped" });
  t.equal((await start()).role, "owner");
});

t.test("two that leave at once stop the server, and one that comes meanwhile starts it again", async (t) => {
  const { home, start } = await makeTestHome(t);
  const [first, second] = await Promise.all([start(), start()]);
  const leaving = Promise.all([first.stop(), second.stop()]);
  const third = await start();
  await leaving;
  t.match(await readEmbeddedStatus(home), { state: "running", users: 1 });
  t.equal((await poolTo(t, third.connection).query("select 1")).rowCount, 1);
  await third.stop();
  t.match(await readEmbeddedStatus(home), { state: "stopped" });
});

t.test("K1 first starts at once end with one cluster, one password and one owner", async (t) => {
  const { home, spawn } = await makeTestHome(t);
  const members = [spawn(), spawn(), spawn()];
  const lines = await Promise.all(members.map((member) => member.line("ready")));
  t.same(lines.map(({ role }) => role).sort(), ["member", "member", "owner"]);
  t.equal(new Set(lines.map(({ dataDirectory }) => dataDirectory)).size, 1);
  const connections = lines.flatMap(({ connection }) => connection ?? []);
  const ids = await Promise.all(connections.map((connection) => clusterId(t, connection)));
  t.same([ids.length, new Set(ids).size], [3, 1]);
  await Promise.all(members.map((member) => member.stop()));
  t.match(await readEmbeddedStatus(home), { state: "stopped" });
  t.same(await namesWith(dirname(await dataFolderOf(home)), "data.new-"), [], "the losers took their clusters away");
});

t.test("the orphan of a killed owner is adopted, not started anew", async (t) => {
  const { home, spawn, start } = await makeTestHome(t);
  const owner = spawn();
  await owner.line("ready");
  const before = await pidOf(home);
  await owner.kill();
  await untilUsed(home, 0);
  const adopter = await start();
  t.equal(adopter.role, "owner");
  t.equal(await pidOf(home), before, "the same process serves");
  await adopter.stop();
  t.match(await readEmbeddedStatus(home), { state: "stopped" });
});

t.test("a start that is given up leaves no server behind, and the next one works", async (t) => {
  const { home, rootParents, start } = await makeTestHome(t);
  for (const moment of ["creating_cluster", "starting"]) {
    const giveUp = new AbortController();
    const reason = new Error(`given up while ${moment}`);
    const onProgress = (progress: string): void => {
      if (progress === moment) giveUp.abort(reason);
    };
    const given = startEmbedded({ home, log: silentLog, rootParents, signal: giveUp.signal, onProgress });
    await t.rejects(given, { message: reason.message });
    t.not((await readEmbeddedStatus(home)).state, "running", moment);
  }
  t.equal((await start()).role, "owner");
});

t.test("a server that dies is started again by whoever uses it, with all that was acknowledged", async (t) => {
  const { home, start } = await makeTestHome(t);
  const users: readonly EmbeddedServer[] = [await start(), await start()];
  const pool = poolTo(t, (users[0] as EmbeddedServer).connection);
  await pool.query("create table public.kept (id integer primary key)");
  await pool.query("insert into public.kept select generate_series(1, 100)");
  const before = await pidOf(home);
  process.kill(before, "SIGKILL");
  // a connection made before may still answer for a moment: what counts is a new server
  await untilItAnswers(async () => {
    if ((await pidOf(home)) === before) throw new Error("still the old one");
  });
  const { rows } = await untilItAnswers(() =>
    pool.query<{ count: number }>("select count(*) as count from public.kept"),
  );
  t.equal(rows[0]?.count, 100);
  await untilUsed(home, 2);
  await Promise.all(users.map((user) => user.stop()));
  t.match(await readEmbeddedStatus(home), { state: "stopped" });
});

async function pidOf(home: string): Promise<number> {
  const lock = await readFile(join(await dataFolderOf(home), "postmaster.pid"), "utf8");
  return Number(lock.split("\n")[0]);
}

async function untilUsed(home: string, users: number): Promise<void> {
  await untilItAnswers(async () => {
    const status = await readEmbeddedStatus(home);
    if (status.state !== "running" || status.users !== users) throw new Error(`not used by ${users}`);
  });
}

/** Tries until the database answers; each try takes as long as a connection takes to be refused or made. */
async function untilItAnswers<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await ask();
    } catch (caught) {
      if (tries === 2000) throw caught;
    }
  }
}
