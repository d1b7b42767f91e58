/**
 * Folders and files that are ours alone: made with tight modes, checked before each use, written so that a kill harms nothing.
 *
 * A wrong owner, mode or link is refused, never repaired: who changed it may have read it. Not here: what they hold.
 */
import { randomBytes } from "node:crypto";
import { chown, link, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { unlessDiskFull } from "../../core/disk-full.ts";
import { StepgateError } from "../../core/errors.ts";
import type { ServerUser } from "./server-user.ts";
import { isSystemError } from "./system-error.ts";

/** Part of every temporary name, so that what a killed process left is found again. */
export const TEMPORARY_MARK = ".new-";

/**
 * Makes the folder (0700) unless it exists, then checks it: a real folder, its owner `user` or ourselves, nobody else let in.
 *
 * @throws {StepgateError} HOME_UNSAFE with `path` and `reason`; DISK_FULL.
 */
export async function ensurePrivateFolder(path: string, user?: ServerUser): Promise<void> {
  try {
    if ((await lstat(path).catch(absent)) === undefined) await makePrivateFolder(path, user);
  } catch (cause) {
    throw unsafe(path, "it cannot be made", cause);
  }
  await checkPrivateFolder(path, user);
}

/** Under another name first: seen half made, or left so by a kill, the folder would be refused for its owner. */
async function makePrivateFolder(path: string, user: ServerUser | undefined): Promise<void> {
  const temporary = temporaryName(path);
  await mkdir(temporary, { mode: 0o700 });
  if (user) await chown(temporary, user.uid, user.gid);
  try {
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (!isSystemError(cause, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw cause;
  }
}

/**
 * Checks a folder that must exist, as `ensurePrivateFolder` does.
 *
 * @throws {StepgateError} HOME_UNSAFE with `path` and `reason`.
 */
export async function checkPrivateFolder(path: string, user?: ServerUser): Promise<void> {
  const found = await lstat(path).catch((cause: unknown) => {
    throw unsafe(path, "it cannot be read", cause);
  });
  if (!found.isDirectory()) throw unsafe(path, found.isSymbolicLink() ? "it is a link" : "it is no folder");
  if (found.uid !== (user?.uid ?? ownUid())) throw unsafe(path, "it belongs to another user");
  if ((found.mode & 0o077) !== 0) throw unsafe(path, "others may enter it");
}

/**
 * Puts a file (0600) in place unless there is one, whole or not at all, on disk when this returns; the first writer wins.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE when it cannot be written; DISK_FULL.
 */
export async function writeFileOnce(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).catch((cause: unknown) => {
      if (!isSystemError(cause, "EEXIST")) throw cause;
    });
    await syncFolder(dirname(path));
  } catch (cause) {
    throw unlessDiskFull(new StepgateError("KEY_FILE_UNSAFE", { path, reason: "it cannot be written" }, { cause }));
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Reads a file of ours: a plain file, owned by us, 0600 or tighter; undefined when there is none.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE with `path` and `reason`.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new StepgateError("KEY_FILE_UNSAFE", { path, reason }, { cause });
  };
  try {
    const found = await lstat(path);
    if (!found.isFile()) refuse(found.isSymbolicLink() ? "it is a link" : "it is no file");
    if (found.uid !== ownUid()) refuse("it belongs to another user");
    if ((found.mode & 0o077) !== 0) refuse("others may read it");
    return await readFile(path, "utf8");
  } catch (cause) {
    if (isSystemError(cause, "ENOENT")) return undefined;
    if (cause instanceof StepgateError) throw cause;
    return refuse("it cannot be read", cause);
  }
}

/** Makes entries of a folder (new names, renames) durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A name beside `path` that nobody else uses. */
export function temporaryName(path: string): string {
  return `${path}${TEMPORARY_MARK}${randomBytes(8).toString("hex")}`;
}

/** For `catch`: no such file is undefined, every other failure stays one. */
export function absent(caught: unknown): undefined {
  if (isSystemError(caught, "ENOENT")) return undefined;
  throw caught;
}

function ownUid(): number | undefined {
  return process.geteuid?.();
}

function unsafe(path: string, reason: string, cause?: unknown): StepgateError {
  return unlessDiskFull(new StepgateError("HOME_UNSAFE", { path, reason }, { cause }));
}
