/**
 * The state of a home folder's embedded server, for `stepgate doctor`: reads, changes nothing, joins nothing.
 */
import { lstat } from "node:fs/promises";
import { findPlace } from "./place.ts";
import { logPath, readPostmasterPid } from "./postmaster.ts";
import { countUsers } from "./presence.ts";
import { absent } from "./private-files.ts";

export type EmbeddedStatus =
  /** No first start yet. */
  | { readonly state: "absent" }
  | { readonly state: "stopped"; readonly dataDirectory: string; readonly log: string }
  | {
      readonly state: "running";
      readonly dataDirectory: string;
      readonly log: string;
      readonly socketFolder: string;
      readonly version: string;
      readonly pid: number | undefined;
      /** Processes that use it; 0 is an orphan, which the next start adopts. */
      readonly users: number;
    };

/**
 * Reads the state of the embedded server of a home folder.
 *
 * @throws {StepgateError} KEY_FILE_UNSAFE, EMBEDDED_FAILED for a home whose files or server are not ours.
 */
export async function readEmbeddedStatus(home: string): Promise<EmbeddedStatus> {
  const place = await findPlace(home);
  if (place === undefined || (await lstat(place.dataDirectory).catch(absent)) === undefined) return { state: "absent" };
  const { dataDirectory, socketFolder } = place;
  const log = logPath(place);
  const answer = await countUsers(place);
  if (answer === undefined) return { state: "stopped", dataDirectory, log };
  const pid = await readPostmasterPid(place);
  return { state: "running", dataDirectory, log, socketFolder, pid, ...answer };
}
