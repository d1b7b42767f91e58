/**
 * Presence: one connection per process that uses the embedded server, holding advisory locks.
 *
 * A shared lock says "in use"; whoever gets it exclusively is the last one out and may stop the server. A killed process
 * leaves no trace, since its connection ends with it: no file, no pid that could be used again. Not here: retries (embedded-server.ts).
 */
import { realpath } from "node:fs/promises";
import pg from "pg";
import { StepgateError } from "../../core/errors.ts";
import { SUPERUSER } from "./cluster.ts";
import { type Place, SOCKET_PORT } from "./place.ts";
import { isSystemError } from "./system-error.ts";

export interface EmbeddedConnection {
  /** The socket's folder. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export type Role = "owner" | "member";

export type JoinAttempt =
  | { readonly kind: "joined"; readonly presence: Presence }
  /** Nobody listens. */
  | { readonly kind: "absent" }
  /** It says that it starts, recovers or stops. */
  | { readonly kind: "busy" }
  /** Its last user is about to stop it. */
  | { readonly kind: "leaving" }
  /** It is there and does not serve us: a connection that breaks, too many connections. */
  | { readonly kind: "silent" };

export interface Presence {
  /** The owner is the one that found no other process here, whether it started the server or adopted an orphan. */
  readonly role: Role;
  readonly version: string;
  /** Ends when the connection does, for whatever reason. */
  readonly lost: Promise<void>;
  /** Gives up the place in use; true when nobody else is there, and then nobody can join until `close`. */
  readonly leave: () => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** "SG" and a number: locks of the database `postgres`, which the product's own statements never use. */
const PRESENCE_LOCK = 0x5347_0001;
const OWNER_LOCK = 0x5347_0002;
const CONNECT_TIMEOUT_MS = 5000;
/** For a server that stands still: a start, a stop or a status must not stand still with it. */
const QUERY_TIMEOUT_MS = 30_000;

/** How to reach the product's database in this place. */
export function connectionOf(place: Place, database: string = SUPERUSER): EmbeddedConnection {
  return { host: place.socketFolder, port: SOCKET_PORT, user: SUPERUSER, password: place.password, database };
}

/**
 * Tries once to join the server of this place, and makes the product's database if a killed first start left it out.
 *
 * @throws {StepgateError} EMBEDDED_FAILED when a server answers that is not ours, or refuses our password.
 */
export async function tryJoin(place: Place): Promise<JoinAttempt> {
  const client = new pg.Client({
    ...connectionOf(place, "postgres"),
    application_name: `stepgate presence ${process.pid}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  // without a listener, the server's death would be ours
  const lost = new Promise<void>((resolve) => client.once("error", () => resolve()).once("end", resolve));
  client.on("error", () => undefined);
  try {
    await client.connect();
    const version = await checkIdentity(client, place);
    if (!(await tryLock(client, "pg_try_advisory_lock_shared", PRESENCE_LOCK))) {
      await client.end();
      return { kind: "leaving" };
    }
    const role = (await tryLock(client, "pg_try_advisory_lock", OWNER_LOCK)) ? "owner" : "member";
    await ensureDatabase(client);
    return { kind: "joined", presence: { role, version, lost, ...exits(client) } };
  } catch (caught) {
    await client.end().catch(() => undefined);
    return judgeFailure(caught);
  }
}

/** Counts the processes that use the server of this place; undefined when it does not answer. Joins nothing. */
export async function countUsers(place: Place): Promise<{ users: number; version: string } | undefined> {
  const client = new pg.Client({
    ...connectionOf(place, "postgres"),
    application_name: "stepgate doctor",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const version = await checkIdentity(client, place);
    const { rows } = await client.query<{ users: string }>(
      "select count(*) as users from pg_locks where locktype = 'advisory' and granted and objid = $1 and objsubid = 1",
      [PRESENCE_LOCK],
    );
    return { users: Number(rows[0]?.users), version };
  } catch (caught) {
    judgeFailure(caught);
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function exits(client: pg.Client): Pick<Presence, "leave" | "close"> {
  return {
    leave: async () => {
      // given up first: two that leave at once and both still held it would both find the other there, and nobody would stop it
      await client.query("select pg_advisory_unlock_shared($1::bigint)", [PRESENCE_LOCK]);
      return await tryLock(client, "pg_try_advisory_lock", PRESENCE_LOCK);
    },
    close: async () => {
      await client.end().catch(() => undefined);
    },
  };
}

/** Answering is not enough: this server must serve our data folder. */
async function checkIdentity(client: pg.Client, place: Place): Promise<string> {
  const { rows } = await client.query<{ folder: string; version: string }>(
    "select current_setting('data_directory') as folder, current_setting('server_version') as version",
  );
  const [row] = rows;
  if (row === undefined)
    throw new StepgateError("EMBEDDED_FAILED", { reason: "the server does not say what it serves" });
  const served = await realpath(row.folder).catch(() => row.folder);
  if (served !== (await realpath(place.dataDirectory))) {
    throw new StepgateError("EMBEDDED_FAILED", { reason: "the server on our socket serves another folder", served });
  }
  return row.version;
}

async function tryLock(
  client: pg.Client,
  take: "pg_try_advisory_lock" | "pg_try_advisory_lock_shared",
  key: number,
): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(`select ${take}($1::bigint) as taken`, [key]);
  return rows[0]?.taken === true;
}

async function ensureDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [SUPERUSER]);
  if (rowCount !== 0) return;
  try {
    await client.query(`create database ${SUPERUSER}`);
  } catch (caught) {
    // 42P04, or 23505 when two make it in the same instant: another process made it
    if (!isSystemError(caught, "42P04", "23505")) throw caught;
  }
}

function judgeFailure(caught: unknown): JoinAttempt {
  if (caught instanceof StepgateError) throw caught;
  if (isSystemError(caught, "ENOENT", "ECONNREFUSED")) return { kind: "absent" };
  if (isSystemError(caught, "57P03")) return { kind: "busy" };
  // 28: a password or role that is refused; everything else may pass while a server starts, stops or is crowded
  if (isSystemError(caught, "28P01", "28000", "EACCES", "EPERM")) {
    throw new StepgateError(
      "EMBEDDED_FAILED",
      { reason: "the server refuses us", sqlState: caught.code ?? "" },
      { cause: caught },
    );
  }
  return { kind: "silent" };
}
