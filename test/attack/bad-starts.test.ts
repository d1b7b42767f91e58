/**
 * `stepgate serve` in places where it cannot work: one code, one line, no stack, no secret, and nothing left running.
 */
import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";

const PROGRAM = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));
const SECRET = "hunter2-of-the-database";
const DATABASE = `postgres://u:${SECRET}@127.0.0.1:1/x`;

/** Runs `serve` until it ends by itself. */
function serve(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [PROGRAM, "serve"], {
    env: { PATH: process.env["PATH"] ?? "", STEPGATE_LISTEN: "127.0.0.1:0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      text += bytes.toString();
    });
  }
  return new Promise((resolve) => {
    child.once("close", (code) => resolve({ code, text }));
  });
}

async function makeTemporary(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-bad-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

t.test("a start that cannot work says why in one line with a code", { timeout: 200_000 }, async (t) => {
  const folder = await makeTemporary(t);
  const path = (name: string): string => join(folder, name);
  await writeFile(path("file"), "");
  await mkdir(path("open"));
  await chmod(path("open"), 0o777);
  await symlink(path("open"), path("link"));
  const home = path("home");
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ["a home that is a file", { STEPGATE_HOME: path("file") }, "HOME_UNSAFE"],
    ["a home below a file", { STEPGATE_HOME: path("file/below") }, "HOME_UNSAFE"],
    ["a home that others may enter", { STEPGATE_HOME: path("open") }, "HOME_UNSAFE"],
    ["a home that is a link", { STEPGATE_HOME: path("link") }, "HOME_UNSAFE"],
    ["a database that is not there", { STEPGATE_HOME: home, STEPGATE_DATABASE_URL: DATABASE }, "STORE_UNAVAILABLE"],
    ["a URL of something else", { STEPGATE_HOME: home, STEPGATE_DATABASE_URL: `mysql://${SECRET}` }, "CONFIG_INVALID"],
    ["a setting that does not exist", { STEPGATE_HOME: home, STEPGATE_LISTN: SECRET }, "CONFIG_INVALID"],
    ["a weak admin key", { STEPGATE_HOME: home, STEPGATE_ADMIN_KEY: SECRET }, "CONFIG_INVALID"],
  ];
  for (const [title, env, code] of cases) {
    await t.test(`${title}: ${code}`, async (t) => {
      const { code: exit, text } = await serve(env);
      t.not(exit, 0);
      t.match(text, `[${code}]`);
      t.notMatch(text, SECRET, "no secret");
      t.notMatch(text, /^\s+at /m, "no stack");
    });
  }
});

t.test("a port that is taken: PORT_TAKEN, and what was started is stopped without a warning", async (t) => {
  const folder = await makeTemporary(t);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const { code, text } = await serve({ STEPGATE_HOME: join(folder, "home"), STEPGATE_LISTEN: `127.0.0.1:${port}` });
  t.equal(code, 1);
  t.match(text, "[PORT_TAKEN]");
  t.notMatch(text, /"level":"(warn|error)"/, "nothing fails while it stops");
});
