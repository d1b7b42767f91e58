/**
 * K1 on the whole product: first starts at once, and starts on keys, homes and sockets that are not what they were.
 *
 * One home and its embedded server for all; each refused start has keys of its own on the same database. Kills in
 * the middle of a first start: k1-killed-start.test.ts, crash/first-start.test.ts.
 */
import { randomBytes } from "node:crypto";
import { chmod, chown, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import type { EmbeddedServer } from "../../src/storage/embedded/embedded-server.ts";
import { makePool, type Pool } from "../../src/storage/pool.ts";
import { openKeyRingAt } from "../crash/key-ring-at.ts";
import { makeTestHome, type TestHome } from "../storage/embedded/home.ts";
import { silentLog } from "../storage/test-database.ts";
import { startRogue } from "./rogue-socket.ts";
import { type Start, serve } from "./serve-process.ts";

const PATIENCE = { timeout: 200_000 };

let place: TestHome;
/** This process uses it too, so that it outlives the starts. */
let server: EmbeddedServer;
/** What the first starts made. */
let made: Awaited<ReturnType<typeof standing>>;

/** The exit code of a start that should be refused; one that serves all the same is stopped. */
async function refusalOf({ listening, child, ended }: Start): Promise<number | NodeJS.Signals | null> {
  if ((await listening) !== undefined) child.kill("SIGINT");
  return ended;
}

/** As the database's owner, on the home's own server. */
async function withPool<T>(act: (pool: Pool) => Promise<T>): Promise<T> {
  const { connection } = server;
  const pool = makePool({ connection, maxConnections: 2, applicationName: "stepgate test", log: silentLog });
  try {
    return await act(pool);
  } finally {
    await pool.close();
  }
}

/** Key files and rows, as they are. */
async function standing() {
  const folder = join(place.home, "keys");
  const names = (await readdir(folder)).sort();
  return withPool(async (pool) => {
    const rows = async (sql: string) => (await pool.query<Record<string, unknown>>(sql)).rows;
    return {
      names,
      files: await Promise.all(names.map((name) => readFile(join(folder, name)))),
      checks: await rows("select * from stepgate.instance_check"),
      keys: await rows("select * from stepgate.keys where tenant_uid is null order by purpose, key_id"),
      bundles: await rows("select * from stepgate.trust_bundles"),
      adminKeys: await rows("select key_id, secret_hash from stepgate.api_keys"),
    };
  });
}

t.before(async () => {
  place = await makeTestHome(t);
});

t.test("K1 two first starts at once end with one key set, and both serve it", PATIENCE, async (t) => {
  const starts = [serve(t, { STEPGATE_HOME: place.home }), serve(t, { STEPGATE_HOME: place.home })];
  const urls = await Promise.all(starts.map(({ listening }) => listening));
  const jwks = await Promise.all(urls.map(async (url) => (await fetch(`${url}/.well-known/jwks.json`)).text()));
  t.equal(jwks[0], jwks[1]);
  t.equal(jwks[0]?.match(/"kid"/g)?.length, SIGNING_PURPOSES.length);
  server = await place.start();
  for (const { child } of starts) child.kill("SIGINT");
  t.same(await Promise.all(starts.map(({ ended }) => ended)), [0, 0]);
  made = await standing();
  t.same(made.names, ["admin-key", "instance.key", "root.key", "trust.json"]);
  t.same([made.checks.length, made.bundles.length, made.adminKeys.length], [1, 1, 1]);
  t.same(made.keys.map((row) => row["purpose"]).sort(), [...SIGNING_PURPOSES].sort());
});

interface Refusal {
  readonly why: string;
  readonly code: string;
  readonly reason?: string;
  readonly spoil: (home: string) => Promise<unknown>;
}

const key = (home: string): string => join(home, "keys", "instance.key");
const named = (home: string): string => `${home}.key`;
const foreign = (path: string): Promise<void> => writeFile(path, randomBytes(32), { mode: 0o600 });

async function moveAndLink(path: string): Promise<void> {
  await rename(path, `${path}-elsewhere`);
  await symlink(`${path}-elsewhere`, path);
}

/** A home of its own with the keys of the first starts, spoilt. */
async function makeRefusedHome(name: string, spoil: Refusal["spoil"]): Promise<string> {
  const home = join(dirname(place.home), name.replaceAll(" ", "-"));
  await mkdir(home, { mode: 0o700 });
  await cp(join(place.home, "keys"), join(home, "keys"), { recursive: true });
  await chmod(join(home, "keys"), 0o700);
  await spoil(home);
  return home;
}

/** Every file below a folder, through a link. */
async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(`${folder}/`, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
}

/** Tried on the key ring alone: a whole start takes seconds. */
const RING_REFUSALS: readonly Refusal[] = [
  { why: "no instance key", code: "INSTANCE_KEY_MISSING", spoil: (home) => rm(key(home)) },
  { why: "a foreign instance key", code: "INSTANCE_KEY_MISMATCH", spoil: (home) => foreign(key(home)) },
  { why: "a linked key", code: "KEY_FILE_UNSAFE", reason: "link", spoil: (home) => moveAndLink(key(home)) },
  {
    why: "a linked folder of keys",
    code: "KEY_FILE_UNSAFE",
    reason: "link",
    spoil: (home) => moveAndLink(join(home, "keys")),
  },
];

t.test("K1 a key ring that does not belong to its full database, or is unsafe, is refused with a code", async (t) => {
  for (const { why, code, reason, spoil } of RING_REFUSALS) {
    const home = await makeRefusedHome(why, spoil);
    const before = await filesBelow(home);
    const detail = reason === undefined ? {} : { reason };
    await t.rejects(
      withPool((pool) => openKeyRingAt(home, pool)),
      { code, detail },
      why,
    );
    t.same(await filesBelow(home), before, "no key was made");
  }
  t.same(await standing(), made, "nothing was made or changed");
});

const isRoot = process.getuid?.() === 0;

/** `given`: the file that STEPGATE_INSTANCE_KEY_FILE names. */
const START_REFUSALS: readonly (Refusal & { readonly given?: (home: string) => string })[] = [
  { why: "no keys", code: "INSTANCE_KEY_MISSING", spoil: (home) => rm(join(home, "keys"), { recursive: true }) },
  {
    why: "a foreign key that is named",
    code: "INSTANCE_KEY_MISMATCH",
    spoil: (home) => foreign(named(home)),
    given: named,
  },
  { why: "a 0644 key", code: "KEY_FILE_UNSAFE", reason: "mode", spoil: (home) => chmod(key(home), 0o644) },
  { why: "a linked home", code: "KEY_FILE_UNSAFE", reason: "link", spoil: moveAndLink },
  {
    why: "a key of another owner",
    code: "KEY_FILE_UNSAFE",
    reason: "owner",
    // only root can give a file away; everybody else finds a file of root's
    spoil: async (home) => isRoot && chown(key(home), 65_534, 65_534),
    given: (home) => (isRoot ? key(home) : "/etc/passwd"),
  },
];

t.test("K1 a start on a full database without its keys, or with unsafe ones, ends with a code", PATIENCE, async (t) => {
  const { host, user, password, database } = server.connection;
  const url = `postgres:///${database}?${String(new URLSearchParams({ host, user, password }))}`;
  t.jobs = 2;
  await Promise.all(
    START_REFUSALS.map(({ why, code, reason, spoil, given }) =>
      t.test(`${why}: ${code}`, async (t) => {
        const home = await makeRefusedHome(why, spoil);
        const before = await filesBelow(home);
        const env = given === undefined ? {} : { STEPGATE_INSTANCE_KEY_FILE: given(home) };
        const start = serve(t, { STEPGATE_HOME: home, STEPGATE_DATABASE_URL: url, ...env });
        t.equal(await refusalOf(start), 1);
        t.match(start.text(), `[${code}]`);
        if (reason !== undefined) t.match(start.text(), reason);
        t.notMatch(start.text(), password);
        t.same(await filesBelow(home), before, "no key was made");
      }),
    ),
  );
  t.same(await standing(), made, "nothing was made or changed");
});

t.test("K1 a stranger on the embedded server's socket is refused, and harms nothing", PATIENCE, async (t) => {
  const { host, port } = server.connection;
  const path = join(host, `.s.PGSQL.${port}`);
  await server.stop();
  const refusing = await startRogue(path, "refusing");
  await t.rejects(place.start(), { code: "EMBEDDED_FAILED", detail: { sqlState: "28P01" } });
  await refusing.close();
  const welcoming = await startRogue(path, "welcoming");
  await t.rejects(place.start(), { code: "EMBEDDED_FAILED", detail: { served: "/var/lib/rogue" } });
  const start = serve(t, { STEPGATE_HOME: place.home });
  t.equal(await refusalOf(start), 1);
  t.match(start.text(), "[EMBEDDED_FAILED]");
  t.match(start.text(), "/var/lib/rogue");
  await welcoming.close();
  server = await place.start();
  await withPool((pool) => openKeyRingAt(place.home, pool));
  t.same(await standing(), made, "with the stranger gone, the same keys are found");
});
