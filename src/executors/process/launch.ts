/**
 * Starts one confined program, reads what it prints, and makes sure that it ends.
 *
 * In: a start, what goes in, the bounds. Out: how it ended, with everything read so far. Kill order: SIGTERM, grace,
 * SIGKILL; at the output's cap SIGKILL at once. Not here: what the end means for the step (process-adapter.ts).
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { FILTER_FD, OPTIONS_FD, STATUS_FD, type Start } from "./confine.ts";
import { makeStopper, type StopCause } from "./stopper.ts";

export interface LaunchBounds {
  readonly stdin: string;
  readonly wallMs: number;
  /** Of stdout and stderr together. */
  readonly maxOutputBytes: number;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
  /** Called in the same turn as the start, so the process is certainly still there. */
  readonly onSpawn?: (pid: number) => void;
}

export interface Printed {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export type LaunchResult =
  | (Printed & { readonly kind: "exited"; readonly exitCode: number })
  | (Printed & { readonly kind: "stopped"; readonly cause: StopCause })
  /** The sandbox, not the program, failed. */
  | { readonly kind: "not_started"; readonly message: string };

const STRAGGLER_MS = 100;
const SIGNAL_EXIT = 128;

/** Runs the program to its end, or to one of the bounds. Nothing of it is left when the promise is fulfilled. */
export async function launch(start: Start, bounds: LaunchBounds): Promise<LaunchResult> {
  const started = spawnConfined(start);
  if (!started.ok) return { kind: "not_started", message: started.message };
  const { child } = started;
  if (child.pid !== undefined) bounds.onSpawn?.(child.pid);
  const status = makeStatusReader(start.walls === "bubblewrap" ? stream(child, STATUS_FD) : undefined);
  const stopper = makeStopper({ child, walls: start.walls, graceMs: bounds.graceMs, innerPid: status.innerPid });
  const output = collect(child, bounds.maxOutputBytes, () => stopper.kill("output"));
  const timer = setTimeout(() => stopper.stop("timeout"), bounds.wallMs);
  const onAbort = () => stopper.stop("aborted");
  bounds.signal.addEventListener("abort", onAbort, { once: true });
  if (bounds.signal.aborted) onAbort();
  feed(stream(child, FILTER_FD), start.filter);
  feed(stream(child, OPTIONS_FD), start.options);
  feed(child.stdin, bounds.stdin);
  const end = await ended(child, stopper.sweep);
  clearTimeout(timer);
  bounds.signal.removeEventListener("abort", onAbort);
  stopper.done();
  if (end.error !== undefined) return { kind: "not_started", message: end.error };
  const cause = stopper.cause();
  if (cause !== undefined) return { kind: "stopped", cause, ...output.printed() };
  const exitCode = start.walls === "bubblewrap" ? status.exitCode() : end.exitCode;
  // bubblewrap's own failures exit 1 too; only the status tells them from the program's
  if (exitCode === undefined) return { kind: "not_started", message: firstLine(output.printed().stderr) };
  return { kind: "exited", exitCode, ...output.printed() };
}

type Spawned = { readonly ok: true; readonly child: ChildProcess } | { readonly ok: false; readonly message: string };

function spawnConfined({ file, args, env, uid, walls, filter, options, strayFds }: Start): Spawned {
  const nullFd = strayFds.length > 0 ? openSync("/dev/null", "r+") : undefined;
  const stdio: StdioOptions = ["pipe", "pipe", "pipe"];
  for (let fd = FILTER_FD; fd <= Math.max(STATUS_FD, ...strayFds); fd += 1)
    stdio[fd] = nullFd !== undefined && strayFds.includes(fd) ? nullFd : "ignore";
  if (filter !== undefined) stdio[FILTER_FD] = "pipe";
  if (walls === "bubblewrap") stdio[STATUS_FD] = "pipe";
  if (options !== undefined) stdio[OPTIONS_FD] = "pipe";
  const identity = uid === undefined ? {} : { uid, gid: uid };
  try {
    const isGroup = walls === "plain";
    return { ok: true, child: spawn(file, args, { ...identity, cwd: "/", env: { ...env }, stdio, detached: isGroup }) };
  } catch (caught) {
    return { ok: false, message: caught instanceof Error ? caught.message : "the program could not be started" };
  } finally {
    if (nullFd !== undefined) closeSync(nullFd);
  }
}

function stream(child: ChildProcess, fd: number): Readable | Writable | undefined {
  return child.stdio[fd] ?? undefined;
}

function feed(target: Readable | Writable | null | undefined, content: string | Uint8Array | undefined): void {
  if (!target || !("end" in target)) return;
  // a program may end without reading all of its input: EPIPE is its right, and the exit says how it went
  target.on("error", () => target.destroy());
  target.end(content ?? "");
}

/** Reads stdout and stderr up to the cap; the byte after it calls `onOverflow`. */
function collect({ stdout, stderr }: ChildProcess, maxBytes: number, onOverflow: () => void) {
  const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let bytes = 0;
  const keep = (chunks: Buffer[]) => (chunk: Buffer) => {
    const room = maxBytes - bytes;
    bytes += chunk.length;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    if (bytes > maxBytes) onOverflow();
  };
  stdout?.on("data", keep(printed.stdout)).on("error", onOverflow);
  stderr?.on("data", keep(printed.stderr)).on("error", onOverflow);
  return { printed: (): Printed => ({ stdout: Buffer.concat(printed.stdout), stderr: Buffer.concat(printed.stderr) }) };
}

/** bubblewrap's report: the pid of the sandbox's first process, and the exit code once there is one. */
function makeStatusReader(source: Readable | Writable | undefined) {
  let text = "";
  if (source !== undefined && "read" in source)
    source.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  source?.on("error", () => source.destroy());
  const number = (name: string) => {
    const digits = new RegExp(`"${name}": *([0-9]+)`).exec(text)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  return { innerPid: () => number("child-pid"), exitCode: () => number("exit-code") };
}

interface ProcessEnd {
  readonly exitCode: number | undefined;
  readonly error: string | undefined;
}

/** Fulfilled when the process is gone and its streams are closed; `sweep` ends what it left behind. */
function ended(child: ChildProcess, sweep: () => void): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once("error", (cause) => resolve({ exitCode: undefined, error: cause.message }));
    child.once("exit", () => {
      sweep();
      // a child of the program that left its group may hold the streams open for as long as it likes
      const straggling = setTimeout(() => {
        for (const each of child.stdio) each?.destroy();
      }, STRAGGLER_MS);
      child.once("close", () => clearTimeout(straggling));
    });
    child.once("close", (code, signalName) =>
      resolve({ exitCode: code ?? (signalName === null ? undefined : SIGNAL_EXIT), error: undefined }),
    );
  });
}

function firstLine(stderr: Buffer): string {
  const [line = ""] = stderr.subarray(0, 500).toString("utf8").split("\n");
  return line === "" ? "the sandbox did not start" : line.slice(0, 200);
}
