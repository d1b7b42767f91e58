/**
 * Where the embedded server of one home folder lives: its data, its socket, its password, its log.
 *
 * Normally `<home>/pg`. As root the server's own user cannot enter a 0700 home, so data, socket and programs live in a
 * folder it can enter, and the home records which. Not here: making the cluster (cluster.ts), programs (binaries.ts).
 */
import { randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unlessDiskFull } from "../../core/disk-full.ts";
import { StepgateError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { parseJson } from "../../core/parse-json.ts";
import { absent, checkPrivateFolder, ensurePrivateFolder, readPrivateFile, writeFileOnce } from "./private-files.ts";
import { runProgram } from "./run-program.ts";
import { chooseServerUser, isExecutorUid, type ServerUser } from "./server-user.ts";
import { isSystemError } from "./system-error.ts";

export interface Place {
  /** `<home>/pg`: ours, 0700; the records, the password, the log. */
  readonly folder: string;
  /** Holds data, programs and socket: `folder` itself, or the recorded one that the server's user can enter. */
  readonly root: string;
  readonly dataDirectory: string;
  readonly socketFolder: string;
  /** Undefined: the server runs as ourselves. */
  readonly user: ServerUser | undefined;
  readonly password: string;
}

/** PostgreSQL names its socket after a port, although it listens on none. */
export const SOCKET_PORT = 5432;
/** A socket's address holds 108 bytes on Linux, 104 on macOS, the closing zero included. */
const MAX_SOCKET_PATH_BYTES = 100;
/** Under which root's server may live. The temporary folders come last: some systems empty them. */
const ROOT_PARENTS = ["/var/lib", "/var/tmp"] as const;

/**
 * Opens the place of a home folder, making what is missing; what two processes make at once is the same for both.
 *
 * @throws {StepgateError} HOME_UNSAFE, KEY_FILE_UNSAFE, DISK_FULL, EMBEDDED_FAILED, EMBEDDED_UNSUPPORTED.
 */
export async function openPlace(
  home: string,
  rootParents: readonly string[] = [...ROOT_PARENTS, tmpdir()],
): Promise<Place> {
  await makeHome(home);
  await checkPrivateFolder(home);
  const folder = join(await realpath(home), "pg");
  await ensurePrivateFolder(folder);
  const password = await readOrWrite(join(folder, "password"), () => newPassword(folder));
  const chosen = await chooseServerUser();
  const { root, user } =
    chosen === undefined
      ? { root: folder, user: undefined }
      : parseRootRecord(await readOrWrite(join(folder, ROOT_RECORD), () => newRootRecord(chosen, rootParents)));
  if (user) await ensureRoot(root, user);
  const socketFolder = await chooseSocketFolder(folder, root, user);
  await ensurePrivateFolder(socketFolder, user);
  return placeOf({ folder, root, socketFolder, user, password });
}

/** Finds the place of a home folder and changes nothing; undefined before the first start. */
export async function findPlace(home: string): Promise<Place | undefined> {
  const folder = await realpath(join(home, "pg")).catch(absent);
  const password = folder && (await readPrivateFile(join(folder, "password")));
  if (folder === undefined || password === undefined) return undefined;
  const record = await readPrivateFile(join(folder, ROOT_RECORD));
  const { root, user } = record === undefined ? { root: folder, user: undefined } : parseRootRecord(record);
  const recorded = await readPrivateFile(join(folder, SOCKET_RECORD));
  const socketFolder = isShortEnough(socketBeside(root)) ? socketBeside(root) : recorded && parsePath(recorded, "path");
  return socketFolder === undefined ? undefined : placeOf({ folder, root, socketFolder, user, password });
}

/** Written when the cluster has been made: from then on neither data nor password may be missing. */
export function markerPath(place: Pick<Place, "folder">): string {
  return join(place.folder, "initialised");
}

const ROOT_RECORD = "place.json";
const SOCKET_RECORD = "socket.json";

function placeOf(place: Omit<Place, "dataDirectory">): Place {
  return { ...place, dataDirectory: join(place.root, "data") };
}

async function readOrWrite(path: string, make: () => Promise<string>): Promise<string> {
  const found = await readPrivateFile(path);
  if (found !== undefined) return found;
  await writeFileOnce(path, await make());
  const written = await readPrivateFile(path);
  if (written === undefined) throw new StepgateError("KEY_FILE_UNSAFE", { path, reason: "it was removed" });
  return written;
}

async function newPassword(folder: string): Promise<string> {
  if ((await readPrivateFile(markerPath({ folder }))) === undefined) return randomBytes(32).toString("base64url");
  throw new StepgateError("EMBEDDED_FAILED", { reason: "the password file is gone", path: join(folder, "password") });
}

/** `run` beside the data, or, where that makes the socket's path too long, a private folder with a recorded short name. */
async function chooseSocketFolder(folder: string, root: string, user: ServerUser | undefined): Promise<string> {
  if (isShortEnough(socketBeside(root))) return socketBeside(root);
  const record = await readOrWrite(join(folder, SOCKET_RECORD), async () => {
    const parents = [tmpdir(), "/tmp"];
    const path = await newFolderUnder(parents, user, isShortEnough);
    return JSON.stringify({ version: 1, path });
  });
  return parsePath(record, "path");
}

function socketBeside(root: string): string {
  return join(root, "run");
}

function isShortEnough(socketFolder: string): boolean {
  return Buffer.byteLength(join(socketFolder, `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH_BYTES;
}

async function newRootRecord(user: ServerUser, parents: readonly string[]): Promise<string> {
  const root = await newFolderUnder(parents, user, () => true);
  return JSON.stringify({ version: 1, root, ...user });
}

/** A new random name in the first of these folders that exists, that the server's user can enter, and that suits. */
async function newFolderUnder(
  parents: readonly string[],
  user: ServerUser | undefined,
  suits: (path: string) => boolean,
): Promise<string> {
  for (const parent of parents) {
    const real = await realpath(parent).catch(absent);
    if (real === undefined) continue;
    const path = join(real, `stepgate-${randomBytes(16).toString("hex")}`);
    if (suits(path) && (user === undefined || (await canEnter(real, user)))) return path;
  }
  throw new StepgateError("EMBEDDED_UNSUPPORTED", {
    reason: "none of these folders can hold the server's files",
    folders: parents.join(", "),
    advice: "set STEPGATE_DATABASE_URL",
  });
}

/** Asked of the system, not computed from mode bits: access lists and mounts have a say too. */
async function canEnter(folder: string, user: ServerUser): Promise<boolean> {
  const end = await runProgram({ file: "/bin/sh", args: ["-c", 'cd -- "$0"', folder], cwd: "/", user });
  return end.exitCode === 0;
}

async function makeHome(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
  } catch (cause) {
    // a file in its place, a parent we may not write to
    throw unlessDiskFull(new StepgateError("HOME_UNSAFE", { path: home, reason: "it cannot be made" }, { cause }));
  }
}

/** Owned by root, so that the server's user can replace nothing in it; entered by that user's group only. */
async function ensureRoot(root: string, user: ServerUser): Promise<void> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw unlessDiskFull(new StepgateError("HOME_UNSAFE", { path: root, reason }, { cause }));
  };
  try {
    await mkdir(root, { mode: 0o700 });
  } catch (cause) {
    if (!isSystemError(cause, "EEXIST")) refuse("it cannot be made", cause);
  }
  const found = await lstat(root);
  if (!found.isDirectory()) refuse("it is no folder");
  if (found.uid !== 0) refuse("it belongs to another user");
  await chown(root, 0, user.gid);
  await chmod(root, 0o710);
}

function parseRootRecord(text: string): { readonly root: string; readonly user: ServerUser } {
  const record = parseRecord(text);
  const { uid, gid } = record;
  if (!isUserId(uid) || !isUserId(gid) || isExecutorUid(uid)) throw unreadable();
  return { root: parsePath(text, "root"), user: { uid, gid } };
}

function parsePath(text: string, field: string): string {
  const path = parseRecord(text)[field];
  if (typeof path !== "string" || !path.startsWith("/")) throw unreadable();
  return path;
}

function parseRecord(text: string): JsonObject {
  try {
    const record = parseJson(text);
    if (isJsonObject(record) && record["version"] === 1) return record;
  } catch (cause) {
    throw unreadable(cause);
  }
  throw unreadable();
}

function isUserId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function unreadable(cause?: unknown): StepgateError {
  const reason = "the record of the server's place is not one of ours";
  return new StepgateError("EMBEDDED_FAILED", { reason }, { cause });
}
