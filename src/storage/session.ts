/**
 * What every session of a pool is set to before its first statement, by SQL: a URL's own parameters, and settings of a role
 * or database, would otherwise win. Not here: connecting (pool.ts).
 */
import type pg from "pg";

export interface SessionLimits {
  readonly statementMs: number;
  readonly lockMs: number;
  readonly idleInTransactionMs: number;
  /** For a free connection, a new one included. */
  readonly connectMs: number;
}

export const DEFAULT_LIMITS: SessionLimits = {
  statementMs: 30_000,
  lockMs: 5000,
  idleInTransactionMs: 15_000,
  connectMs: 10_000,
};

const SET_UP_SESSION = `
  select set_config(name, value, false) from unnest($1::text[], $2::text[]) as setting (name, value)`;

/** For the current transaction. */
export const LIFT_LIMITS = `
  select set_config(name, '0', true)
    from unnest(array['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) as setting (name)`;

/** Sets a new session up in one round trip; from then on it runs as `role`, if one is given. */
export async function setUpSession(
  client: pg.ClientBase,
  session: {
    readonly applicationName: string;
    readonly role?: string;
    readonly limits: SessionLimits;
    readonly isPlannedOnce?: boolean;
  },
): Promise<void> {
  const { applicationName, role, limits, isPlannedOnce = false } = session;
  const settings: Readonly<Record<string, string>> = {
    application_name: applicationName,
    statement_timeout: String(limits.statementMs),
    lock_timeout: String(limits.lockMs),
    idle_in_transaction_session_timeout: String(limits.idleInTransactionMs),
    // names mean ours, and values read the same everywhere
    search_path: "pg_catalog, stepgate, pg_temp",
    default_transaction_isolation: "read committed",
    // statements of milliseconds over many joins: their estimates ask for compilation, which takes half a second each
    jit: "off",
    TimeZone: "UTC",
    DateStyle: "ISO, YMD",
    ...(isPlannedOnce ? { plan_cache_mode: "force_generic_plan" } : {}),
    ...(role === undefined ? {} : { role }),
  };
  await client.query(SET_UP_SESSION, [Object.keys(settings), Object.values(settings)]);
}
