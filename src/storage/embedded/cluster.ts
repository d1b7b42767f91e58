/**
 * Makes the data folder once: initdb into a temporary folder, then one rename.
 *
 * Two first starts at once both make a cluster and one rename wins; a kill at any moment leaves either nothing or a whole
 * cluster. Data that was there and is gone is refused, never replaced by an empty one. Not here: starting it (postmaster.ts).
 */
import { chmod, chown, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unlessDiskFull } from "../../core/disk-full.ts";
import { isStepgateError, StepgateError } from "../../core/errors.ts";
import { ownUid } from "../../core/own-user.ts";
import type { Binaries } from "./binaries.ts";
import { markerPath, type Place } from "./place.ts";
import {
  absent,
  checkPrivateFolder,
  readPrivateFile,
  syncFolder,
  TEMPORARY_MARK,
  temporaryName,
  writeFileOnce,
} from "./private-files.ts";
import { type ProgramEnd, runProgram } from "./run-program.ts";
import { namedAccount } from "./server-user.ts";
import { isSystemError } from "./system-error.ts";

/** The superuser of the cluster, and the name of the product's database in it. */
export const SUPERUSER = "stepgate";

/**
 * Makes the cluster unless it exists, and checks that these programs can open it.
 *
 * @throws {StepgateError} EMBEDDED_FAILED, EMBEDDED_USER_NAMELESS, DISK_FULL, HOME_UNSAFE.
 */
export async function ensureCluster(input: {
  readonly place: Place;
  readonly binaries: Binaries;
  readonly signal: AbortSignal | undefined;
  readonly onCreate: () => void;
}): Promise<void> {
  const { place, binaries, signal, onCreate } = input;
  const marker = markerPath(place);
  if ((await lstat(place.dataDirectory).catch(absent)) === undefined) {
    if ((await readPrivateFile(marker)) !== undefined) throw failed("the data folder is gone", place.dataDirectory);
    onCreate();
    await createCluster(place, binaries, signal);
  }
  await checkPrivateFolder(place.dataDirectory, place.user);
  await writeFileOnce(marker, "1\n");
  await checkMajor(place, binaries);
  await removeLeftovers(place.root);
}

async function createCluster(place: Place, binaries: Binaries, signal: AbortSignal | undefined): Promise<void> {
  const temporary = temporaryName(place.dataDirectory);
  const [data, passwordFile] = [join(temporary, "data"), join(temporary, "password")];
  try {
    await mkdir(temporary, { mode: 0o700 });
    await writeFile(passwordFile, place.password, { mode: 0o600, flag: "wx" });
    if (place.user) {
      await chown(passwordFile, place.user.uid, place.user.gid);
      await chown(temporary, place.user.uid, place.user.gid);
    }
    const args = initdbArguments(data, passwordFile);
    const end = await runInitdb({ file: binaries.initdb, args, cwd: place.root, user: place.user, signal });
    signal?.throwIfAborted();
    if (end.exitCode !== 0) throw initdbFailure(end);
    await chmod(data, 0o700);
    await rename(data, place.dataDirectory);
    await syncFolder(place.root);
  } catch (cause) {
    // another first start was quicker: its cluster is the one, whatever became of ours
    if ((await lstat(place.dataDirectory).catch(absent)) !== undefined) return;
    signal?.throwIfAborted();
    if (isStepgateError(cause, "EMBEDDED_USER_NAMELESS")) throw cause;
    throw failed("the cluster could not be made", place.dataDirectory, cause);
  } finally {
    await removeFolder(temporary);
  }
}

/** initdb, alone of all programs here, asks the system for its user's name; the words are its own in the locale we give it. */
const NAMELESS = /could not look up effective user ID/;

/**
 * Runs initdb; where nothing names its user, in a user namespace in which it has the number of an account that has a name.
 *
 * What it makes belongs to its real user. @throws {StepgateError} EMBEDDED_USER_NAMELESS where there is no such namespace.
 */
async function runInitdb(program: Parameters<typeof runProgram>[0]): Promise<ProgramEnd> {
  const end = await runProgram(program);
  if (end.exitCode === 0 || !NAMELESS.test(end.output)) return end;
  const { uid, gid } = await namedAccount();
  const namespace = ["--user", `--map-user=${uid}`, `--map-group=${gid}`, "--"];
  const named = await runProgram({ ...program, file: "unshare", args: [...namespace, program.file, ...program.args] });
  // it got as far as having a name: whatever went wrong then is another thing
  if (named.exitCode === 0 || /^initdb: (?!.*effective user ID)/m.test(named.output)) return named;
  const own = program.user?.uid ?? ownUid();
  const cause = new Error(`unshare: ${named.startError ?? named.exitCode}: ${named.output}`);
  throw new StepgateError("EMBEDDED_USER_NAMELESS", { uid: own }, { cause });
}

/** A program has only its words to say why; they are the C library's own in the locale we give it. */
function initdbFailure({ startError, exitCode, output }: ProgramEnd): Error {
  const failure = new Error(`initdb: ${startError ?? exitCode}: ${output}`);
  return /No space left on device|Check free disk space/.test(output)
    ? Object.assign(failure, { code: "ENOSPC" })
    : failure;
}

/** The C.UTF-8 of PostgreSQL itself: the same order on every system, whatever locales it has. */
function initdbArguments(data: string, passwordFile: string): readonly string[] {
  return [
    ...["-D", data, "-U", SUPERUSER, `--pwfile=${passwordFile}`],
    ...["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums"],
    ...["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ...["--no-instructions", "--set=listen_addresses="],
  ];
}

async function checkMajor(place: Place, binaries: Binaries): Promise<void> {
  const text = await readFile(join(place.dataDirectory, "PG_VERSION"), "utf8").catch((cause: unknown) => {
    throw failed("the data folder holds no cluster", place.dataDirectory, cause);
  });
  if (Number(text) === binaries.major) return;
  throw new StepgateError("EMBEDDED_FAILED", {
    reason: "the data was made by another major version of PostgreSQL",
    path: place.dataDirectory,
    dataMajor: Number(text),
    programMajor: binaries.major,
  });
}

/** What killed first starts left behind. Whoever still works on one finds the cluster made, and gives up. */
async function removeLeftovers(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (name.startsWith(`data${TEMPORARY_MARK}`)) await removeFolder(join(root, name));
  }
}

/** An initdb whose starter was killed may still be writing there: then the next start removes it. */
async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (caught) {
    if (!isSystemError(caught, "ENOTEMPTY", "EBUSY")) throw caught;
  }
}

function failed(reason: string, path: string, cause?: unknown): StepgateError {
  return unlessDiskFull(new StepgateError("EMBEDDED_FAILED", { reason, path }, { cause }));
}
