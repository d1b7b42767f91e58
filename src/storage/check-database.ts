/**
 * Whether a database keeps what we promise (spec 10, K7): new enough, and nothing acknowledged before it is on disk.
 */
import { StepgateError } from "../core/errors.ts";
import type { Pool } from "./pool.ts";

const OLDEST_VERSION_NUM = 150_000;

/** Settings as this pool's sessions have them: a role or a database may carry its own. */
const READ_SETTINGS = `
  select current_setting('server_version_num')::integer as version_num,
         current_setting('server_version') as version,
         current_setting('fsync') as fsync,
         current_setting('full_page_writes') as full_page_writes,
         current_setting('synchronous_commit') as synchronous_commit,
         (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms`;

interface SettingsRow {
  readonly version_num: number;
  readonly version: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly now_ms: number;
}

/** Every value but `off` waits for the local disk; what replicas have is the operator's choice. */
const SAFE_COMMITS: ReadonlySet<string> = new Set(["on", "local", "remote_write", "remote_apply"]);

/**
 * Checks the server and returns its version, "18.4", and its time.
 *
 * @throws {StepgateError} STORE_UNSAFE with `setting` and `value`; what `Pool.query` throws.
 */
export async function checkDatabase(pool: Pool): Promise<{ readonly version: string; readonly nowMs: number }> {
  const { rows } = await pool.query<SettingsRow>(READ_SETTINGS);
  const [row] = rows;
  if (row === undefined) throw new StepgateError("STORE_UNSAFE", { reason: "the server tells nothing about itself" });
  if (row.version_num < OLDEST_VERSION_NUM) refuse("server_version", row.version);
  if (row.fsync !== "on") refuse("fsync", row.fsync);
  if (row.full_page_writes !== "on") refuse("full_page_writes", row.full_page_writes);
  if (!SAFE_COMMITS.has(row.synchronous_commit)) refuse("synchronous_commit", row.synchronous_commit);
  return { version: row.version, nowMs: row.now_ms };
}

function refuse(setting: string, value: string): never {
  throw new StepgateError("STORE_UNSAFE", { setting, value });
}
