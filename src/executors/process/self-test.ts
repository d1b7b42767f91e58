/**
 * Proves which isolation this machine gives, by attacking it: the strongest confinement whose probe reaches nothing, and
 * whose negative controls reach what they should (E5). A probe that could not see a hole proves no wall.
 *
 * In: the machine, slots, a folder to plant in. Out: the level, the confinement to use, one line per check.
 */
import { readFileSync } from "node:fs";
import type { IsolationLevel } from "../../core/isolation.ts";
import type { IsolationReport } from "../contract.ts";
import { advise } from "./advice.ts";
import { type Confinement, confine, type Holes } from "./confine.ts";
import { launch } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { type Plantation, plant } from "./planted.ts";
import { probeArgs, readProbe } from "./probe.ts";
import type { SlotPool } from "./slots.ts";

export interface Proof {
  /** Undefined at level `none`: then no program is started. */
  readonly confinement: Confinement | undefined;
  readonly report: IsolationReport;
}

export interface SelfTestDeps {
  readonly machine: Machine;
  readonly slots: SlotPool;
  /** Where the canary is planted; every uid must be able to enter it. */
  readonly scratchFolder: string;
}

type Check = IsolationReport["checks"][number];
type Findings = ReadonlyMap<string, string>;

interface Sighting {
  /** Undefined when the probe did not come to its end. */
  readonly findings: Findings | undefined;
  readonly detail: string;
}

const PROBE_LIMITS = {
  wall_ms: 5000,
  cpu_s: 5,
  memory_bytes: 2 ** 28,
  processes: 16,
  output_bytes: 16_384,
  file_bytes: 65_536,
};
const PROCESS_LIMIT = String(PROBE_LIMITS.processes + 1);
const MAX_PIDS_INSIDE = 4;
const NEVER = new AbortController().signal;

/**
 * Tries confinements from the strongest down; the first that holds gives the level.
 *
 * @throws {StepgateError} SANDBOX_UNAVAILABLE when nothing can be planted.
 */
export async function proveIsolation(deps: SelfTestDeps): Promise<Proof> {
  const checks: Check[] = [];
  const planted = await plant(deps.scratchFolder);
  try {
    for (const confinement of candidates(deps.machine)) {
      const tried = await tryConfinement(deps, planted, confinement);
      checks.push(...tried);
      if (!tried.every(({ held }) => held)) continue;
      const level = levelOf(deps.machine, confinement);
      return { confinement, report: { level, checks, advice: advise(deps.machine, level, checks) } };
    }
    return { confinement: undefined, report: { level: "none", checks, advice: advise(deps.machine, "none", checks) } };
  } finally {
    await planted.remove();
  }
}

function candidates({ bubblewrap, prlimit, setpriv, env, perl, filter }: Machine): readonly Confinement[] {
  if (prlimit === undefined || perl === undefined) return [];
  const walled = (hasFilter: boolean): readonly Confinement[] =>
    // container runtimes that mask /proc refuse a new one; without it the walls are the same
    [true, false].map((hasProc) => ({ walls: "bubblewrap", hasFilter, hasProc }));
  return [
    ...(bubblewrap === undefined || filter === undefined ? [] : walled(true)),
    ...(bubblewrap === undefined ? [] : walled(false)),
    ...(setpriv === undefined || env === undefined
      ? []
      : [{ walls: "plain", hasFilter: false, hasProc: true } as const]),
  ];
}

/** Without root there is no second uid, and without a filter the whole kernel is open: both are `namespaces` only. */
function levelOf({ isRoot }: Machine, { walls, hasFilter }: Confinement): IsolationLevel {
  if (walls === "plain") return "process";
  return isRoot && hasFilter ? "namespaces+seccomp+uid" : "namespaces";
}

async function tryConfinement(
  deps: SelfTestDeps,
  planted: Plantation,
  confinement: Confinement,
): Promise<readonly Check[]> {
  const { walls, hasFilter, hasProc } = confinement;
  const prefix = `${walls}${hasFilter ? "+seccomp" : ""}${walls === "bubblewrap" && !hasProc ? " without /proc" : ""}`;
  const uids: OuterUid[] = [];
  const real = sight(deps, planted, { confinement, holes: {}, uids });
  if (walls === "plain") {
    const bare = await sight(deps, planted, { confinement, holes: { isBare: true } });
    return named(prefix, [...plainChecks(await real), uidCheck(deps.machine, uids), bareControl(bare)]);
  }
  // the filter refuses unix sockets by itself, so the controls that must reach one run without it
  const open = { ...confinement, hasFilter: false };
  const [seen, network, folder] = await Promise.all([
    real,
    sight(deps, planted, { confinement: open, holes: { sharesNetwork: true } }),
    sight(deps, planted, { confinement: open, holes: { folder: planted.folder } }),
  ]);
  return named(prefix, [
    ...wallChecks(seen, confinement),
    uidCheck(deps.machine, uids),
    expect(network, "control: shared network", { tcp: "yes", unix_abstract: "yes", canary: "no", unix_path: "no" }),
    expect(folder, "control: canary's folder bound", {
      canary: "yes",
      unix_path: "yes",
      tcp: "no",
      unix_abstract: "no",
    }),
    ...(hasFilter ? [expect(network, "control: no filter", { ptrace: "yes" })] : []),
    // where there is no table of calls, nobody can ask for one
    ...(deps.machine.filter === undefined
      ? []
      : [expect(network, "nested user namespaces, without the filter", { nested: "no" })]),
  ]);
}

interface OuterUid {
  readonly wanted: number | undefined;
  readonly real: string;
}

interface Attempt {
  readonly confinement: Confinement;
  readonly holes: Holes;
  readonly uids?: OuterUid[];
}

async function sight(
  { machine, slots }: SelfTestDeps,
  planted: Plantation,
  { confinement, holes, uids }: Attempt,
): Promise<Sighting> {
  const slot = await slots.take(NEVER);
  if (slot === undefined) return { findings: undefined, detail: "no slot" };
  try {
    const args = probeArgs(planted, machine.arch);
    const program = { path: machine.perl ?? "", args, env: {}, secrets: [], limits: PROBE_LIMITS };
    const result = await launch(confine(machine, confinement, program, slot.uid, holes), {
      stdin: "",
      wallMs: PROBE_LIMITS.wall_ms,
      maxOutputBytes: PROBE_LIMITS.output_bytes,
      graceMs: 0,
      signal: NEVER,
      onSpawn: (pid) => uids?.push({ wanted: slot.uid, real: outerUid(pid) }),
    });
    if (result.kind === "not_started") return { findings: undefined, detail: result.message };
    const detail = result.kind === "stopped" ? result.cause : `exit ${result.exitCode}`;
    return { findings: readProbe(result.stdout), detail };
  } finally {
    slot.release();
  }
}

/** Real, effective, saved and file system uid as the host sees them. */
function outerUid(pid: number): string {
  return /^Uid:\s+(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]?.replaceAll("\t", ",") ?? "";
}

function uidCheck({ isRoot }: Machine, [uid]: readonly OuterUid[]): Check {
  const wanted = isRoot ? uid?.wanted : process.geteuid?.();
  const held = wanted !== undefined && wanted !== 0 && uid?.real === Array(4).fill(wanted).join(",");
  return { name: "uid on the host", held, detail: uid?.real ?? "not started" };
}

function wallChecks(seen: Sighting, { hasFilter, hasProc }: Confinement): readonly Check[] {
  const { findings } = seen;
  const count = (name: string) => Number(findings?.get(name) ?? Number.NaN);
  return [
    expect(seen, "canary file", { canary: "no" }),
    expect(seen, "TCP to the host", { tcp: "no" }),
    expect(seen, "unix sockets of the host", { unix_path: "no", unix_abstract: "no" }),
    expect(seen, "nothing writable outside /tmp", { writable: "" }),
    expect(seen, "uid inside", { uid: "65534,65534" }),
    {
      name: "host processes",
      held: count("pids") <= MAX_PIDS_INSIDE && count("pid") <= MAX_PIDS_INSIDE,
      detail: said(seen, "pids", "pid"),
    },
    ...ownChecks(seen, "HOME,LANG,PATH,PWD"),
    ...(hasProc
      ? [
          expect(seen, "no privileges", { no_new_privs: "1", capabilities: "0" }),
          expect(seen, "rlimits", { processes: PROCESS_LIMIT }),
        ]
      : []),
    ...(hasFilter ? [expect(seen, "system-call filter", { ptrace: "no" })] : []),
  ];
}

function plainChecks(seen: Sighting): readonly Check[] {
  return [
    ...ownChecks(seen, "HOME,LANG,PATH"),
    expect(seen, "no new privileges", { no_new_privs: "1" }),
    expect(seen, "rlimits", { processes: PROCESS_LIMIT }),
  ];
}

function bareControl(seen: Sighting): Check {
  const processes = seen.findings?.get("processes");
  return {
    name: "control: no rlimits",
    held: processes !== undefined && processes !== PROCESS_LIMIT,
    detail: said(seen, "processes"),
  };
}

/** What a program of any level must not get from the service itself. */
function ownChecks(seen: Sighting, environment: string): readonly Check[] {
  return [expect(seen, "inherited descriptors", { descriptors: "" }), expect(seen, "environment", { environment })];
}

function expect(seen: Sighting, name: string, wanted: Readonly<Record<string, string>>): Check {
  const held = Object.entries(wanted).every(([finding, value]) => seen.findings?.get(finding) === value);
  return { name, held, detail: said(seen, ...Object.keys(wanted)) };
}

function said({ findings, detail }: Sighting, ...names: readonly string[]): string {
  if (findings === undefined) return `the probe did not end: ${detail}`;
  return names.map((name) => `${name}: ${findings.get(name) ?? "unknown"}`).join(", ");
}

function named(prefix: string, checks: readonly Check[]): readonly Check[] {
  return checks.map((check) => ({ ...check, name: `${prefix}: ${check.name}` }));
}
