/**
 * Which user the embedded server runs as: PostgreSQL refuses to run as root.
 *
 * In: the text of the password file. Out: uid and gid, or undefined for "as ourselves". No account is ever created.
 */
import { readFile } from "node:fs/promises";
import { StepgateError } from "../../core/errors.ts";
import { isSystemError } from "./system-error.ts";

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** What most systems call nobody; used where the password file names neither account (minimal containers). */
const OVERFLOW_USER: ServerUser = { uid: 65534, gid: 65534 };
/** These uids belong to executor slots: a step must never share one with the database. */
const EXECUTOR_UIDS = { first: 61000, last: 61999 } as const;

/**
 * Chooses the server's user: undefined (ourselves) unless we are root.
 *
 * @throws {StepgateError} EMBEDDED_UNSUPPORTED where the system has no user ids.
 */
export async function chooseServerUser(): Promise<ServerUser | undefined> {
  if (process.geteuid === undefined) {
    throw new StepgateError("EMBEDDED_UNSUPPORTED", { reason: "no user ids", advice: "set STEPGATE_DATABASE_URL" });
  }
  return process.geteuid() === 0 ? namedAccount() : undefined;
}

/** An account that has a name, for programs that ask for their user's: as `serverUserOf` chooses it. */
export async function namedAccount(): Promise<ServerUser> {
  return serverUserOf(await readPasswordFile());
}

/** `postgres` (macOS: `_postgres`) if the password file has it, else `nobody`; never root, never an executor's uid. */
export function serverUserOf(passwordFile: string): ServerUser {
  const accounts = new Map(
    passwordFile.split("\n").map((line) => {
      const [name = "", , uid = "", gid = ""] = line.split(":");
      return [name, { uid: asUserId(uid), gid: asUserId(gid) }];
    }),
  );
  for (const name of ["postgres", "_postgres", "nobody"]) {
    const { uid, gid } = accounts.get(name) ?? {};
    if (uid === undefined || gid === undefined || isExecutorUid(uid)) continue;
    return { uid, gid };
  }
  return OVERFLOW_USER;
}

/** Tells whether a uid belongs to an executor slot. */
export function isExecutorUid(uid: number): boolean {
  return uid >= EXECUTOR_UIDS.first && uid <= EXECUTOR_UIDS.last;
}

/** 1 … 2^32 − 2; macOS writes nobody as −2, which is 2^32 − 2. Zero is root, in a group too. */
function asUserId(text: string): number | undefined {
  if (!/^-?[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text) >>> 0;
  return id === 0 || id === 0xffff_ffff ? undefined : id;
}

async function readPasswordFile(): Promise<string> {
  try {
    return await readFile("/etc/passwd", "utf8");
  } catch (cause) {
    if (isSystemError(cause, "ENOENT")) return "";
    throw new StepgateError("EMBEDDED_FAILED", { reason: "the password file cannot be read" }, { cause });
  }
}
