/**
 * A disk without room, told from every other failure to write: what helps is room, not another mode, owner or key.
 *
 * In: an error with its cause, as the edge of a room makes it. Not here: the database's own disk (storage/errors.ts).
 */
import { StepgateError } from "./errors.ts";

/** No room on the device, or none left for this user. */
const CODES: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);

export function isDiskFull(caught: unknown): boolean {
  return caught instanceof Error && "code" in caught && CODES.has(caught.code);
}

/** The error itself, or DISK_FULL with its path where a full disk is its cause. */
export function unlessDiskFull(error: StepgateError): StepgateError {
  const { cause, detail } = error;
  if (!isDiskFull(cause)) return error;
  const { path } = detail;
  return new StepgateError("DISK_FULL", path === undefined ? {} : { path }, { cause });
}
