/**
 * Which listed program a command means, and whether the file is still the one that was listed (E1).
 *
 * In: settings and inputs. Out: the program with its arguments, or a stable reason. Reads the file's metadata, and its
 * bytes once per version when a digest is listed. Not here: running it.
 */
import { type BigIntStats, lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { sha256Hex } from "../../core/canonical-json.ts";
import type { ProcessInputs } from "./process-inputs.ts";
import type { ProcessSettings, Program } from "./process-settings.ts";

const DEFAULT_MAX_ARGS = 64;
const MAX_REMEMBERED_DIGESTS = 1024;
const WRITABLE_BY_OTHERS = 0o022n;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;

export type ProgramFault =
  | "program_not_listed"
  | "program_missing"
  | "program_is_link"
  | "program_not_a_file"
  | "program_writable"
  | "program_digest";

/** What a command means by the settings alone; no file is looked at. */
export interface ListedCommand {
  readonly program: Program;
  /** The program's fixed arguments, then the step's. */
  readonly args: readonly string[];
}

/** The listed program that `command[0]` names, by its name or its exact path; undefined when there is none. */
export function listedCommand({ programs }: ProcessSettings, { command }: ProcessInputs): ListedCommand | undefined {
  const [wanted = "", ...args] = command;
  const named = Object.hasOwn(programs, wanted) ? programs[wanted] : undefined;
  const program = named ?? Object.values(programs).find(({ path }) => path === wanted);
  return program && { program, args: [...(program.fixed_args ?? []), ...args] };
}

/** Codes of what a step asks of a listed program beyond what its settings allow. */
export function excesses(
  { max_args: maxArgs = DEFAULT_MAX_ARGS, env: names = [] }: Program,
  inputs: ProcessInputs,
): readonly string[] {
  const reasons: string[] = [];
  if (inputs.command.length - 1 > maxArgs) reasons.push("too_many_arguments");
  if (Object.keys(inputs.env ?? {}).some((name) => !names.includes(name))) reasons.push("env_not_allowed");
  return reasons;
}

/**
 * Makes the check that a program's file is the one that was listed; undefined when it is.
 *
 * A digest is remembered by device, inode, size and times of the file, so that a program is read once per version. What
 * others may write or put another file in place of is refused, since nothing would hold between this check and the start.
 */
export function makeProgramCheck(): (program: Program) => ProgramFault | undefined {
  const digests = new Map<string, string>();
  const digestOf = (path: string, { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string => {
    const version = `${path} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    const digest = digests.get(version) ?? sha256Hex(readFileSync(path));
    if (digests.size >= MAX_REMEMBERED_DIGESTS) digests.clear();
    digests.set(version, digest);
    return digest;
  };
  return ({ path, sha256 }) => {
    try {
      const real = realpathSync(path);
      // where /bin is a link to /usr/bin, both spell one file; any other link may be turned elsewhere later
      if (real !== path && real !== `/usr${path}`) return "program_is_link";
      const file = lstatSync(real, { bigint: true });
      if (!file.isFile()) return "program_not_a_file";
      if ((file.mode & WRITABLE_BY_OTHERS) !== 0n || isReplaceable(real)) return "program_writable";
      return sha256 === undefined || digestOf(real, file) === sha256 ? undefined : "program_digest";
    } catch {
      // not there, or not readable by us: either way it cannot be shown to be the listed one
      return "program_missing";
    }
  };
}

/** Whether a folder above the file lets everybody move it away. */
function isReplaceable(path: string): boolean {
  const folder = dirname(path);
  const { mode } = lstatSync(folder);
  if ((mode & WRITABLE_BY_ALL) !== 0 && (mode & STICKY) === 0) return true;
  return folder !== path && folder !== "/" && isReplaceable(folder);
}
