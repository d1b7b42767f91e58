/**
 * K1: the first start killed after each of its steps, in a process of its own, on real files and a real database.
 *
 * An undisturbed start names the steps; the next start after each kill must go on with what stands and make only the rest.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { SIGNING_PURPOSES } from "../../src/core/keys.ts";
import { findRoles } from "../../src/storage/set-up-roles.ts";
import { openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { openKeyRingAt } from "./key-ring-at.ts";
import { isKept, isWhole, standing } from "./key-set.ts";

const PROGRAM = fileURLToPath(new URL("first-start-process.ts", import.meta.url));
/** As many processes as are started at once. */
const BREADTH = 3;

/** The order of spec 10; a file is written beside its place first. The database is there before the lock, which it keeps. */
const STEPS = [
  "home made",
  "keys made",
  "lock",
  ...["instance.key written", "instance.key in place"],
  ...["root.key written", "root.key in place"],
  "instance check row",
  ...SIGNING_PURPOSES.map((purpose) => `${purpose} key row`),
  "trust bundle row",
  ...["trust.json written", "trust.json in place"],
  ...["admin-key written", "admin-key in place"],
  "admin key row",
];

interface Site {
  readonly home: string;
  readonly database: TestDatabase;
}

async function makeSite(t: Test): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-first-start-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return { home: join(folder, "home"), database: await openTestDatabase(t) };
}

/** Runs a first start until it ends or is killed. */
async function start({ home, database }: Site, killAfter?: string) {
  const { NODE_OPTIONS: _tap, ...env } = process.env;
  const role = (await findRoles(database.pool))?.gateway;
  const given = JSON.stringify({ home, target: database.target, role, killAfter });
  const child = spawn(process.execPath, [PROGRAM, given], { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  const end = await new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  return { end, steps: text.trimEnd().split("\n") };
}

const standingOf = ({ home, database }: Site) => standing(home, database.pool);

t.test("K1 a first start goes through the steps of the specification in their order", async (t) => {
  const site = await makeSite(t);
  t.same(await start(site), { end: 0, steps: STEPS });
  const made = await standingOf(site);
  isWhole(t, made);
  t.same(
    (await start(site)).steps,
    ["lock", "admin key row"],
    "a later start makes nothing but asks for the admin's row",
  );
  t.same(await standingOf(site), made);
});

t.test("K1 a first start killed after any step is resumed by the next, with one key set", async (t) => {
  t.jobs = BREADTH;
  await Promise.all(
    STEPS.map((step) =>
      t.test(`killed after: ${step}`, async (t) => {
        const site = await makeSite(t);
        const killed = await start(site, step);
        t.same(killed, { end: "SIGKILL", steps: STEPS.slice(0, STEPS.indexOf(step) + 1) });
        const before = await standingOf(site);
        await openKeyRingAt(site.home, site.database.pool);
        const after = await standingOf(site);
        isWhole(t, after);
        isKept(t, before, after);
        await openKeyRingAt(site.home, site.database.pool);
        t.same(await standingOf(site), after, "nothing more is made");
      }),
    ),
  );
});
