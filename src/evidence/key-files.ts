/**
 * Key files: `STEPGATE_HOME/keys`, 0700, files 0600, each written once and whole (spec 10, keys).
 *
 * In: a folder and our uid. Out: bytes, or a refusal of anything others could have written or could read.
 * Not here: what the bytes are (instance-key.ts, signing-key.ts), the lock around a first start (key-ring.ts).
 */
import { constants } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unlessDiskFull } from "../core/disk-full.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";

const MAX_KEY_FILE_BYTES = 1_048_576;

export interface KeyFiles {
  /** The bytes of a file, or undefined when there is none. @throws {StepgateError} KEY_FILE_UNSAFE. */
  readonly read: (name: string) => Promise<Uint8Array | undefined>;
  /** Writes a file that is not there yet, durably, and returns the bytes that stand: another process may have won. */
  readonly create: (name: string, bytes: Uint8Array) => Promise<Uint8Array>;
  /** Puts a new version of a file in its place, durably. */
  readonly replace: (name: string, bytes: Uint8Array) => Promise<void>;
  readonly pathOf: (name: string) => string;
}

export interface KeyFilesDeps {
  /** STEPGATE_HOME; made with 0700 when it is not there. */
  readonly home: string;
  /** The only owner that is accepted: our own uid. */
  readonly uid: number;
  /** A new name part for temporary files. */
  readonly uuid: () => string;
}

/**
 * Opens the home's key folder, making both 0700 where they do not exist.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE with `path` and `reason` (owner, mode, link, kind); DISK_FULL or
 *   KEY_FILE_UNAVAILABLE when the file system refuses, from this call and from every call of the result.
 */
export async function openKeyFiles({ home, uid, uuid }: KeyFilesDeps): Promise<KeyFiles> {
  const folder = join(home, "keys");
  for (const path of [home, folder]) {
    await guarded(path, async () => {
      await makeFolder(path);
      checkStat(path, await lstat(path), uid, "folder");
    });
  }
  const pathOf = (name: string) => join(folder, name);
  const temporary = () => join(folder, `.new-${uuid()}`);
  return {
    pathOf,
    read: (name) => readKeyFile(pathOf(name), uid),
    create: (name, bytes) =>
      guarded(pathOf(name), async () => {
        const path = temporary();
        await writeDurably(path, bytes);
        // link, not rename: it refuses to replace a key that another process has put there meanwhile
        const isOurs = await linkUnlessThere(path, pathOf(name));
        await unlink(path);
        await syncFolder(folder);
        const standing = isOurs ? bytes : await readKeyFile(pathOf(name), uid);
        if (standing === undefined) throw unsafe(pathOf(name), "removed while it was made");
        return standing;
      }),
    replace: (name, bytes) =>
      guarded(pathOf(name), async () => {
        const path = temporary();
        await writeDurably(path, bytes);
        await rename(path, pathOf(name));
        await syncFolder(folder);
      }),
  };
}

/**
 * Reads one key file that only `uid` can read or write; undefined when there is none.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE for a link, another owner, group or other bits, no plain file, over 1 MiB;
 *   KEY_FILE_UNAVAILABLE when the file system refuses.
 */
export async function readKeyFile(path: string, uid: number): Promise<Uint8Array | undefined> {
  return guarded(path, async () => {
    const file = await openUnlinked(path);
    if (file === undefined) return undefined;
    try {
      // the open file is checked, not the name: what is checked is what is read
      const stat = await file.stat();
      checkStat(path, stat, uid, "file");
      if (stat.size > MAX_KEY_FILE_BYTES) throw unsafe(path, "size");
      return await file.readFile();
    } finally {
      await file.close();
    }
  });
}

interface Stat {
  readonly uid: number;
  readonly mode: number;
  readonly isFile: () => boolean;
  readonly isDirectory: () => boolean;
  readonly isSymbolicLink: () => boolean;
}

function checkStat(path: string, stat: Stat, uid: number, kind: "file" | "folder"): void {
  if (stat.isSymbolicLink()) throw unsafe(path, "link");
  if (kind === "file" ? !stat.isFile() : !stat.isDirectory()) throw unsafe(path, "kind");
  if (stat.uid !== uid) throw unsafe(path, "owner");
  if ((stat.mode & 0o077) !== 0) throw unsafe(path, "mode");
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await syncFolder(dirname(path));
  } catch (caught) {
    if (errnoOf(caught) !== "EEXIST") throw caught;
  }
}

async function openUnlinked(path: string): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: a pipe in the place of a key must not hang the start
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (caught) {
    if (errnoOf(caught) === "ENOENT") return undefined;
    if (errnoOf(caught) === "ELOOP") throw unsafe(path, "link");
    throw caught;
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (caught) {
    // the half of a key that found room is of no use to anybody
    await unlink(path);
    throw caught;
  } finally {
    await file.close();
  }
}

async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (caught) {
    if (errnoOf(caught) === "EEXIST") return false;
    throw caught;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function guarded<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (isStepgateError(cause)) throw cause;
    const reason = errnoOf(cause) ?? "unknown";
    throw unlessDiskFull(new StepgateError("KEY_FILE_UNAVAILABLE", { path, reason }, { cause }));
  }
}

function errnoOf(caught: unknown): string | undefined {
  return caught instanceof Error && "code" in caught && typeof caught.code === "string" ? caught.code : undefined;
}

function unsafe(path: string, reason: string): StepgateError {
  return new StepgateError("KEY_FILE_UNSAFE", { path, reason });
}
