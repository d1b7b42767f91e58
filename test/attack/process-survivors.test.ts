/** Nothing outlives its step: not after the program's end, its abort, its own attacks, or the service's own SIGKILL. */
import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { outputOf, PERL, provedAdapter, run } from "../executors/process/sandbox.ts";
import { pidsUntil, pidsWith, SPREAD } from "./spread.ts";

const SPREAD_PROCESSES = 4;
const adapter = await provedAdapter();
const newMarker = () => String(randomInt(1e9, 1e10));
const isAll = (pids: readonly number[]) => pids.length >= SPREAD_PROCESSES;
const isNone = (pids: readonly number[]) => pids.length === 0;

t.test("leaves nothing behind when the program ends and its children do not", async (t) => {
  const marker = newMarker();
  const running = run(adapter, { command: ["perl", "-e", SPREAD, marker, "leave"] }, { settings: PERL });
  t.ok(isAll(await pidsUntil(marker, isAll, 30_000)), "the control: they were there");
  t.match(await running, { ok: true, output: { stdout: "spread\n" } });
  t.same(await pidsUntil(marker, isNone, 5000), []);
});

t.test("leaves nothing behind when it is aborted", async (t) => {
  const marker = newMarker();
  const abort = new AbortController();
  const running = run(adapter, { command: ["perl", "-e", SPREAD, marker] }, { settings: PERL, signal: abort.signal });
  t.ok(isAll(await pidsUntil(marker, isAll, 30_000)), "the control: they were there");
  abort.abort();
  t.match(await running, { ok: false, kind: "cancelled" });
  t.same(await pidsUntil(marker, isNone, 5000), []);
});

t.test("leaves nothing behind when the service is killed", async (t) => {
  const marker = newMarker();
  const service = spawn(process.execPath, [join(import.meta.dirname, "doomed-service.ts"), marker], {
    stdio: "ignore",
  });
  const before = await pidsUntil(marker, (pids) => pids.length > SPREAD_PROCESSES, 60_000);
  t.ok(before.length > SPREAD_PROCESSES, `the control: ${before.length} processes were there`);
  service.kill("SIGKILL");
  t.same(await pidsUntil(marker, isNone, 5000), []);
});

t.test("the control: without namespaces what left its session and its parent outlives the program", async (t) => {
  const weaker = await provedAdapter({ bubblewrap: undefined });
  const marker = newMarker();
  const result = await run(weaker, { command: ["perl", "-e", SPREAD, marker, "leave"] }, { settings: PERL });
  t.match(result, { ok: true, output: { stdout: "spread\n" } });
  const left = pidsWith(marker);
  t.ok(left.length >= SPREAD_PROCESSES - 1, `${left.length} processes are left, as that level is documented`);
  spawnSync("/bin/sh", ["-c", `kill -9 ${left.join(" ")}`]);
  t.same(await pidsUntil(marker, isNone, 5000), []);
});

t.test("is not taken down by a program that kills whatever it can", async (t) => {
  const inputs = { command: ["perl", "-e", 'kill 9, 1, getppid; kill 9, -1; $| = 1; print "alive"'] };
  t.match(outputOf(await run(adapter, inputs, { settings: PERL })), { stdout: "alive" });
  t.match(outputOf(await run(adapter, { command: ["echo", "-n", "next"] })), { stdout: "next" });
});

t.test("passes on no descriptor that the service itself inherited", async (t) => {
  const secret = openSync("/etc/hostname", "r");
  // a service whose own parent left descriptor 40 open; Node itself closes what lies directly above stderr
  const script = join(import.meta.dirname, "descriptors-seen.ts");
  const service = spawn(process.execPath, [script], {
    stdio: ["ignore", "pipe", "inherit", ...Array(37).fill("ignore"), secret],
  });
  closeSync(secret);
  let printed = "";
  service.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await new Promise((resolve) => service.once("close", resolve));
  const seen = JSON.parse(printed) as { service: readonly string[]; program: string };
  t.ok(seen.service.includes("40"), "the control: the service has it");
  t.match(seen.program, /^(\d+=devnull )*40=devnull (\d+=devnull )*$/, "the program has /dev/null in its place");
});
