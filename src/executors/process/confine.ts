/**
 * How a program is started so that it is confined: the command lines of every isolation level.
 *
 * In: the machine, what of it was proved, the program. Out: a start. Layers, from outside: own uid, rlimits, namespaces with
 * an allow-list of binds, system-call filter. Not here: starting (launch.ts), proving (self-test.ts).
 */
import { StepgateError } from "../../core/errors.ts";
import type { HandedSecret } from "../../core/secret.ts";
import type { Machine } from "./machine.ts";
import type { ProcessLimits } from "./process-settings.ts";

/** What holds a program. `plain` has its own uid where the service is root, rlimits, and nothing else. */
export interface Confinement {
  readonly walls: "bubblewrap" | "plain";
  readonly hasFilter: boolean;
  /** /proc of the sandbox's own process namespace; container runtimes that mask /proc do not allow it. */
  readonly hasProc: boolean;
}

export interface ConfinedProgram {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Variables too, that may stand in no argument vector: everybody on the machine reads those. */
  readonly secrets: readonly HandedSecret[];
  readonly limits: ProcessLimits;
}

/** Holes for the negative controls of the self-test; nothing else may pass them. */
export interface Holes {
  readonly sharesNetwork?: boolean;
  /** A host folder that the program sees at its own path. */
  readonly folder?: string;
  /** A plain start without rlimits and with whatever privileges a program may gain. */
  readonly isBare?: boolean;
}

/** A start as spawn needs it. */
export interface Start {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number | undefined;
  readonly walls: Confinement["walls"];
  /** Bytes that bubblewrap reads from descriptor 3. */
  readonly filter: Uint8Array | undefined;
  /** Further options that it reads from descriptor 5. */
  readonly options: Uint8Array | undefined;
  readonly strayFds: readonly number[];
}

export const FILTER_FD = 3;
export const STATUS_FD = 4;
export const OPTIONS_FD = 5;
const NOBODY = "65534";
const DEVICES = ["/dev/null", "/dev/full", "/dev/random", "/dev/urandom"] as const;
const DEVICE_LINKS = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
] as const;
const BASE_ENV = { HOME: "/tmp", LANG: "C.UTF-8", PATH: "/usr/bin:/bin" } as const;
const MAX_OPEN_FILES = 256;

/**
 * The start of a program under this confinement.
 *
 * @throws {StepgateError} SANDBOX_UNAVAILABLE when the machine has not what the confinement needs.
 */
export function confine(
  machine: Machine,
  confinement: Confinement,
  program: ConfinedProgram,
  uid: number | undefined,
  holes: Holes = {},
): Start {
  const env = { ...BASE_ENV, ...program.env };
  const limited = [
    needed(machine, "prlimit"),
    ...rlimits(machine, program.limits),
    "--",
    program.path,
    ...program.args,
  ];
  const common = { uid, walls: confinement.walls, strayFds: machine.strayFds };
  if (confinement.walls === "plain") {
    const plain = { ...common, filter: undefined, options: undefined };
    if (holes.isBare === true) return { ...plain, file: program.path, args: program.args, env };
    const { environment, handed } = plainEnvironment(needed(machine, "env"), env, program.secrets);
    const args = ["--pdeathsig", "KILL", "--no-new-privs", "--", ...environment, ...limited];
    return { ...plain, file: needed(machine, "setpriv"), args, env: handed };
  }
  const filter = confinement.hasFilter ? machine.filter : undefined;
  if (confinement.hasFilter && filter === undefined) throw unavailable("filter");
  const args = [
    ...namespaces(holes),
    ...(filter === undefined ? [] : ["--seccomp", String(FILTER_FD)]),
    ...fileSystem(machine, confinement, program, holes),
    "--clearenv",
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...(program.secrets.length === 0 ? [] : ["--args", String(OPTIONS_FD)]),
    "--",
    ...limited,
  ];
  const options = program.secrets.length === 0 ? undefined : Buffer.from(secretOptions(program.secrets));
  return { ...common, file: needed(machine, "bubblewrap"), args, env: {}, filter, options };
}

/** As bubblewrap's `--args` reads them: each ends with U+0000. */
function secretOptions(secrets: readonly HandedSecret[]): string {
  return secrets.map(({ name, value }) => `--setenv\0${name}\0${value}\0`).join("");
}

/**
 * What instruments this process may put names into the environment of every child; `env -i` takes them out again. It would
 * take secrets in its arguments, so with them the environment is inherited, but for what Node puts into every child's.
 */
function plainEnvironment(
  tool: string,
  env: Readonly<Record<string, string>>,
  secrets: readonly HandedSecret[],
): { readonly environment: readonly string[]; readonly handed: Readonly<Record<string, string>> } {
  if (secrets.length === 0)
    return { environment: [tool, "-i", ...Object.entries(env).map(([name, value]) => `${name}=${value}`)], handed: {} };
  const values = Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
  return { environment: [tool, "-u", "NODE_V8_COVERAGE", "-u", "NODE_OPTIONS"], handed: { ...env, ...values } };
}

function namespaces({ sharesNetwork = false }: Holes): readonly string[] {
  return [
    ...["--unshare-user", "--unshare-all", ...(sharesNetwork ? ["--share-net"] : []), "--disable-userns"],
    ...["--uid", NOBODY, "--gid", NOBODY, "--hostname", "stepgate", "--cap-drop", "ALL"],
    ...["--die-with-parent", "--new-session", "--json-status-fd", String(STATUS_FD)],
  ];
}

/** Order matters: bubblewrap works the list off, and `/` turns read-only last. */
function fileSystem(
  { systemBinds }: Machine,
  { hasProc }: Confinement,
  { path, limits }: ConfinedProgram,
  { folder }: Holes,
): readonly string[] {
  return [
    ...systemBinds,
    // without /dev/zero and /dev/shm: memory shared through them is counted by no limit
    ...["--tmpfs", "/dev", ...DEVICES.flatMap((device) => ["--dev-bind", device, device])],
    ...DEVICE_LINKS.flatMap(([target, link]) => ["--symlink", target, link]),
    ...(hasProc ? ["--proc", "/proc"] : []),
    ...["--size", String(limits.file_bytes), "--tmpfs", "/tmp"],
    ...(path.startsWith("/usr/") ? [] : ["--ro-bind", path, path]),
    ...(folder === undefined ? [] : ["--ro-bind", folder, folder]),
    // both are memory of the host that the guest's uid owns, and neither has a size
    ...["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"],
  ];
}

/**
 * Limits of the program and what it starts. Set inside the sandbox, where RLIMIT_NPROC counts this sandbox alone, and
 * bubblewrap's own work is not cut short. RLIMIT_AS is not used: it stops programs that only reserve addresses.
 */
function rlimits({ hardLimits }: Machine, limits: ProcessLimits): readonly string[] {
  // asking for more than our own hard limit would fail; less is only stricter
  const atMost = (name: string, wanted: number) => Math.min(wanted, hardLimits.get(name) ?? wanted);
  const cpuSec = atMost("Max cpu time", limits.cpu_s);
  return [
    `--nproc=${atMost("Max processes", limits.processes + SANDBOX_PROCESSES)}`,
    `--data=${atMost("Max data size", limits.memory_bytes)}`,
    `--fsize=${atMost("Max file size", limits.file_bytes)}`,
    `--nofile=${atMost("Max open files", MAX_OPEN_FILES)}`,
    // SIGXCPU first, so that the exit tells why; SIGKILL a second later
    `--cpu=${cpuSec}:${atMost("Max cpu time", cpuSec + 1)}`,
    "--core=0",
  ];
}

/** bubblewrap's first process in the namespace counts too. */
const SANDBOX_PROCESSES = 1;

function needed(machine: Machine, tool: "bubblewrap" | "env" | "prlimit" | "setpriv"): string {
  const path = machine[tool];
  if (path === undefined) throw unavailable(tool);
  return path;
}

function unavailable(missing: string): StepgateError {
  return new StepgateError("SANDBOX_UNAVAILABLE", { missing });
}
