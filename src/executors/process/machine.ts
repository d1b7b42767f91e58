/**
 * What this machine has that a sandbox can be made of: programs, uid, system folders, limits.
 *
 * In: nothing. Out: facts as they are now; looked up again at every self-test. Not here: whether a sandbox made of them
 * holds (self-test.ts).
 */
import { accessSync, constants, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { seccompFilter } from "./seccomp-filter.ts";

export interface Machine {
  readonly bubblewrap: string | undefined;
  readonly prlimit: string | undefined;
  readonly setpriv: string | undefined;
  readonly env: string | undefined;
  readonly perl: string | undefined;
  readonly arch: string;
  /** Whether the service may give a program another uid. */
  readonly isRoot: boolean;
  readonly filter: Uint8Array | undefined;
  /** Options of bubblewrap that show the system's programs and libraries, and nothing else, read-only. */
  readonly systemBinds: readonly string[];
  /** Hard limits of this process by the names of /proc/self/limits; a child cannot be given more. */
  readonly hardLimits: ReadonlyMap<string, number>;
  /** Descriptors above stderr that this process inherited and would pass on. */
  readonly strayFds: readonly number[];
}

const PROGRAM_FOLDERS = ["/usr/bin", "/bin", "/usr/local/bin"] as const;
const SYSTEM_FOLDERS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] as const;
const SYSTEM_FILES = ["/etc/alternatives", "/etc/ld.so.cache"] as const;
const O_CLOEXEC = 0o2000000;

/** Looks at the machine. On anything but Linux nothing is found, so that no level above `none` can be proved. */
export function surveyMachine(): Machine {
  const isLinux = process.platform === "linux";
  const find = (program: string) => (isLinux ? findProgram(program) : undefined);
  return {
    bubblewrap: find("bwrap"),
    prlimit: find("prlimit"),
    setpriv: find("setpriv"),
    env: find("env"),
    perl: find("perl"),
    arch: process.arch,
    isRoot: process.geteuid?.() === 0,
    filter: isLinux ? seccompFilter(process.arch) : undefined,
    systemBinds: isLinux ? systemBinds() : [],
    hardLimits: isLinux ? hardLimits(readFileSync("/proc/self/limits", "latin1")) : new Map(),
    strayFds: isLinux ? strayFds() : [],
  };
}

/** By fixed folders, never by PATH: who sets our environment must not choose our sandbox. */
function findProgram(program: string): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => `${folder}/${program}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function systemBinds(): readonly string[] {
  const folders = SYSTEM_FOLDERS.flatMap((path) => {
    const entry = lstatSync(path, { throwIfNoEntry: false });
    if (entry === undefined) return [];
    return entry.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
  });
  return ["--ro-bind", "/usr", "/usr", ...folders, ...SYSTEM_FILES.flatMap((path) => ["--ro-bind-try", path, path])];
}

/** Lines such as `Max open files   1024   524288   files`; what is unlimited has no entry. */
function hardLimits(text: string): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, hard] = /^(Max [a-z ]+?) {2,}\S+ +(\d+)/.exec(line) ?? [];
    if (name !== undefined) limits.set(name, Number(hard));
  }
  return limits;
}

/** Node opens with O_CLOEXEC, so only what its own parent left open is passed on; a sandbox must not see that either. */
function strayFds(): readonly number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => {
      if (fd <= 2) return false;
      const info = readIfThere(`/proc/self/fdinfo/${fd}`);
      const flags = /^flags:\s+0?([0-7]+)$/m.exec(info)?.[1] ?? "0";
      return info !== "" && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
    });
}

/** The folder's own descriptor is gone by the time it is looked at. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
