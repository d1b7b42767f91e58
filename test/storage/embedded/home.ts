/**
 * Homes for tests of the embedded server: temporary, stopped and removed when the test ends, also outside the home.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { type EmbeddedServer, startEmbedded } from "../../../src/storage/embedded/embedded-server.ts";
import type { DatabaseConnection } from "../../../src/storage/pool.ts";
import { silentLog } from "../test-database.ts";

export interface TestHome {
  /** Does not exist yet. */
  readonly home: string;
  /** Where root's server may live: below the test's own folder, unless the server's user cannot enter that. */
  readonly rootParents: readonly string[];
  readonly start: () => Promise<EmbeddedServer>;
  readonly spawn: (program?: string) => Member;
}

export interface Member {
  readonly child: ChildProcessWithoutNullStreams;
  /** The first line that has this field; fails when the process ends before. */
  readonly line: (field: "ready" | "stopped" | "code") => Promise<MemberLine>;
  /** Waits until its start has come to this point. */
  readonly progress: (name: string) => Promise<void>;
  /** Tells whether its start has come to this point so far. */
  readonly saw: (name: string) => boolean;
  /** Lets it stop the way a process should. */
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

export interface MemberLine {
  readonly progress?: string;
  readonly role?: "owner" | "member";
  readonly code?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly dataDirectory?: string;
  readonly connection?: DatabaseConnection;
}

const MEMBER = fileURLToPath(new URL("./member.ts", import.meta.url));

/** A home below a new temporary folder; `name` may be long. Root's server may live in the same folder. */
export async function makeTestHome(t: Test, name = "home"): Promise<TestHome> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "stepgate-embedded-")));
  const home = join(folder, name);
  const rootParents = [tmpdir(), "/var/lib"];
  const members: Member[] = [];
  const servers: EmbeddedServer[] = [];
  t.teardown(async () => {
    await Promise.all(members.map((member) => member.kill()));
    await Promise.all(servers.map((server) => server.stop()));
    await killServer(home);
    await removeOutside(home);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    home,
    rootParents,
    start: async () => {
      const server = await startEmbedded({ home, log: silentLog, rootParents });
      servers.push(server);
      return server;
    },
    spawn: (program = MEMBER) => {
      const member = spawnMember([program, home, ...rootParents]);
      members.push(member);
      return member;
    },
  };
}

/** The data folder of a home that was started, wherever it is. */
export async function dataFolderOf(home: string): Promise<string> {
  return join((await recorded(home, "place.json")) ?? join(home, "pg"), "data");
}

/** Kills the server of a home, if it runs, as a crash of the machine would: its lock file stays. */
export async function killServer(home: string): Promise<number | undefined> {
  const lock = await readFile(join(await dataFolderOf(home), "postmaster.pid"), "utf8").catch(() => undefined);
  const pid = Number(lock?.split("\n")[0]);
  if (lock === undefined || !isPostgres(await commandOf(pid))) return undefined;
  process.kill(pid, "SIGKILL");
  return pid;
}

/** Folders of root's server and sockets with short names, which are not below the home. */
async function removeOutside(home: string): Promise<void> {
  for (const file of ["place.json", "socket.json"]) {
    const path = await recorded(home, file);
    if (path !== undefined) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function recorded(home: string, file: string): Promise<string | undefined> {
  const record = await readFile(join(home, "pg", file), "utf8").catch(() => "");
  return /"(?:root|path)":"([^"]+)"/.exec(record)?.[1];
}

async function commandOf(pid: number): Promise<string> {
  return await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
}

function isPostgres(command: string): boolean {
  return command.split("\0")[0]?.endsWith("/postgres") === true;
}

function spawnMember(args: readonly string[]): Member {
  // without the test runner's loaders, which would cost a second
  const child = spawn(process.execPath, args, {
    env: { PATH: "/usr/bin:/bin", TMPDIR: tmpdir() },
    cwd: dirname(MEMBER),
  });
  const lines: MemberLine[] = [];
  const ended = once(child, "close");
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  const reader = createInterface(child.stdout).on("line", (text) => lines.push(JSON.parse(text) as MemberLine));
  const until = async (wanted: (line: MemberLine) => boolean): Promise<MemberLine> => {
    for (;;) {
      const found = lines.find(wanted);
      if (found !== undefined) return found;
      const isOpen = await Promise.race([once(reader, "line").then(() => true), ended.then(() => false)]);
      if (!isOpen && !lines.some(wanted)) throw new Error(`it ended: ${JSON.stringify(lines)} ${stderr}`);
    }
  };
  const line: Member["line"] = (field) => until((each) => field in each);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await line("stopped");
    await ended;
  };
  const progress: Member["progress"] = async (name) => {
    await until((each) => each.progress === name);
  };
  const saw: Member["saw"] = (name) => lines.some((each) => each.progress === name);
  return { child, line, progress, saw, stop, kill };
}

/** Entries of a folder whose names hold `part`. */
export async function namesWith(folder: string, part: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.includes(part));
}
