/**
 * Who this process runs as.
 *
 * By number: a container may give it a uid that no password file names, and the system then has no name, home or shell for it.
 */
import { userInfo } from "node:os";

/** The effective uid; −1 where the system has none. */
export function ownUid(): number {
  return process.geteuid?.() ?? -1;
}

/** The user's name, or `uid <number>` for one without. */
export function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    // it throws for one reason: nothing names the uid
    return `uid ${ownUid()}`;
  }
}
