/** What the program does when nobody takes its output: the reader ends early, or the disk behind `>` is full. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { EXIT } from "../../src/cli/surroundings.ts";
import { openTestDatabase } from "../storage/test-database.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));
/** Every write to it fails with ENOSPC. */
const FULL = "/dev/full";

async function start(
  args: readonly string[],
  { out = "pipe", env = {} }: { readonly out?: "pipe" | number; readonly env?: Readonly<Record<string, string>> },
) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", out, "pipe"],
  });
  let err = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    err += bytes.toString();
  });
  const closed = once(child, "close");
  return { child, ended: async () => ({ code: (await closed)[0] as number | null, err }) };
}

t.test("a command whose reader has read enough ends quietly, as one that SIGPIPE ended", async (t) => {
  const { child, ended } = await start(["config", "print", "--json"], {});
  child.stdout?.destroy();
  t.same(await ended(), { code: EXIT.unread, err: "" });
});

t.test("a command whose output finds no room says so and fails", async (t) => {
  const { ended } = await start(["config", "print"], { out: openSync(FULL, "w") });
  const { code, err } = await ended();
  t.equal(code, EXIT.failed);
  t.match(err, /^error: the disk has no space left\n {2}make room .*\[DISK_FULL\]\n$/);
});

t.test("a service goes on serving without its log, on a full disk and with no reader", async (t) => {
  for (const [why, out] of [
    ["a full disk", () => openSync(FULL, "w")],
    ["no reader", () => "pipe" as const],
  ] as const) {
    await t.test(why, async (t) => {
      const { url, child, ended } = await serve(t, out());
      child.stdout?.destroy();
      // each request writes a line of the log
      for (let request = 0; request < 3; request += 1) t.equal((await fetch(`${url}/healthz`)).status, 200);
      child.kill("SIGTERM");
      t.match(await ended(), { code: 0, err: "" });
    });
  }
});

/** Serves at a port of its own; what it prints cannot be read, so it is asked until it answers. */
async function serve(t: Test, out: "pipe" | number) {
  const home = await mkdtemp(join(tmpdir(), "stepgate-output-"));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const { target } = await openTestDatabase(t);
  if (!("connection" in target)) throw new TypeError("the embedded server has a connection");
  const { host, user, password, database } = target.connection;
  const address = `postgres://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
  const url = `http://127.0.0.1:${20_000 + (process.pid % 10_000) + (out === "pipe" ? 0 : 1)}`;
  const started = await start(["serve"], {
    out,
    env: { STEPGATE_HOME: home, STEPGATE_LISTEN: url.slice("http://".length), STEPGATE_DATABASE_URL: address },
  });
  const { child } = started;
  t.teardown(() => child.kill("SIGKILL"));
  while (
    child.exitCode === null &&
    !(await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await delay(50);
  return { url, ...started };
}
