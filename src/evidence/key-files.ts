/**
 * Key files: `STEPGATE_HOME/keys`, 0700, files 0600, each written once and whole (spec 10, keys).
 *
 * In: a folder and our uid. Out: bytes, or a refusal of anything others could have written or could read.
 * Not here: what the bytes are (instance-key.ts, signing-key.ts), the lock around a first start (key-ring.ts).
 */
import { constants } from "node:fs";
import { link, lstat, mkdir, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { StepgateError } from "../core/errors.ts";

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
 * @throws {StepgateError} KEY_FILE_UNSAFE with `path` and `reason` (owner, mode, link, kind).
 */
export async function openKeyFiles({ home, uid, uuid }: KeyFilesDeps): Promise<KeyFiles> {
  const folder = join(home, "keys");
  for (const path of [home, folder]) {
    await makeFolder(path);
    checkStat(path, await lstat(path), uid, "folder");
  }
  const pathOf = (name: string) => join(folder, name);
  const temporary = async (name: string, bytes: Uint8Array) => {
    const path = join(folder, `.${name}.${uuid()}`);
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  };
  return {
    pathOf,
    read: (name) => readKeyFile(pathOf(name), uid),
    create: async (name, bytes) => {
      const path = await temporary(name, bytes);
      // link, not rename: it refuses to replace a key that another process has put there meanwhile
      const isOurs = await linkUnlessThere(path, pathOf(name));
      await unlink(path);
      await syncFolder(folder);
      const standing = isOurs ? bytes : await readKeyFile(pathOf(name), uid);
      if (standing === undefined) throw unsafe(pathOf(name), "it was removed while it was made");
      return standing;
    },
    replace: async (name, bytes) => {
      await rename(await temporary(name, bytes), pathOf(name));
      await syncFolder(folder);
    },
  };
}

/**
 * Reads one key file that only `uid` can read or write; undefined when there is none.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE for a link, another owner, group or other bits, no plain file, over 1 MiB.
 */
export async function readKeyFile(path: string, uid: number): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw unsafe(path, cause.code === "ELOOP" ? "link" : "unreadable", cause);
    },
  );
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
  await mkdir(path, { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw unsafe(path, "not creatable", cause);
  });
}

async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw unsafe(to, "not creatable", cause);
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

function unsafe(path: string, reason: string, cause?: unknown): StepgateError {
  return new StepgateError("KEY_FILE_UNSAFE", { path, reason }, { cause });
}
