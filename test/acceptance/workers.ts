/**
 * Starts, stops and awaits worker processes on a rig's database (worker-process.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import type { TestDatabase } from "../storage/test-database.ts";
import type { FromWorker, ToWorker } from "./played-executor.ts";
import type { Rig } from "./rig.ts";

const PROGRAM = fileURLToPath(new URL("worker-process.ts", import.meta.url));

export interface WorkerProcess {
  readonly pid: number;
  /** Resolves with the signal or the exit code that ended it. */
  readonly ended: Promise<NodeJS.Signals | number>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Ends its input: it drains and exits. */
  readonly stop: () => Promise<void>;
}

/** Starts a worker and waits until it claims; one that a fail point kills while it starts has `ended` all the same. */
export async function startWorker(
  t: Test,
  {
    rig,
    database,
    env = {},
    onMessage,
  }: {
    readonly rig: Rig;
    readonly database: Pick<TestDatabase, "target">;
    readonly env?: Readonly<Record<string, string>>;
    /** Plays its executors. */
    readonly onMessage?: (message: FromWorker, answer: (message: ToWorker) => void) => Promise<void>;
  },
): Promise<WorkerProcess> {
  const { home } = rig.stepgate.rooms.config.instance;
  const { NODE_OPTIONS: _tap, ...clean } = process.env;
  const isPlayed = onMessage !== undefined;
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify({ home, target: database.target, env, isPlayed })], {
    env: clean,
    stdio: ["pipe", "pipe", "inherit", ...(isPlayed ? ["ipc" as const] : [])],
    // numbers that are none survive it
    serialization: "advanced",
  });
  child.on("message", (message) => {
    void onMessage?.(message as FromWorker, (answer) => {
      // one that was killed is told nothing
      child.send(answer, () => undefined);
    });
  });
  const ended = endOf(child);
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await Promise.race([new Promise<void>((resolve) => child.stdout?.once("data", () => resolve())), ended]);
  return {
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => {
      child.kill(signal);
    },
    stop: async () => {
      child.stdin?.end();
      await ended;
    },
  };
}

function endOf(child: ChildProcess): Promise<NodeJS.Signals | number> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? 0));
  });
}
