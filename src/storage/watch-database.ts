/**
 * Watches what a database promised at the start: a setting or a role can be changed under a running process (K7).
 *
 * In: the pools of this process. Out: the last verdict, with a code and what to do. Here: when it is looked. Not here: the
 * checks (check-database.ts, check-fences.ts), whether the database answers at all (main-gateway.ts).
 */
import { type ErrorCode, isStepgateError, type StepgateError } from "../core/errors.ts";
import { checkDatabase } from "./check-database.ts";
import { checkFences } from "./check-fences.ts";
import type { StoreLog } from "./log.ts";
import { lookEvery } from "./look-every.ts";
import type { Pool } from "./pool.ts";

export type DatabaseVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: ErrorCode; readonly advice: string };

export interface WatchedPools {
  /** Undefined where no API is served. */
  readonly gateway: Pool | undefined;
  /** Undefined where no step is performed. */
  readonly worker: Pool | undefined;
}

export interface DatabaseWatch {
  readonly verdict: () => DatabaseVerdict;
  readonly stop: () => Promise<void>;
}

/** What is told of the database's time with every look. */
export interface TimeListener {
  readonly monotonicMs: () => number;
  readonly observe: (databaseNowMs: number, askedMs: number) => void;
}

/** Checks every pool; returns the server's version. @throws {StepgateError} STORE_UNSAFE, STORE_FENCE_OPEN. */
export async function checkPools({ gateway, worker }: WatchedPools, time: TimeListener): Promise<string> {
  let version = "";
  for (const pool of [gateway, worker]) {
    if (pool === undefined) continue;
    const askedMs = time.monotonicMs();
    const seen = await checkDatabase(pool);
    time.observe(seen.nowMs, askedMs);
    version = seen.version;
  }
  if (gateway !== undefined) await checkFences(gateway);
  return version;
}

/** Looks every `everyMs`; a database that does not answer leaves the last verdict, since others tell that. */
export function watchDatabase(
  pools: WatchedPools,
  { everyMs, time, log }: { readonly everyMs: number; readonly time: TimeListener; readonly log: StoreLog },
): DatabaseWatch {
  let verdict: DatabaseVerdict = { ok: true };
  const look = async (): Promise<void> => {
    try {
      await checkPools(pools, time);
      verdict = { ok: true };
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_UNSAFE", "STORE_FENCE_OPEN")) return;
      if (verdict.ok) log.error({ err: caught }, "the database no longer keeps what we promise");
      verdict = { ok: false, code: caught.code, advice: adviceOn(caught) };
    }
  };
  const stop = lookEvery({ everyMs, isAtOnce: false }, look);
  return {
    verdict: () => verdict,
    stop,
  };
}

/** What sets it right; names settings and attributes, never a role or a table. */
export function adviceOn({ code, detail }: StepgateError): string {
  if (code === "STORE_UNSAFE") return `set ${detail["setting"]} as it is by default, and reload the server`;
  const { reason } = detail;
  if (reason === "member_of") return "revoke from the gateway's database role the role that could pass row security";
  if (reason === "open_table") return "put row security on every table of tenants: `stepgate migrate` does";
  if (reason === "owner") return "give the tables to another role than the gateway's: `reassign owned`";
  return `take ${reason} from the gateway's database role: \`alter role\``;
}
