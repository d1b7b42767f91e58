import { chmod, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { startEmbedded } from "../../../src/storage/embedded/embedded-server.ts";
import { openPlace } from "../../../src/storage/embedded/place.ts";
import { makePool } from "../../../src/storage/pool.ts";
import { silentLog } from "../test-database.ts";
import { makeTestHome, type TestHome } from "./home.ts";

const LONG = "a-folder-with-a-long-name-".repeat(5);

t.test("K1 a home whose path is too long for a socket gets a private folder with a recorded short name", async (t) => {
  const long = await makeTestHome(t, LONG);
  // root's server does not live in the home: its own parent is the long one, where its user can enter in any case
  const parent = await mkdtemp(join("/var/tmp", LONG));
  t.teardown(() => rm(parent, { recursive: true }));
  await chmod(parent, 0o755);
  const start = () => startEmbedded({ home: long.home, log: silentLog, rootParents: [parent] });
  const first = await start();
  t.teardown(() => first.stop());
  const { host } = first.connection;
  t.ok(Buffer.byteLength(host) < 90);
  t.equal((await lstat(host)).mode & 0o777, 0o700);
  t.match(await readFile(join(long.home, "pg", "socket.json"), "utf8"), host);
  const second = await start();
  t.equal(second.role, "member", "a later process finds the same folder");
  const pool = makePool({ connection: second.connection, maxConnections: 1, applicationName: "test", log: silentLog });
  t.equal((await pool.query("select 1")).rowCount, 1);
  await pool.close();
  await second.stop();
  await first.stop();
  await rm(host, { recursive: true });
  const third = await start();
  t.equal(third.connection.host, host, "a cleaned temporary folder is made anew");
  await third.stop();
});

t.test("K1 a home that is not ours alone is refused before anything starts", async (t) => {
  const refusals: readonly { why: string; spoil: (home: string) => Promise<unknown>; code: string }[] = [
    { why: "others may enter it", spoil: (home) => mkdir(home, { mode: 0o755 }), code: "HOME_UNSAFE" },
    { why: "it is a link", spoil: (home) => symlink(dirname(home), home), code: "HOME_UNSAFE" },
    { why: "its pg folder is a link", spoil: spoilFolder, code: "HOME_UNSAFE" },
    { why: "its socket's folder is a link", spoil: spoilSocketFolder, code: "HOME_UNSAFE" },
    { why: "others may enter its socket's folder", spoil: openSocketFolder, code: "HOME_UNSAFE" },
    { why: "the password is readable by others", spoil: exposePassword, code: "KEY_FILE_UNSAFE" },
    { why: "the password is a link", spoil: linkPassword, code: "KEY_FILE_UNSAFE" },
    { why: "the record is not ours", spoil: (home) => spoilRecord(home, "{}"), code: "EMBEDDED_FAILED" },
    { why: "the record is no JSON", spoil: (home) => spoilRecord(home, "{"), code: "EMBEDDED_FAILED" },
  ];
  for (const { why, spoil, code } of refusals) {
    await t.test(why, async (t) => {
      const { home, rootParents } = await makeTestHome(t, LONG);
      await spoil(home);
      await t.rejects(openPlace(home, rootParents), { code });
    });
  }
  const { home, rootParents } = await makeTestHome(t);
  const once = await openPlace(home, rootParents);
  t.same(await openPlace(home, rootParents), once, "the control: unspoilt, it opens, and again the same");
});

t.test("K1 data or a password that was there and is gone is refused, never replaced", async (t) => {
  const test = await makeTestHome(t);
  const server = await test.start();
  await server.stop();
  await refusedWithout(t, test, server.dataDirectory);
  await refusedWithout(t, test, join(test.home, "pg", "password"));
  t.equal((await test.start()).dataDirectory, server.dataDirectory, "the control: put back, it starts");
});

async function refusedWithout(t: Test, test: TestHome, path: string): Promise<void> {
  await rename(path, `${path}.away`);
  await t.rejects(test.start(), { code: "EMBEDDED_FAILED", detail: { path } });
  await t.rejects(lstat(path), { code: "ENOENT" }, "nothing was made in its place");
  await rename(`${path}.away`, path);
}

async function spoilFolder(home: string): Promise<void> {
  await mkdir(home, { mode: 0o700 });
  await symlink(dirname(home), join(home, "pg"));
}

async function placeOf(home: string) {
  return await openPlace(home, [dirname(dirname(home)), "/var/lib"]);
}

async function spoilSocketFolder(home: string): Promise<void> {
  const { socketFolder } = await placeOf(home);
  await rm(socketFolder, { recursive: true });
  await symlink(dirname(home), socketFolder);
}

async function openSocketFolder(home: string): Promise<void> {
  await chmod((await placeOf(home)).socketFolder, 0o750);
}

async function exposePassword(home: string): Promise<void> {
  await chmod(join((await placeOf(home)).folder, "password"), 0o640);
}

async function linkPassword(home: string): Promise<void> {
  const path = join((await placeOf(home)).folder, "password");
  await rename(path, `${path}.real`);
  await symlink(`${path}.real`, path);
}

/** The record that a start reads: as root where the server lives, else where the socket of a long path is. */
async function spoilRecord(home: string, text: string): Promise<void> {
  await mkdir(join(home, "pg"), { recursive: true, mode: 0o700 });
  for (const file of ["place.json", "socket.json"]) await writeFile(join(home, "pg", file), text, { mode: 0o600 });
}
