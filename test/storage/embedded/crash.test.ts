import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { readEmbeddedStatus } from "../../../src/storage/embedded/status.ts";
import { makePool } from "../../../src/storage/pool.ts";
import { silentLog } from "../test-database.ts";
import { dataFolderOf, killServer, makeTestHome, namesWith } from "./home.ts";

/** Moments of a first start (~0.7 s): in the first half of initdb, near its end, while the server starts and is set up. */
const KILLED_AT = [
  { after: "creating_cluster", laterMs: 0 },
  { after: "creating_cluster", laterMs: 250 },
  { after: "creating_cluster", laterMs: 450 },
  { after: "creating_cluster", laterMs: 550 },
  { after: "starting", laterMs: 0 },
  { after: "starting", laterMs: 40 },
] as const;

t.test("K1 a first start killed at any moment leaves nothing that stops the next one", async (t) => {
  for (const { after, laterMs } of KILLED_AT) {
    await t.test(`killed ${laterMs} ms after ${after}`, async (t) => {
      const { home, spawn, start } = await makeTestHome(t);
      const killed = spawn();
      await killed.progress(after);
      await delay(laterMs);
      await killed.kill();
      const server = await start();
      const pool = makePool({
        connection: server.connection,
        maxConnections: 1,
        applicationName: "test",
        log: silentLog,
      });
      t.equal((await pool.query("select 1")).rowCount, 1);
      await pool.close();
      await server.stop();
      t.match(await readEmbeddedStatus(home), { state: "stopped" });
      const again = await start();
      await again.stop();
      t.same(await namesWith(join(await dataFolderOf(home), ".."), "data.new-"), [], "what it left is removed");
    });
  }
});

t.test("K1 a lock file whose process id was used again is harmless", async (t) => {
  const { home, spawn: spawnMember, start } = await makeTestHome(t);
  const member = spawnMember();
  const { connection } = await member.line("ready");
  await member.kill();
  const dead = await killServer(home);
  t.type(dead, "number");
  const data = await dataFolderOf(home);
  // PostgreSQL takes a process of its own user for the holder of the lock
  const { uid, gid } = await lstat(data);
  const other = spawn("sleep", ["600"], { uid, gid, stdio: "ignore" });
  t.teardown(() => other.kill("SIGKILL"));
  await once(other, "spawn");
  const locks = [join(data, "postmaster.pid"), join(String(connection?.host), ".s.PGSQL.5432.lock")];
  for (const lock of locks) {
    const text = await readFile(lock, "utf8");
    await writeFile(lock, text.replace(String(dead), String(other.pid)));
  }
  const server = await start();
  t.equal(server.role, "owner");
  t.equal(other.exitCode, null, "the other program is left alone");
  await server.stop();
});

t.test("a server that is alive but does not answer yet is waited for, not started beside", async (t) => {
  const { home, spawn, start } = await makeTestHome(t);
  const member = spawn();
  await member.line("ready");
  const { pid } = { pid: 0, ...(await readEmbeddedStatus(home)) };
  await member.kill();
  process.kill(Number(pid), "SIGSTOP");
  const starting = start();
  await delay(100);
  process.kill(Number(pid), "SIGCONT");
  await starting;
  t.match(await readEmbeddedStatus(home), { state: "running", pid });
});
