/** `stepgate serve` is stopped the way a terminal, npm and `timeout` do it: the whole group is told, and told again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM = join(ROOT, "src", "cli", "bin.mjs");

t.test(
  "SIGHUP tests isolation again; a second SIGTERM does not cut the stop short: PostgreSQL is down at the end",
  async (t) => {
    const home = await mkdtemp(join(tmpdir(), "stepgate-stop-"));
    const child = spawn(process.execPath, [PROGRAM, "serve"], {
      env: { PATH: process.env["PATH"] ?? "", STEPGATE_HOME: home, STEPGATE_LISTEN: "127.0.0.1:0" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const exited = once(child, "exit");
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => {
        text += bytes.toString();
        if (/^listening on /m.test(text)) child.emit("listening");
        if (text.includes("isolation was tested again")) child.emit("tested");
      });
    }
    await Promise.race([once(child, "listening"), exited]);
    const data = /embedded PostgreSQL \S+ in (\S+)/.exec(text)?.[1] ?? "";
    t.teardown(async () => {
      child.kill("SIGKILL");
      await Promise.all([home, dirname(data)].map((folder) => rm(folder, { recursive: true, force: true })));
    });
    t.ok(existsSync(join(data, "postmaster.pid")), `it runs: ${text}`);
    child.kill("SIGHUP");
    await Promise.race([once(child, "tested"), exited]);
    t.match(text, /"levels":\{"http":"\w+","noop":"none","process":"[\w+]+"/, "every executor's level as it is now");
    const group = -(child.pid ?? 0);
    process.kill(group, "SIGTERM");
    // well before PostgreSQL can be down, and late enough not to be one signal with the first
    await setTimeout(10);
    process.kill(group, "SIGTERM");
    const [code, signal] = await exited;
    t.same([code, signal], [0, null], text);
    t.notOk(existsSync(join(data, "postmaster.pid")), "nothing was left running");
  },
);

t.test("npm start ends what it started when npm alone is told to end", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "stepgate-stop-"));
  const child = spawn("npm", ["start", "--", "--no-demo"], {
    cwd: ROOT,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      STEPGATE_HOME: join(home, "stepgate"),
      STEPGATE_LISTEN: "127.0.0.1:0",
    },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const exited = once(child, "exit");
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text += bytes.toString();
    if (/^listening on /m.test(text)) child.emit("listening");
  });
  await Promise.race([once(child, "listening"), exited]);
  const data = /embedded PostgreSQL \S+ in (\S+)/.exec(text)?.[1] ?? "";
  t.teardown(async () => {
    // what outlived npm is still of its group
    if (existsSync(join(data, "postmaster.pid"))) process.kill(-(child.pid ?? 0), "SIGTERM");
    await Promise.all([home, dirname(data)].map((folder) => rm(folder, { recursive: true, force: true })));
  });
  t.ok(existsSync(join(data, "postmaster.pid")), `it runs: ${text}`);
  child.kill("SIGTERM");
  await exited;
  t.notOk(existsSync(join(data, "postmaster.pid")), "nothing was left running");
});
