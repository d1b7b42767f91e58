/**
 * The rooms that worker and gateway share: database, keys, packs, executors, tenants, telemetry; opened in order (main.ts).
 *
 * Not here: what any of them does.
 */
import { readFile } from "node:fs/promises";
import { makeCallCounter } from "./capability/call-counter.ts";
import { makeVerifier } from "./capability/make-verifier.ts";
import type { Config } from "./config/config.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import { StepgateError } from "./core/errors.ts";
import { killAt, noFailPoints } from "./core/fail-point.ts";
import { type BatchId, makeIds, type RunUid, type TenantUid } from "./core/ids.ts";
import { ownUid } from "./core/own-user.ts";
import { shareReads } from "./core/share-reads.ts";
import type { StoredBlob } from "./core/vault.ts";
import { type SignBatch, signBatch } from "./evidence/batch.ts";
import { openKeyFiles, readKeyFile } from "./evidence/key-files.ts";
import { type KeyRing, openKeyRing } from "./evidence/key-ring.ts";
import { makeOpenTools } from "./executors/tool/open-tools.ts";
import { makeValidateInputs } from "./executors/validate-inputs.ts";
import { makeTenantVaults } from "./gate/tenant-vault.ts";
import { openDatabase } from "./main-database.ts";
import { openExecutors } from "./main-executors.ts";
import type { StartInput } from "./main-input.ts";
import { secretReader } from "./main-secrets.ts";
import { makeFindPackUseFault } from "./policy/pack-options.ts";
import { makeChangeFeed } from "./runs/change-feed.ts";
import { makeReadManifest } from "./runs/manifest.ts";
import { readDefaults, type ToolPins } from "./runs/pin-tools.ts";
import { makePrepareRun } from "./runs/prepare-submission.ts";
import { makeReadSubmission } from "./runs/read-submission.ts";
import { makeSealRuns } from "./runs/seal-runs.ts";
import { makeStartRun } from "./runs/start-run.ts";
import { RunSubmission } from "./runs/submission.ts";
import { makeSubmitRun } from "./runs/submit-run.ts";
import { makeDatabaseClock } from "./scheduler/database-clock.ts";
import { makeKeyStore } from "./storage/key-store.ts";
import { Notices } from "./storage/notices.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./storage/pool.ts";
import { makeRecordStore, makeSealStore } from "./storage/record-store.ts";
import { makeRunStore } from "./storage/run-store.ts";
import { makeTenantStore } from "./storage/tenant-store.ts";
import { makeFindVacuumHolder } from "./storage/vacuum-horizon.ts";
import { watchVacuum } from "./storage/watch-vacuum.ts";
import { makeFindWindowsLeft, watchWindows } from "./storage/watch-windows.ts";
import { makeMetrics } from "./telemetry/metrics.ts";
import { startTracing } from "./telemetry/start-tracing.ts";
import { makeAuthorities } from "./tenancy/authorities.ts";
import { readDefinition, storedDigest } from "./tenancy/read-definition.ts";
import { DEFAULT_TENANT_ID, DEFAULT_TENANT_SETTINGS } from "./tenancy/tenants.ts";

/** `iss` of every token. */
export const ISSUER = "urn:stepgate";
export const CLOCK_SKEW_SEC = 30;
/** Over what the pool waits for a connection and for a silent server: it answers first, this is for what has no bound. */
export const ANSWER_MARGIN_MS = 30_000;
const TRUST_LIFETIME_MS = 365 * 86_400_000;
const FEED_POLL_MS = 250;
/** A query of the catalogue; what it finds matters after minutes. */
const VACUUM_WATCH_MS = 15_000;
/** Two rows of the catalogue; what it finds matters after hours. */
const WINDOWS_WATCH_MS = 60_000;
/** 15 minutes of tokens at 1 000 steps a second. */
const MAX_COUNTED_TOKENS = 1_000_000;
/** Compiled schemas of so many versions are kept. */
const MAX_OPEN_TOOLS = 1_000;

export type Rooms = Awaited<ReturnType<typeof openRooms>>;

/** Opens stores, keys, packs and executors; everything that worker and gateway share. */
export async function openRooms(input: StartInput, stops: (() => Promise<unknown>)[]) {
  const { config, log, onProgress, parts = {} } = input;
  const system = parts.clock ?? systemClock;
  const databaseClock = makeDatabaseClock(system);
  // one time for everything that is written, signed or judged, whatever this machine's clock does
  const clock: Clock = { nowMs: databaseClock.nowMs, monotonicMs: system.monotonicMs };
  const ids = makeIds(clock);
  const tokenUse = {
    calls: makeCallCounter({ nowSec: () => Math.floor(clock.nowMs() / 1000), maxTokens: MAX_COUNTED_TOKENS }),
    clockSkewSec: CLOCK_SKEW_SEC,
  };
  const [opened, { packs, registry, ownAddresses }] = await both(
    openDatabase(input, { monotonicMs: system.monotonicMs, observe: databaseClock.observe }, stops),
    openExecutors(input, { clock, tokenUse }, stops),
  );
  const { pool, workerPool, ownerPool, openListener, watch, room, database, embedded } = opened;
  onProgress("opening_keys");
  const keyRing = await openKeys(config, pool, clock);
  const tenants = makeTenantStore(pool);
  await tenants.ensure({
    tenantUid: ids.uuid() as TenantUid,
    tenantId: DEFAULT_TENANT_ID,
    settings: DEFAULT_TENANT_SETTINGS,
  });
  const metrics = makeMetrics();
  const tracing = await startTracing(config.telemetry.otlpEndpoint, {
    random: ids.random,
    version: await readVersion(),
  });
  stops.unshift(
    () => tracing.stop(),
    () => metrics.stop(),
  );
  const { vacuumHeldWarnMs } = config.storage;
  const vacuum = watchVacuum({
    find: makeFindVacuumHolder(ownerPool, clock.monotonicMs),
    warnMs: vacuumHeldWarnMs,
    everyMs: Math.min(VACUUM_WATCH_MS, vacuumHeldWarnMs),
    log,
    onLook: (seconds) => metrics.set("vacuum.held_seconds", seconds, {}),
  });
  const windows = watchWindows({
    findLeft: makeFindWindowsLeft(ownerPool),
    everyMs: WINDOWS_WATCH_MS,
    log,
    onLook: (seconds) => metrics.set("history.prepared_seconds", seconds, {}),
  });
  stops.unshift(vacuum.stop, windows.stop);
  const feed = makeChangeFeed({ pollMs: FEED_POLL_MS });
  stops.unshift(async () => feed.stop());
  const store = makeRunStore(pool);
  const records = makeRecordStore(pool);
  const sign: SignBatch = (purpose, batchIds) =>
    signBatch(batchIds, keyRing.signer(purpose), {
      batchId: ids.uuid() as BatchId,
      instanceUid: keyRing.instanceUid,
      nowMs: clock.nowMs(),
    });
  const failPoints = config.gate.failPoint === undefined ? noFailPoints : killAt(config.gate.failPoint);
  const notices = new Notices({
    pool: pool.within(INSTANCE_SCOPE),
    open: openListener,
    log,
    onNotice: ({ isReady, endedRuns }) => {
      if (isReady) ready.tell();
      if (endedRuns === undefined) feed.changedSome();
      else for (const runUid of endedRuns) feed.changed(runUid as RunUid);
    },
  });
  const ready = makeWakeSignal(() => notices.ready());
  await notices.start();
  stops.unshift(() => notices.stop());
  const sealRuns = makeSealRuns({
    store,
    seals: makeSealStore(workerPool),
    signBatch: sign,
    nowMs: () => databaseClock.nowMs(),
    failPoints,
    onSealed: feed.changed,
  });
  const authorities = makeAuthorities(tenants);
  const vaults = makeTenantVaults({ keyring: keyRing.tenants, ids });
  const validateInputs = makeValidateInputs(registry.list());
  const secrets = secretReader({ pool, keyRing, ids });
  const openTool = makeOpenTools({
    ...tokenUse,
    adapters: registry.get,
    read: async (tenantUid, name, toolVersion) => {
      const row = await tenants.tool(tenantUid, name, toolVersion);
      return row && { digest: storedDigest(row), definition: readDefinition(row) };
    },
    validateInputs,
    maxTools: MAX_OPEN_TOOLS,
  });
  const toolPins = async (tenantUid: TenantUid, names: readonly string[]): Promise<ToolPins> =>
    new Map(
      (await tenants.toolPins(tenantUid, names)).map((pin) => [
        pin.name,
        { ...pin, defaults: readDefaults(pin.defaults) },
      ]),
    );
  const version = await readVersion();
  const readManifest = makeReadManifest();
  const startRun = makeStartRun({
    store,
    prepare: makePrepareRun({
      executors: new Map(registry.list().map(({ type, version: executorVersion }) => [type, executorVersion])),
      build: { version, commit: "unknown" },
      limits: config.runs,
      sloTiers: config.scheduler.sloTiers,
      readManifest,
      findPackFault: makeFindPackUseFault(packs),
    }),
    authority: shareReads(authorities.now),
    vault: vaults.of,
    ceilings: shareReads(async (tenantUid: TenantUid) =>
      (await tenants.ceilings(tenantUid)).map(({ id, unit, limit }) => ({
        name: id,
        bindsCompensations: true,
        [unit]: limit,
      })),
    ),
    packRef: (name) => packs.get(name)?.ref,
    tools: toolPins,
    ids,
    onSubmitted: (_tenantUid, runUid) => {
      ready.ready();
      feed.changed(runUid);
    },
    onTraceReplaced: (runUid) =>
      log.warn({ run: runUid }, "the submitted trace context was not valid and was replaced"),
  });
  return {
    ownAddresses,
    config,
    log,
    clock,
    ids,
    pool,
    workerPool,
    ownerPool,
    watch,
    room,
    vacuum,
    windows,
    database,
    embedded,
    keyRing,
    tenants,
    packs,
    registry,
    metrics,
    tracing,
    feed,
    notices,
    databaseClock,
    store,
    records,
    sign,
    failPoints,
    ready,
    sealRuns,
    version,
    authorities,
    vaults,
    submitRun: makeSubmitRun(startRun),
    startRun,
    readManifest,
    readRunSubmission: makeReadSubmission(RunSubmission),
    ownTokens: makeVerifier({ keys: keyRing.tokenKeys, clock, memoSize: config.gate.signatureMemo }),
    validateInputs,
    openTool,
    secrets,
    toolPins,
    inputsSchema: (type: string) => registry.get(type)?.inputsSchema,
  };
}

/** Waits for the end of both, also where one fails: what the other opens meanwhile is closed by whoever failed. */
async function both<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<readonly [One, Other]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
}

async function openKeys(config: Config, pool: TenantPool, clock: Clock): Promise<KeyRing> {
  const ids = makeIds(clock);
  const { instanceKeyFile, adminKey } = config.keys;
  return openKeyRing({
    files: await openKeyFiles({ home: config.instance.home, uid: ownUid(), uuid: ids.uuid }),
    store: makeKeyStore(pool),
    ids,
    clock,
    givenInstanceKey: instanceKeyFile === undefined ? undefined : await readGivenKey(instanceKeyFile),
    givenAdminKey: adminKey,
    purposes: config.instance.role === "gateway" ? ["decision", "artifact"] : ["token", "decision", "artifact"],
    trustLifetimeMs: TRUST_LIFETIME_MS,
  });
}

/** A key file that was named and is not there must not become a key that is made. */
async function readGivenKey(path: string): Promise<Uint8Array> {
  const bytes = await readKeyFile(path, ownUid());
  if (bytes === undefined) throw new StepgateError("INSTANCE_KEY_MISSING", { path });
  return bytes;
}

/** Tells the claim loops that steps may be ready: that of this process at once, others through the database. */
function makeWakeSignal(tellOthers: () => void) {
  const wakes = new Set<() => void>();
  const tell = (): void => {
    for (const wake of wakes) wake();
  };
  return {
    tell,
    onReady: (wake: () => void) => {
      wakes.add(wake);
      return () => {
        wakes.delete(wake);
      };
    },
    ready: () => {
      tell();
      tellOthers();
    },
  };
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  const found: unknown = JSON.parse(text);
  return typeof found === "object" && found !== null && "version" in found && typeof found.version === "string"
    ? found.version
    : "0.0.0";
}

/** Opens a stored blob with its tenant's keys. */
export function opener({ vaults }: Pick<Rooms, "vaults">): (blob: StoredBlob) => Promise<string> {
  return async (blob) => (await vaults.opening(blob.tenantUid, [blob])).open(blob, blob);
}
