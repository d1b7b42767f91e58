#!/usr/bin/env node
/**
 * Starts the machine's own PostgreSQL on a private socket, with a fresh cluster in a temporary folder, for the tests.
 *
 *   outside-postgres.mjs                  prints its URL on one line and serves until SIGINT, SIGTERM or end of input
 *   outside-postgres.mjs <command> …      runs the command with STEPGATE_TEST_DATABASE_URL set, stops, exits as it did
 *
 * Plain JavaScript for Node 20. Exit 3 when no PostgreSQL is installed. As root it runs as `postgres`, else as ourselves.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PORT = 5432;

/** The newest version below Debian's folder, or whatever STEPGATE_TEST_POSTGRES_BIN names. */
function findPrograms() {
  const named = process.env.STEPGATE_TEST_POSTGRES_BIN;
  if (named) return named;
  const parent = "/usr/lib/postgresql";
  const versions = existsSync(parent) ? readdirSync(parent).map(Number).filter(Number.isFinite) : [];
  const newest = versions.sort((a, b) => b - a).find((version) => existsSync(join(parent, `${version}/bin/initdb`)));
  return newest === undefined ? undefined : join(parent, String(newest), "bin");
}

/** The uid and gid of the account `postgres`; undefined when we are not root. */
function findUser() {
  if (process.geteuid() !== 0) return undefined;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((text) => text.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined) throw new Error("as root the account postgres is needed");
  return { uid: Number(uid), gid: Number(gid) };
}

function makeCluster(programs, folder, user, password) {
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) for (const path of [folder, passwordFile]) chownSync(path, user.uid, user.gid);
  const args = ["-D", join(folder, "data"), "-U", "postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  const more = ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"];
  const made = spawnSync(join(programs, "initdb"), [...args, ...more], { cwd: folder, encoding: "utf8", ...user });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
}

/** Starts the server and waits until its lock file says that it is ready. */
async function startServer(programs, folder, user) {
  const settings = { listen_addresses: "", unix_socket_directories: folder, port: PORT, log_min_messages: "fatal" };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(join(programs, "postgres"), ["-D", join(folder, "data"), ...args], {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
    ...user,
  });
  const lock = join(folder, "data", "postmaster.pid");
  while (!existsSync(lock) || !/^ready\s*$/m.test(readFileSync(lock, "utf8"))) {
    if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return server;
}

/** Ends with the command's own exit code, or, without a command, when a signal or the end of input comes. */
async function serve(url, command) {
  if (command.length === 0) {
    process.stdout.write(`${url}\n`);
    process.stdin.resume();
    const ends = ["SIGINT", "SIGTERM"].map((name) => new Promise((resolve) => process.once(name, resolve)));
    const input = ["end", "close", "error"].map((name) => new Promise((resolve) => process.stdin.once(name, resolve)));
    await Promise.race([...ends, ...input]);
    process.stdin.pause();
    return 0;
  }
  const [file, ...args] = command;
  const env = { ...process.env, STEPGATE_TEST_DATABASE_URL: url };
  const child = spawn(file, args, { stdio: "inherit", env });
  for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => child.kill(name));
  return await new Promise((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve(127);
    });
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

const programs = findPrograms();
if (programs === undefined) {
  process.stderr.write("no PostgreSQL is installed on this machine\n");
  process.exit(3);
}
const folder = mkdtempSync(join(tmpdir(), "stepgate-outside-"));
const password = randomBytes(24).toString("hex");
const user = findUser();
let server;
try {
  makeCluster(programs, folder, user, password);
  server = await startServer(programs, folder, user);
  const url = `postgres://postgres:${password}@localhost:${PORT}/postgres?host=${encodeURIComponent(folder)}`;
  process.exitCode = await serve(url, process.argv.slice(2));
} finally {
  if (server !== undefined && server.exitCode === null) {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGINT");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
