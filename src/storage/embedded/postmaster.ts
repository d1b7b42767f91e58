/**
 * The server's process: started so that it outlives us, stopped by a signal, its lock files judged.
 *
 * PostgreSQL's own lock decides who serves a data folder; we only set a lock aside whose process id has gone to a program
 * that is not this server, since PostgreSQL takes any living process for the holder. Not here: joining it (presence.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants, link, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { unlessDiskFull } from "../../core/disk-full.ts";
import { StepgateError } from "../../core/errors.ts";
import type { Binaries } from "./binaries.ts";
import { type Place, SOCKET_PORT } from "./place.ts";
import { absent, temporaryName } from "./private-files.ts";
import { PROGRAM_ENVIRONMENT, runProgram } from "./run-program.ts";
import { serverSettings } from "./settings.ts";
import { isSystemError } from "./system-error.ts";

const MAX_LOG_BYTES = 1024 * 1024;

/** The server's log: startup, shutdown and crashes; never a statement (settings.ts). */
export function logPath(place: Place): string {
  return join(place.folder, "server.log");
}

/**
 * Starts the server in a session of its own: our terminal's Ctrl-C must not stop it under us, nor our death.
 *
 * @throws {StepgateError} EMBEDDED_FAILED when the program cannot be started; DISK_FULL when its log cannot.
 */
export async function spawnPostmaster(place: Place, binaries: Binaries): Promise<ChildProcess> {
  const path = logPath(place);
  const log = await openLog(path).catch((cause: unknown) => {
    const reason = "the server's log cannot be opened";
    throw unlessDiskFull(new StepgateError("EMBEDDED_FAILED", { reason, path }, { cause }));
  });
  try {
    const settings = Object.entries(serverSettings(place)).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(binaries.postgres, ["-D", place.dataDirectory, ...settings], {
      cwd: place.root,
      env: PROGRAM_ENVIRONMENT,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      ...(place.user && { uid: place.user.uid, gid: place.user.gid }),
    });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    return child;
  } catch (cause) {
    throw new StepgateError("EMBEDDED_FAILED", { reason: "the server's program could not be started" }, { cause });
  } finally {
    await log.close();
  }
}

/** Process id of the server that holds the data folder, as its lock file says; undefined without one. */
export async function readPostmasterPid(place: Place): Promise<number | undefined> {
  return pidOf(await readFile(postmasterLock(place), "utf8").catch(absent));
}

/** Tells whether a running server holds the data folder, although it may not answer yet. */
export async function isPostmasterAlive(place: Place): Promise<boolean> {
  const pid = await readPostmasterPid(place);
  return pid !== undefined && (await judgeHolder(pid, place)) === "server";
}

/** Sends a signal; a server that has just ended is no error. */
export function signalPostmaster(pid: number, signal: "SIGINT" | "SIGQUIT"): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    if (isSystemError(cause, "ESRCH")) return;
    throw new StepgateError("EMBEDDED_FAILED", { reason: "the server cannot be signalled", pid }, { cause });
  }
}

/** Sets aside lock files whose process is alive but is not this server: its pid was used again. */
export async function setAsideRecycledLocks(place: Place): Promise<number> {
  let count = 0;
  for (const path of [postmasterLock(place), join(place.socketFolder, `.s.PGSQL.${SOCKET_PORT}.lock`)]) {
    const text = await readFile(path, "utf8").catch(absent);
    const pid = pidOf(text);
    if (text === undefined || pid === undefined || (await judgeHolder(pid, place)) !== "other") continue;
    if (await setAside(path, text)) count += 1;
  }
  return count;
}

/**
 * Takes away one lock file, if it is still the one that was judged: another process may have started the server since.
 * Were it all wrong, PostgreSQL would still refuse to start beside live backends, by its shared memory.
 */
async function setAside(path: string, judged: string): Promise<boolean> {
  const aside = temporaryName(path);
  try {
    await rename(path, aside);
    if ((await readFile(aside, "utf8")) === judged) return true;
    await link(aside, path);
    return false;
  } catch (cause) {
    if (isSystemError(cause, "ENOENT", "EEXIST")) return false;
    throw new StepgateError("EMBEDDED_FAILED", { reason: "a stale lock file cannot be moved", path }, { cause });
  } finally {
    await rm(aside, { force: true });
  }
}

/** `server`: it runs on our data folder. `other`: some other program has this pid. `unknown`: the system does not tell. */
async function judgeHolder(pid: number, place: Place): Promise<"dead" | "server" | "other" | "unknown"> {
  if (!isAlive(pid)) return "dead";
  const args = await readArguments(pid, place);
  // a process that cannot be looked at is left alone: PostgreSQL then refuses to start, and says whom it takes for the holder
  if (args === undefined) return isAlive(pid) ? "unknown" : "dead";
  return args.includes(place.dataDirectory) ? "server" : "other";
}

async function readArguments(pid: number, place: Place): Promise<readonly string[] | undefined> {
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
    return text?.split("\0");
  }
  const args = ["-ww", "-o", "command=", "-p", String(pid)];
  const end = await runProgram({ file: "/bin/ps", args, cwd: "/", user: undefined });
  if (end.exitCode !== 0) return undefined;
  return end.output.includes(` ${place.dataDirectory} `) ? [place.dataDirectory] : [];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (caught) {
    return !isSystemError(caught, "ESRCH");
  }
}

/** The first line; negative for a lone backend, which holds the folder just as well. */
function pidOf(text: string | undefined): number | undefined {
  const pid = Math.abs(Number(text?.split("\n")[0]));
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

function postmasterLock(place: Place): string {
  return join(place.dataDirectory, "postmaster.pid");
}

async function openLog(path: string) {
  const size = (await stat(path).catch(absent))?.size ?? 0;
  if (size > MAX_LOG_BYTES) await rename(path, `${path}.old`);
  return await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}
