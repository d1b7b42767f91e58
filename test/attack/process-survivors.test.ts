/** Nothing outlives its step: not after the program's end, its abort, its own attacks, or the service's own SIGKILL. */
import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { surveyMachine } from "../../src/executors/process/machine.ts";
import { outputOf, PERL, provedAdapter, run } from "../executors/process/sandbox.ts";
import { pidsUntil, pidsWith, SPREAD } from "./spread.ts";

const SPREAD_PROCESSES = 4;
/** What ends with its service is gone within milliseconds; so long a control is watched living on. */
const AFTER_KILL_MS = 3000;
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

/** What a program spread into before its service got SIGKILL, and what of program and all is left after. */
async function killedService(...bubblewrap: readonly string[]) {
  const marker = newMarker();
  const service = spawn(process.execPath, [join(import.meta.dirname, "doomed-service.ts"), marker, ...bubblewrap], {
    stdio: "ignore",
  });
  const ended = once(service, "close");
  const spread = await pidsUntil(`600.${marker}`, isAll, 60_000);
  service.kill("SIGKILL");
  await ended;
  return { spread, left: await pidsUntil(marker, isNone, AFTER_KILL_MS), marker };
}

/** Ends what a control has left. */
async function clear(t: Test, pids: readonly number[], marker: string): Promise<void> {
  spawnSync("/bin/sh", ["-c", `kill -9 ${pids.join(" ")}`]);
  t.same(await pidsUntil(marker, isNone, 5000), []);
}

t.test("leaves nothing behind when the service is killed", async (t) => {
  const { spread, left } = await killedService();
  t.ok(isAll(spread), "the control: they were there");
  t.same(left, []);
});

t.test("the control: a service killed without the fence that ties the sandbox to it leaves everything", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stepgate-loose-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const loose = join(folder, "bwrap");
  const untied = 'for a; do shift; [ "$a" = --die-with-parent ] || set -- "$@" "$a"; done';
  writeFileSync(loose, `#!/bin/sh\n${untied}; exec ${surveyMachine().bubblewrap} "$@"\n`, { mode: 0o755 });
  const { spread, left, marker } = await killedService(loose);
  t.ok(isAll(spread) && spread.every((pid) => left.includes(pid)), "what it spread into lives on");
  t.ok(left.length > spread.length, "and so does the sandbox around it");
  await clear(t, left, marker);
});

t.test("the control: a service killed without namespaces takes the program along, and not what left it", async (t) => {
  const { spread, left, marker } = await killedService("none");
  t.ok(isAll(spread));
  t.same(left, spread, "as that level is documented");
  await clear(t, left, marker);
});

t.test("the control: without namespaces what left its session and its parent outlives the program", async (t) => {
  const weaker = await provedAdapter({ bubblewrap: undefined });
  const marker = newMarker();
  const result = await run(weaker, { command: ["perl", "-e", SPREAD, marker, "leave"] }, { settings: PERL });
  t.match(result, { ok: true, output: { stdout: "spread\n" } });
  const left = pidsWith(marker);
  t.ok(left.length >= SPREAD_PROCESSES - 1, `${left.length} processes are left, as that level is documented`);
  await clear(t, left, marker);
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
