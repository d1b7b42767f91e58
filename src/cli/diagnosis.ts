/**
 * What `doctor` looks at: one finding per thing a start needs, with advice where it is not good.
 *
 * In: settings. Out: findings; nothing is made, started or changed. Not here: the table (commands/doctor.ts).
 */
import { lstat, readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { makeCallCounter } from "../capability/call-counter.ts";
import type { Config } from "../config/config.ts";
import { systemClock } from "../core/clock.ts";
import { isStepgateError, type StepgateError } from "../core/errors.ts";
import { ownUid } from "../core/own-user.ts";
import { readKeyFile } from "../evidence/key-files.ts";
import { verifyTrustFile } from "../evidence/trust-bundle.ts";
import { makeAdapters } from "../executors/adapters.ts";
import { makeRegistry } from "../executors/registry.ts";
import { checkDatabase } from "../storage/check-database.ts";
import { checkFences } from "../storage/check-fences.ts";
import { readEmbeddedStatus } from "../storage/embedded/status.ts";
import { makePool, type Pool, type PoolOptions } from "../storage/pool.ts";
import { findRoles } from "../storage/set-up-roles.ts";
import { adviceOnHolder, makeFindVacuumHolder, nameHolder } from "../storage/vacuum-horizon.ts";
import { adviceOn } from "../storage/watch-database.ts";
import { makeLog } from "../telemetry/logger.ts";

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly about: string;
  readonly advice?: string;
}

const NEEDED_NODE_MAJOR = 24;

/** Looks at everything, each look on its own: one that breaks down is a finding. */
export async function findComplaints(config: Config): Promise<readonly Finding[]> {
  const looks: readonly (readonly [string, () => Promise<readonly Finding[]>])[] = [
    ["node", async () => [lookAtNode()]],
    ["postgresql", async () => [await lookAtDatabase(config)]],
    ["fences", async () => lookAtFences(config)],
    ["vacuum", async () => lookAtVacuum(config)],
    ["sandbox", lookAtSandbox],
    ["home", async () => [await lookAtHome(config.instance.home)]],
    ["keys", async () => lookAtKeys(config)],
    ["port", async () => [await lookAtPort(config)]],
  ];
  const found = await Promise.all(
    looks.map(async ([name, look]) => {
      try {
        return await look();
      } catch (caught) {
        const about = isStepgateError(caught)
          ? `${caught.message} ${describe(caught)}[${caught.code}]`
          : String(caught);
        return [{ name, ok: false, about }];
      }
    }),
  );
  return found.flat();
}

function lookAtNode(): Finding {
  const { node } = process.versions;
  const ok = Number(node.split(".")[0]) >= NEEDED_NODE_MAJOR;
  return { name: "node", ok, about: `Node.js ${node}`, ...(ok ? {} : { advice: "run: npm ci" }) };
}

async function lookAtDatabase({ storage, instance }: Config): Promise<Finding> {
  const name = "postgresql";
  if (storage.databaseUrl === undefined) {
    const status = await readEmbeddedStatus(instance.home);
    if (status.state === "absent") return { name, ok: true, about: "embedded, made at the first start" };
    if (status.state === "stopped")
      return { name, ok: true, about: `embedded in ${status.dataDirectory}, not running` };
    const { version, dataDirectory, users } = status;
    return { name, ok: true, about: `embedded ${version} in ${dataDirectory}, used by ${users} processes` };
  }
  const version = await withPool(storage, { url: storage.databaseUrl }, checkDatabase);
  return { name, ok: true, about: `PostgreSQL ${version} at STEPGATE_DATABASE_URL` };
}

/** The embedded server is made and started by this product alone, which checks it at each start. */
async function lookAtFences({ storage }: Config): Promise<readonly Finding[]> {
  const { databaseUrl } = storage;
  if (databaseUrl === undefined) return [];
  const name = "fences";
  const roles = await withPool(storage, { url: databaseUrl }, findRoles);
  if (roles === undefined) return [{ name, ok: true, about: "made with the schema at the first start" }];
  const url = storage.gatewayDatabaseUrl ?? databaseUrl;
  try {
    await withPool(storage, { url, role: roles.gateway, isFenced: true }, checkFences);
    return [{ name, ok: true, about: "the gateway's database role sees one tenant at a time" }];
  } catch (caught) {
    if (!isStepgateError(caught, "STORE_FENCE_OPEN")) throw caught;
    return [{ name, ok: false, about: `${caught.message} [${caught.code}]`, advice: adviceOn(caught) }];
  }
}

/** A slot does not say since when it stands; one that nobody reads is named at once. */
async function lookAtVacuum({ storage }: Config): Promise<readonly Finding[]> {
  const { databaseUrl, vacuumHeldWarnMs } = storage;
  if (databaseUrl === undefined) return [];
  const name = "vacuum";
  const holder = await withPool(storage, { url: databaseUrl }, (pool) =>
    makeFindVacuumHolder(pool, systemClock.monotonicMs)(),
  );
  const isHeld =
    holder !== undefined &&
    (holder.heldMs >= vacuumHeldWarnMs || (holder.kind === "slot" && holder.state === "inactive"));
  if (!isHeld) return [{ name, ok: true, about: "no transaction that can be seen holds it back for long" }];
  const since = holder.kind === "slot" ? "" : ` for ${Math.floor(holder.heldMs / 1000)} s`;
  return [{ name, ok: false, about: `${nameHolder(holder)} holds it back${since}`, advice: adviceOnHolder(holder) }];
}

async function withPool<Result>(
  storage: Config["storage"],
  target: Pick<PoolOptions, "role" | "isFenced"> & { readonly url: string },
  look: (pool: Pool) => Promise<Result>,
): Promise<Result> {
  const pool = makePool({
    ...target,
    maxConnections: 1,
    applicationName: "stepgate doctor",
    isBehindPooler: storage.pooler === "transaction",
    log: makeLog({ level: "silent" }),
    limits: { statementMs: storage.statementTimeoutMs, lockMs: storage.lockTimeoutMs },
  });
  try {
    return await look(pool);
  } finally {
    await pool.close();
  }
}

async function lookAtSandbox(): Promise<readonly Finding[]> {
  const calls = makeCallCounter({ nowSec: () => 0, maxTokens: 1 });
  const registry = makeRegistry(
    makeAdapters({ calls, clockSkewSec: 0, clock: systemClock, forbiddenAddresses: () => [] }),
  );
  await registry.selfTestAll();
  const report = registry.list().find(({ type }) => type === "process")?.report;
  if (report === undefined) return [];
  const { level, checks, advice } = report;
  const failed = checks.filter(({ held }) => !held).map((check) => check.name);
  const ok = level === "namespaces+seccomp+uid" || (level === "namespaces" && process.geteuid?.() !== 0);
  const about =
    level === "none"
      ? "process steps are refused here: sandbox_unavailable"
      : `process steps run at ${level}, ${checks.length - failed.length} of ${checks.length} checks held; memory_bytes bounds each process, not their sum`;
  return [
    { name: "sandbox", ok, about, ...(ok ? {} : { advice: advice ?? `checks that failed: ${failed.join(", ")}` }) },
  ];
}

async function lookAtHome(home: string): Promise<Finding> {
  const name = "home";
  const stat = await lstat(home).catch(() => undefined);
  if (stat === undefined) return { name, ok: true, about: `${home}, made at the first start` };
  const ok = stat.isDirectory() && stat.uid === ownUid() && (stat.mode & 0o077) === 0;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  return {
    name,
    ok,
    about: `${home}, mode ${mode}`,
    ...(ok ? {} : { advice: `make it yours alone: chmod 700 ${home}` }),
  };
}

async function lookAtKeys({ instance, keys }: Config): Promise<readonly Finding[]> {
  const folder = join(instance.home, "keys");
  if ((await lstat(folder).catch(() => undefined)) === undefined)
    return [{ name: "keys", ok: true, about: "made at the first start" }];
  const uid = ownUid();
  const instanceKey =
    keys.instanceKeyFile === undefined
      ? await readKeyFile(join(folder, "instance.key"), uid)
      : await readFile(keys.instanceKeyFile).catch(() => undefined);
  const trust = await readKeyFile(join(folder, "trust.json"), uid);
  return [
    instanceKey === undefined
      ? { name: "keys", ok: false, about: "the instance key is not there", advice: `put it back into ${folder}` }
      : { name: "keys", ok: true, about: `in ${folder}; back this folder up: without it payloads cannot be read` },
    ...(trust === undefined ? [] : [lookAtTrust(trust)]),
  ];
}

function lookAtTrust(file: Uint8Array): Finding {
  const verdict = verifyTrustFile(file, { nowMs: systemClock.nowMs(), pinnedRoot: undefined });
  if (!verdict.ok)
    return {
      name: "trust",
      ok: false,
      about: `trust.json: ${verdict.reason}`,
      advice: "restart the gateway: it renews the file",
    };
  const until = new Date(verdict.trust.expiresAtMs).toISOString().slice(0, 10);
  return { name: "trust", ok: true, about: `root ${verdict.trust.rootKid}, good until ${until}` };
}

/** Taken by a gateway of ours is good, by anything else it is not. */
async function lookAtPort({ gateway }: Config): Promise<Finding> {
  const { host, port } = gateway.listen;
  const address = `${host}:${port}`;
  if (port === 0) return { name: "port", ok: true, about: "any free one" };
  if (await canListen(host, port)) return { name: "port", ok: true, about: `${address} is free` };
  const answer = await fetch(`http://${host.includes(":") ? `[${host}]` : host}:${port}/healthz`, {
    signal: AbortSignal.timeout(2_000),
    redirect: "error",
  }).catch(() => undefined);
  const isOurs = answer?.ok === true && (await answer.text()).includes('"ok"');
  if (isOurs) return { name: "port", ok: true, about: `${address} answers as a gateway` };
  return {
    name: "port",
    ok: false,
    about: `${address} is taken`,
    advice: "stop what listens there, or set STEPGATE_LISTEN",
  };
}

async function canListen(host: string, port: number): Promise<boolean> {
  const isTaken = await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    socket.once("connect", () => resolve(true));
    for (const event of ["error", "timeout"]) socket.once(event, () => resolve(false));
    socket.once("close", () => socket.destroy());
  });
  if (isTaken) return false;
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}

function describe({ detail }: StepgateError): string {
  const { path, reason } = detail;
  return [path, reason]
    .filter((part) => part !== undefined)
    .map((part) => `(${part}) `)
    .join("");
}
