/**
 * The database of a process: the embedded one or the one given, its schema, and a pool for each role (main.ts).
 *
 * Here: the order. The configured user migrates and maintains windows of history; everything else runs as the gateway's or
 * the worker's role. Not here: what a pool is, what the roles may do (storage/).
 */
import type { Config } from "./config/config.ts";
import { resolveAll } from "./executors/adapters.ts";
import type { SocketAddress } from "./executors/http/checked-connect.ts";
import type { StartInput } from "./main-input.ts";
import { checkDatabase } from "./storage/check-database.ts";
import { type EmbeddedServer, startEmbedded } from "./storage/embedded/embedded-server.ts";
import { migrate, readSchema } from "./storage/migrate.ts";
import {
  type DatabaseTarget,
  makeOpenListener,
  makePool,
  type OpenListener,
  type Pool,
  type PoolOptions,
  type TenantPool,
} from "./storage/pool.ts";
import { type DatabaseRoles, setUpRoles } from "./storage/set-up-roles.ts";
import { checkPools, type DatabaseWatch, type TimeListener, watchDatabase } from "./storage/watch-database.ts";
import { type RoomWatch, watchRoom } from "./storage/watch-room.ts";

const WATCH_EVERY_MS = 2000;
/** One claims at a time; of the others as many batches as are under way at once (main-worker.ts). */
const WORKER_LANES = { claim: 1, admit: 2, settle: 2 } as const;
/** The longest statement of maintenance: moving what a window holds too early, deleting runs of the largest plans. */
const MAINTENANCE_MS = 600_000;

export interface Database {
  /** As the gateway's role; where no API is served, as the worker's. Both see what a store asks for within a tenant. */
  readonly pool: TenantPool;
  readonly workerPool: Pool;
  /** As the configured user, who owns the schema: for what changes tables. */
  readonly ownerPool: Pool;
  /** As the role of `pool`. */
  readonly openListener: OpenListener;
  readonly watch: DatabaseWatch;
  readonly room: RoomWatch;
  /** "18.4". */
  readonly database: string;
  readonly embedded: EmbeddedServer | undefined;
}

/**
 * Opens the database and brings its schema up to date; `time` is told what its clock says.
 *
 * @throws {StepgateError} STORE_UNAVAILABLE, STORE_UNSAFE, STORE_FENCE_OPEN, STORE_ROLES_MISSING, SCHEMA_NEWER, EMBEDDED_FAILED …
 */
export async function openDatabase(
  input: StartInput,
  time: TimeListener,
  stops: (() => Promise<unknown>)[],
): Promise<Database> {
  const { config, log, onProgress, parts } = input;
  const { databaseUrl, gatewayDatabaseUrl, workerDatabaseUrl } = config.storage;
  const given = parts?.database ?? (databaseUrl === undefined ? undefined : { url: databaseUrl });
  const embedded =
    given === undefined ? await startEmbedded({ home: config.instance.home, log, onProgress }) : undefined;
  if (embedded !== undefined) stops.unshift(() => embedded.stop());
  const target = embedded === undefined ? (given ?? { url: "" }) : { connection: embedded.connection };
  const roles = await prepareDatabase(input, target);
  const open = (options: Partial<PoolOptions>, url: string | undefined): Pool => {
    const pool = makePool({ ...poolOptions(input, url === undefined ? target : { url }), ...options });
    stops.unshift(() => pool.close());
    return pool;
  };
  const roomPool = open({ maxConnections: 1 }, undefined);
  const room = watchRoom({ pool: roomPool, everyMs: WATCH_EVERY_MS, log });
  const onFull = room.foundFull;
  const gatewayPool = open({ role: roles.gateway, isFenced: true, onFull }, gatewayDatabaseUrl);
  const workerPool = open({ role: roles.worker, lanes: WORKER_LANES, isPlannedOnce: true, onFull }, workerDatabaseUrl);
  // one maintains for as long as it takes, one looks who holds back vacuum and how long windows are prepared for
  const maintenance = { statementMs: MAINTENANCE_MS, lockMs: config.storage.lockTimeoutMs };
  const ownerPool = open({ maxConnections: 2, limits: maintenance, onFull }, undefined);
  const { role } = config.instance;
  const pools = {
    gateway: role === "worker" ? undefined : gatewayPool,
    worker: role === "gateway" ? undefined : workerPool,
  };
  const database = await checkPools(pools, time);
  const watch = watchDatabase(pools, { everyMs: WATCH_EVERY_MS, time, log });
  stops.unshift(watch.stop, room.stop);
  const [ownRole, ownUrl] = role === "worker" ? [roles.worker, workerDatabaseUrl] : [roles.gateway, gatewayDatabaseUrl];
  const openListener = makeOpenListener({
    ...poolOptions(input, ownUrl === undefined ? target : { url: ownUrl }),
    role: ownRole,
  });
  return { pool: pools.gateway ?? workerPool, workerPool, ownerPool, openListener, watch, room, database, embedded };
}

/** As the configured user, who must own the schema when something is to be changed. */
async function prepareDatabase(input: StartInput, target: DatabaseTarget): Promise<DatabaseRoles> {
  const { onProgress } = input;
  const pool = makePool({ ...poolOptions(input, target), maxConnections: 1 });
  try {
    onProgress("checking_database");
    await checkDatabase(pool);
    await migrate({ pool, schema: await readSchema(), onProgress: () => onProgress("migrating") });
    return await setUpRoles(pool);
  } finally {
    await pool.close();
  }
}

function poolOptions({ config, log }: StartInput, target: DatabaseTarget): PoolOptions {
  const { maxConnections, statementTimeoutMs, lockTimeoutMs, pooler } = config.storage;
  return {
    ...target,
    maxConnections,
    applicationName: "stepgate",
    isBehindPooler: pooler === "transaction",
    log,
    limits: { statementMs: statementTimeoutMs, lockMs: lockTimeoutMs },
  };
}

/** Where the database is asked over TCP; an embedded or local one has a socket file, which no step can reach. */
export async function databaseAddresses({ storage }: Config): Promise<readonly SocketAddress[]> {
  const { databaseUrl, gatewayDatabaseUrl, workerDatabaseUrl } = storage;
  const urls = [databaseUrl, gatewayDatabaseUrl, workerDatabaseUrl].flatMap((url) =>
    url === undefined ? [] : [new URL(url)],
  );
  const found = await Promise.all(
    urls
      .filter(({ hostname }) => hostname !== "")
      .map(async ({ hostname, port }) => {
        const addresses = await resolveAll(hostname.replace(/^\[|\]$/g, "")).catch(() => []);
        return addresses.map(({ address }) => ({ address, port: Number(port || 5432) }));
      }),
  );
  return found.flat();
}
