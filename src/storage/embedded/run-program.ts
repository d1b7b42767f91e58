/**
 * Runs one short program of PostgreSQL to its end, as the server's user, with an environment of our own.
 *
 * Out: how it ended and the last of what it printed. Not here: the server itself, which outlives us (postmaster.ts).
 */
import { spawn } from "node:child_process";
import type { ServerUser } from "./server-user.ts";

export interface ProgramEnd {
  /** Undefined when it could not be started or was killed. */
  readonly exitCode: number | undefined;
  /** System error code of a program that could not be started (ENOENT also means: its loader is missing, as on musl). */
  readonly startError: string | undefined;
  /** The last 4 KiB of standard output and error. */
  readonly output: string;
}

const MAX_OUTPUT_CHARS = 4096;

/** No variable of ours reaches PostgreSQL: not a secret, not PGDATA, not a locale. initdb itself needs a shell and PATH. */
export const PROGRAM_ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } as const;

/** Runs `file` in the folder `cwd`, which its user must be able to enter. Ends early, killed, when `signal` fires. */
export function runProgram(input: {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly user: ServerUser | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<ProgramEnd> {
  const { file, args, cwd, user, signal } = input;
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(file, args, {
      cwd,
      env: PROGRAM_ENVIRONMENT,
      stdio: ["ignore", "pipe", "pipe"],
      ...(user && { uid: user.uid, gid: user.gid }),
      ...(signal && { signal }),
    });
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-MAX_OUTPUT_CHARS);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ exitCode: undefined, startError: error.code ?? "UNKNOWN", output });
    });
    child.on("close", (exitCode) => resolve({ exitCode: exitCode ?? undefined, startError: undefined, output }));
  });
}
