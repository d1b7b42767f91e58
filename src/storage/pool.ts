/**
 * The pool: every statement of the product goes through one of these.
 *
 * It survives the server's death (error listeners on the pool and on each client), bounds every wait, and throws only our
 * own errors. Not here: statements, what a session is set to (session.ts), how a statement is kept to one tenant
 * (local-settings.ts), what an error means (errors.ts).
 */
import pg from "pg";
import { systemClock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import { convertStoreError, leavesConnectionUsable } from "./errors.ts";
import { beginWith, type LocalSettings, prepareLocal, queryWith } from "./local-settings.ts";
import type { StoreLog } from "./log.ts";
import { makePlanRenewal } from "./plan-age.ts";
import { makePreparer, type Prepare, type Query, type SqlValue, unprepared } from "./prepare.ts";
import { ROW_TYPES } from "./row-types.ts";
import { DEFAULT_LIMITS, LIFT_LIMITS, type SessionLimits, setUpSession } from "./session.ts";

export interface DatabaseConnection {
  /** A host name, or the folder of a Unix socket. */
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export type DatabaseTarget = { readonly connection: DatabaseConnection } | { readonly url: string };

/** What has sessions of its own. */
export type Lane = "claim" | "admit" | "settle";

export type PoolOptions = DatabaseTarget & {
  /** Those of lanes included. */
  readonly maxConnections: number;
  /**
   * How many sessions each lane has, where enough are left for everything else. A session keeps plans of what it was asked, and
   * makes them anew when statistics change: 17 times in 24 s where any session may be asked anything, 20 to 40 ms each.
   */
  readonly lanes?: Readonly<Record<Lane, number>>;
  readonly applicationName: string;
  /** Every statement runs as this role. */
  readonly role?: string;
  /**
   * Statements are planned for any values, not anew for the values of each of a session's first calls: right where rows are found
   * by their keys, and what is asked once a second or less, of any of ten sessions, was planned as often as it was asked.
   */
  readonly isPlannedOnce?: boolean;
  /** The role sees rows of one tenant at a time: `within` tells the database which, for one transaction. */
  readonly isFenced?: boolean;
  readonly limits?: Partial<SessionLimits>;
  /**
   * A pooler that hands a session to others between transactions: no session settings, no prepared statements, and the
   * role is set anew in each transaction.
   */
  readonly isBehindPooler?: boolean;
  /** Called for each statement that found the server's disk full. */
  readonly onFull?: () => void;
  readonly log: StoreLog;
};

export interface Rows<Row> {
  readonly rows: readonly Row[];
  /** Rows returned or changed. */
  readonly rowCount: number;
}

export interface Connection {
  /**
   * Runs one statement; with `values` it is prepared once per session, so `text` is a constant, never composed.
   *
   * @throws {StepgateError} STORE_UNAVAILABLE, STORE_BUSY, STORE_FULL, STORE_REFUSED, or what a function of ours raised.
   */
  readonly query: <Row extends object>(text: string, values?: readonly SqlValue[]) => Promise<Rows<Row>>;
}

export interface TransactionOptions {
  /** No limit on statements, locks and pauses: for migrations, whose length nobody knows. */
  readonly isUnbounded?: boolean;
}

/** Statements of their own, and transactions. */
export interface Database extends Connection {
  /**
   * Runs `work` in one transaction and commits; whatever `work` throws rolls back and passes unchanged.
   * Its connection is for one statement at a time and ends with it.
   *
   * @throws {StepgateError} as `query`; `isInDoubt` tells a commit that may have been made.
   */
  readonly transaction: <Result>(
    work: (connection: Connection) => Promise<Result>,
    options?: TransactionOptions,
  ) => Promise<Result>;
}

/** A pool as stores of tenants' rows get it: there is no statement without saying whose rows it may see. */
export interface TenantPool {
  /** The database as this tenant may see it; `INSTANCE_SCOPE` for what belongs to no tenant. Costs no round trip. */
  readonly within: (tenantUid: TenantUid) => Database;
}

export interface Pool extends Database, TenantPool {
  /** Statements in the sessions of one lane; in any, where there are too few for lanes. */
  readonly lane: (name: Lane) => Connection;
  /** Waits for running work, then closes every connection. */
  readonly close: () => Promise<void>;
}

/** One connection that hears notices; `onEnd` once it is gone. */
export type OpenListener = (input: {
  readonly channel: string;
  readonly onPayload: (payload: string) => void;
  readonly onEnd: () => void;
}) => Promise<{ readonly close: () => Promise<void> }>;

/** The scope of what belongs to no tenant: the instance's own keys, and who the tenants are. */
export const INSTANCE_SCOPE = "00000000-0000-0000-0000-000000000000" as TenantUid;

/** The server ends a slow statement first; this is for a server that no longer answers at all. */
const SILENCE_MARGIN_MS = 5000;

/** The driver's timer knows no "never". */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const KEEP_IDLE_MS = 300_000;
/** Fewer are not divided into lanes. */
const LEAST_BESIDE_LANES = 3;

/**
 * Makes a pool; nothing connects before the first statement.
 *
 * @throws {StepgateError} CONFIG_INVALID for a URL that cannot be read.
 */
export function makePool(options: PoolOptions): Pool {
  const { log, role, isFenced = false, isBehindPooler = false, onFull = () => undefined } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  let isClosing = false;
  // a pool that closes answers before the last server processes are gone; what those still say is of no interest
  const warn = (error: Error, message: string): void => {
    if (!isClosing) log.warn({ err: error }, message);
  };
  const openSessions = (max: number): pg.Pool => {
    const sessions = new pg.Pool({
      ...clientConfig(options, limits),
      max,
      idleTimeoutMillis: KEEP_IDLE_MS,
      onConnect: async (client) => {
        // a client in use that loses its server emits this; without a listener the process would end
        client.on("error", (error) => warn(error, "a database connection broke"));
        if (isBehindPooler) return;
        await setUpSession(client, { ...options, limits });
        if (isFenced) await prepareLocal(client);
      },
    });
    sessions.on("error", (error) => warn(error, "an idle database connection broke"));
    return sessions;
  };
  const lanes = lanesWithin(options);
  const pool = openSessions(options.maxConnections - lanes.reduce((sum, [, max]) => sum + max, 0));
  const laneSessions = new Map(lanes.map(([name, max]) => [name, openSessions(max)]));
  const prepare = isBehindPooler ? unprepared : makePreparer();
  const convert: typeof convertStoreError = (caught, moment) => {
    const error = convertStoreError(caught, moment);
    if (error.code === "STORE_FULL") onFull();
    return error;
  };
  const session = { prepare, renewPlans: makePlanRenewal(systemClock.monotonicMs), convert };
  const localRole = isBehindPooler ? role : undefined;
  const local = localRole === undefined ? undefined : { role: localRole };
  const anywhere = databaseOf(pool, session, local);
  const byLane = new Map([...laneSessions].map(([name, sessions]) => [name, databaseOf(sessions, session, local)]));
  return {
    ...anywhere,
    within: (tenantUid) => (isFenced ? databaseOf(pool, session, { role: localRole, tenantUid }) : anywhere),
    lane: (name) => byLane.get(name) ?? anywhere,
    close: async () => {
      if (isClosing) return;
      isClosing = true;
      await Promise.all([pool, ...laneSessions.values()].map((sessions) => sessions.end()));
    },
  };
}

function lanesWithin({ lanes, maxConnections }: PoolOptions): readonly (readonly [Lane, number])[] {
  if (lanes === undefined) return [];
  const all = [["claim", lanes.claim] as const, ["admit", lanes.admit] as const, ["settle", lanes.settle] as const];
  return all.reduce((sum, [, max]) => sum + max, LEAST_BESIDE_LANES) > maxConnections ? [] : all;
}

/** Makes what opens a connection that only listens (notices.ts); it is no part of a pool. */
export function makeOpenListener(options: PoolOptions): OpenListener {
  return async ({ channel, onPayload, onEnd }) => {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const client = new pg.Client(clientConfig(options, limits));
    let isClosing = false;
    // an error is followed by the end
    client.on("error", (error) => options.log.warn({ err: error }, "the connection for notices broke"));
    client.on("end", () => {
      if (!isClosing) onEnd();
    });
    client.on("notification", ({ payload = "" }) => onPayload(payload));
    try {
      await client.connect();
      if (options.isBehindPooler !== true) await setUpSession(client, { ...options, limits });
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (caught) {
      isClosing = true;
      await client.end().catch(() => undefined);
      throw convertStoreError(caught, "connect");
    }
    return {
      close: async () => {
        isClosing = true;
        await client.end();
      },
    };
  };
}

interface SessionParts {
  readonly prepare: Prepare;
  readonly renewPlans: ReturnType<typeof makePlanRenewal>;
  readonly convert: typeof convertStoreError;
}

function databaseOf(
  pool: pg.Pool,
  { prepare, renewPlans, convert }: SessionParts,
  local: LocalSettings | undefined,
): Database {
  const acquire = async (): Promise<pg.PoolClient> => {
    let client: pg.PoolClient | undefined;
    try {
      client = await pool.connect();
      await renewPlans(client);
      return client;
    } catch (caught) {
      client?.release(true);
      throw convert(caught, "connect");
    }
  };
  return {
    query: async (text, values) => {
      const client = await acquire();
      try {
        const query = prepare(text, values);
        const result = rowsOf<never>(
          await (local === undefined ? client.query(query) : queryWith(client, local, query)),
        );
        client.release();
        return result;
      } catch (caught) {
        client.release(!leavesConnectionUsable(caught));
        throw convert(caught, "autocommit");
      }
    },
    transaction: async (work, { isUnbounded = false } = {}) => {
      const unbounded: Prepare = (text, values) => ({ ...prepare(text, values), query_timeout: LONGEST_TIMER_MS });
      const client = await acquire();
      const begin = local === undefined ? "begin" : beginWith(local);
      if (!isUnbounded) return await runTransaction(client, { begin, prepare, convert }, work);
      return await runTransaction(client, { begin, prepare: unbounded, convert }, async (connection) => {
        await connection.query(LIFT_LIMITS);
        return await work(connection);
      });
    },
  };
}

async function runTransaction<Result>(
  client: pg.PoolClient,
  { begin, prepare, convert }: { readonly begin: string } & Pick<SessionParts, "prepare" | "convert">,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  let isOpen = true;
  let isUsable = true;
  const run = async (query: Query, moment: "in_transaction" | "commit"): Promise<pg.QueryResult> => {
    try {
      return await client.query(query);
    } catch (caught) {
      isUsable &&= leavesConnectionUsable(caught);
      throw convert(caught, moment);
    }
  };
  const connection: Connection = {
    query: async (text, values) => {
      if (!isOpen) throw new StepgateError("INTERNAL", { reason: "a transaction's connection was used after its end" });
      return rowsOf<never>(await run(prepare(text, values), "in_transaction"));
    },
  };
  try {
    await run({ text: begin }, "in_transaction");
    const result = await work(connection);
    isOpen = false;
    const { command } = await run({ text: "commit" }, "commit");
    // the answer to COMMIT after a statement failed and the failure was swallowed: nothing was written
    if (command !== "COMMIT") throw new StepgateError("STORE_REFUSED", { reason: "the transaction had failed before" });
    return result;
  } catch (caught) {
    isOpen = false;
    // a connection that cannot roll back is closed, which rolls back
    if (isUsable) await run({ text: "rollback" }, "in_transaction").catch(() => undefined);
    throw caught;
  } finally {
    client.release(!isUsable);
  }
}

/** Of several statements in one text, which the driver answers with a list, the last one's. */
function rowsOf<Row>(results: pg.QueryResult | readonly pg.QueryResult[]): Rows<Row> {
  const result = "rows" in results ? results : results.at(-1);
  return { rows: (result?.rows ?? []) as Row[], rowCount: result?.rowCount ?? 0 };
}

function clientConfig(options: PoolOptions, limits: SessionLimits): pg.PoolConfig {
  const config: pg.PoolConfig = {
    ...("url" in options ? { connectionString: options.url } : options.connection),
    types: ROW_TYPES,
    keepAlive: true,
    connectionTimeoutMillis: limits.connectMs,
    query_timeout: limits.statementMs === 0 ? 0 : limits.statementMs + SILENCE_MARGIN_MS,
    application_name: options.applicationName,
  };
  try {
    new pg.Client(config);
  } catch {
    // not passed on as cause: it quotes the URL, password and all
    throw new StepgateError("CONFIG_INVALID", { reason: "the database URL cannot be read" });
  }
  return config;
}
