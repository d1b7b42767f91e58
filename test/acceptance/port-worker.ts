/**
 * A worker on ports in memory: one step that waits, is claimed, passes the gate and ends, with everything it asks for in
 * one object. Real: the worker, the gate, keys, tokens, sealing, signatures. In memory: the queue and the store.
 */
import { createSecretKey, randomBytes } from "node:crypto";
import { makeCallCounter } from "../../src/capability/call-counter.ts";
import { makeVerifier } from "../../src/capability/make-verifier.ts";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import { systemClock } from "../../src/core/clock.ts";
import { noFailPoints } from "../../src/core/fail-point.ts";
import { type BatchId, type BlobId, makeIds, type RunUid, type StepId, type TenantUid } from "../../src/core/ids.ts";
import { definitionJson, type ToolDefinition } from "../../src/core/tool.ts";
import type { StoredBlob } from "../../src/core/vault.ts";
import { signBatch } from "../../src/evidence/batch.ts";
import { makeTenantKeyring } from "../../src/evidence/tenant-keys.ts";
import { PROCESS_SECRETS } from "../../src/executors/process/secret-env.ts";
import { makeReader } from "../../src/executors/schema.ts";
import { makeCompileSchema } from "../../src/executors/tool/compile-schema.ts";
import { openTool } from "../../src/executors/tool/opened-tool.ts";
import { ToolInputs } from "../../src/executors/tool/tool-adapter.ts";
import { makeGate } from "../../src/gate/gate.ts";
import { makeInFlight } from "../../src/gate/pressure.ts";
import type { StepAddress } from "../../src/gate/settlement.ts";
import { makeTenantVaults } from "../../src/gate/tenant-vault.ts";
import { makeBatcher } from "../../src/scheduler/batcher.ts";
import { makeDatabaseClock } from "../../src/scheduler/database-clock.ts";
import { makeLeases } from "../../src/scheduler/leases.ts";
import { makeOpenSteps, type OpenDeps } from "../../src/scheduler/open-steps.ts";
import type { ClaimedStep, Queue } from "../../src/scheduler/ports.ts";
import { makeEndOverdue, makeRunStep, type RunStepDeps } from "../../src/scheduler/run-step.ts";
import { Worker } from "../../src/scheduler/worker.ts";
import { keysOf, signerFromSeed } from "../capability/issuer.ts";
import { memoryKeyStore } from "../evidence/memory-key-store.ts";
import { type Decide, done, makeSink, packOf } from "./rig.ts";

/** Everything the worker and its gate ask for; a dependency that is added to either must be given here. */
export interface Ports {
  readonly queue: Queue;
  readonly open: OpenDeps;
  readonly gate: Parameters<typeof makeGate>[0];
  readonly run: Omit<RunStepDeps, "gate" | "admit" | "settle" | "leases">;
}

/** How the step of this world ends, as its queue and store have it. */
export interface World {
  readonly ports: Ports;
  readonly calls: readonly unknown[];
  readonly state: () => "queued" | "leased" | "running" | "succeeded" | "failed" | "refused" | "held";
  /** Resolves at the next move of the step. */
  readonly moved: () => Promise<void>;
  /** Of the settlement that ended it. */
  readonly errorKind: () => string | undefined;
  /** What is left in flight; 0 when everything was given back. */
  readonly inFlight: () => number;
  /** Everything that was handed to the store, as text. */
  readonly stored: () => string;
}

export const REQUEST_TOKENS = 10;
const ANSWER_MAX_MS = 60;
const clock = systemClock;
const tokenSigner = signerFromSeed(1);
const decisionSigner = signerFromSeed(2, "decision");
const { verifyToken } = makeVerifier({ keys: () => keysOf(tokenSigner), clock, memoSize: 0 });
const ids = makeIds(clock);
const vaults = makeTenantVaults({
  keyring: makeTenantKeyring({ store: memoryKeyStore(), ids, wrapping: createSecretKey(randomBytes(32)) }),
  ids,
});
const TENANT = ids.uuid() as TenantUid;
const RUN = ids.uuid() as RunUid;

const redactOnce: Decide = ({ inputs }) =>
  (inputs as { readonly card?: string }).card === "4111"
    ? { effect: "redact", reasons: ["card"], patches: [{ op: "replace", path: "/inputs/card", value: "[gone]" }] }
    : { effect: "allow" };

/** The tool that a step of type `tool` is bound to; its executor is the sink. */
const TOOL: ToolDefinition = {
  name: "t",
  version: 1,
  executor: "sink",
  config: { card: { $argument: "card" } },
  input_schema: { type: "object", properties: { card: { type: "string" } }, required: ["card"] },
  effects: "write",
  idempotent: false,
  defaults: {},
  limits: {},
  secrets: [{ name: "KEY", ref: "key", as: "env" }],
};

export interface Scenario {
  readonly runtime: Decide;
  /** A step of type `tool` in place of one of the sink's own. */
  readonly isTool?: boolean;
}

/** A step that refers to another one, has a breakpoint somewhere in its run, is redacted by the floor, and asks for tokens. */
export async function makeWorld({ runtime, isTool = false }: Scenario): Promise<World> {
  const sink = makeSink(() => done({ fine: true }, { tokens: 1, usdMicros: 0 }));
  const adapter = { ...sink.adapter, secrets: PROCESS_SECRETS };
  const tool = openTool(
    {
      calls: makeCallCounter({ nowSec: () => Math.floor(clock.nowMs() / 1000), maxTokens: 100 }),
      clockSkewSec: 30,
      compile: makeCompileSchema(1),
      readInputs: makeReader(ToolInputs),
      validateInputs: () => [],
    },
    { definition: TOOL, digest: canonicalDigest(definitionJson(TOOL)) },
    adapter,
  );
  const blobs = new Map<BlobId, StoredBlob>();
  const vault = await vaults.of(TENANT);
  const stored: string[] = [];
  const keep = (stepId: string, field: "input" | "output" | "labels", value: object): BlobId => {
    const { blobId, place, ...sealed } = vault.seal(
      { runUid: RUN, stepId: stepId as StepId, field },
      JSON.stringify(value),
    );
    blobs.set(blobId, { tenantUid: TENANT, blobId, ...place, ...sealed });
    return blobId;
  };
  const given = { card: "4111", from: { $from: "first", pointer: "/n" } };
  const inputBlob = keep("a", "input", isTool ? { tool: TOOL.name, arguments: given } : given);
  const firstInput = keep("first", "input", {});
  const firstOutput = keep("first", "output", { value: { n: 7 } });
  const labelsBlob = keep("", "labels", { team: "x" });
  let state: ReturnType<World["state"]> = "queued";
  let leaseEpoch = 0;
  let errorKind: string | undefined;
  let wake = (): void => undefined;
  const move = (to: typeof state): void => {
    state = to;
    wake();
  };
  const isOurs = (address: StepAddress): boolean => address.leaseEpoch === leaseEpoch && state !== "queued";
  const inFlight = makeInFlight({ maxTokens: REQUEST_TOKENS, maxUsdMicros: undefined });
  const databaseClock = makeDatabaseClock(clock);
  const claimed = (): ClaimedStep => ({
    tenantUid: TENANT,
    tenantId: "default",
    runUid: RUN,
    stepId: "a" as StepId,
    leaseEpoch,
    attempt: 1,
    errorAttempts: 0,
    lostAttempts: 0,
    isTarget: false,
    isAlone: false,
    origin: undefined,
    queueTargetMs: undefined,
    spec: {
      ...(isTool
        ? { type: "tool", tool: { name: TOOL.name, version: 1, digest: canonicalDigest(definitionJson(TOOL)) } }
        : { type: "sink" }),
      policy: { guardrails: [], packs: [] },
      execution: {
        max_attempts: 1,
        retry_backoff_ms: 0,
        retry_backoff_factor_ppm: 1_000_000,
        deadline_ms: 0,
        checkpoint: false,
        cost_hint: { tokens: REQUEST_TOKENS },
      },
    },
    inputBlob,
    inputSealed: blobs.get(inputBlob),
    checkpointBlob: undefined,
    labelsBlob,
    refs: ["first" as StepId],
    readyAtMs: clock.nowMs(),
    deadlineAtMs: clock.nowMs() + 60_000,
    lastRecord: undefined,
    authorityVersion: 1,
    run: {
      id: undefined,
      kind: "dag",
      opId: "op",
      status: "running",
      caller: { keyId: "k", owner: "o", roles: ["submitter"] },
      trace: undefined,
      timeLimitAtMs: undefined,
      hasBreakpoints: true,
    },
    budget: undefined,
    nowMs: clock.nowMs(),
  });
  const queue: Queue = {
    extendLease: async () => true,
    endLease: async () => 0,
    sayTypes: async () => undefined,
    shouldEmpty: async () => false,
    abandon: async (address) => {
      if (address.leaseEpoch === leaseEpoch && (state === "leased" || state === "running")) move("queued");
    },
    wake: async () => 0,
    chargePutBack: async () => undefined,
    findHeld: async () =>
      state === "leased" || state === "running"
        ? [{ tenantUid: TENANT, runUid: RUN, stepId: "a" as StepId, leaseEpoch }]
        : [],
    claim: async () => {
      if (state !== "queued") return [];
      leaseEpoch += 1;
      move("leased");
      return [claimed()];
    },
    claimOverdue: async () => [],
    readBlobs: async (wanted) =>
      new Map(wanted.flatMap(({ blobId }) => [blobs.get(blobId)].flatMap((blob) => (blob ? [[blobId, blob]] : [])))),
    readReferred: async (wanted) => wanted.map((step) => ({ ...step, inputBlob: firstInput, outputBlob: firstOutput })),
    findCancelled: async () => [],
    releaseLapsed: async () => 0,
    findLost: async () => [],
  };
  const packs = new Map(Object.entries({ floor: redactOnce, runtime }).map(([id, decide]) => [id, packOf(id, decide)]));
  const ports: Ports = {
    queue,
    open: {
      queue: { readBlobs: queue.readBlobs, readReferred: queue.readReferred },
      vaults: { opening: vaults.opening },
    },
    gate: {
      packs: { get: (name) => packs.get(name) },
      inputsSchema: () => ({ type: "object" }),
      tools: { open: async () => ({ ok: true, tool }) },
      validateInputs: () => [],
      databaseClock: { nowMs: databaseClock.nowMs },
      clock,
      ids,
      onLag: () => undefined,
      onStage: () => undefined,
      breakpoints: { find: async () => undefined },
      inFlight,
      backpressureDelayMs: 1,
      prepareMaxMs: ANSWER_MAX_MS,
      failPoints: noFailPoints,
      issuer: "urn:stepgate",
      signer: () => tokenSigner,
      adapters: () => adapter,
      secrets: { take: async () => ({ ok: true, hand: () => [{ name: "KEY", value: "a value of the tool" }] }) },
      writeTokenLifetimeSec: 60,
      findApproval: async () => ({ kind: "none" }),
      onMinted: () => undefined,
      verifyToken: (token, expected) => verifyToken(token, expected),
      clockSkewSec: 30,
      abortGraceMs: 10,
      instanceUid: "instance",
      workerName: "worker",
      jitter: () => 0.5,
      activeBackoffMs: 1,
      maxBackoffMs: 10,
      signBatch: (_purpose, recordIds) =>
        signBatch(recordIds, decisionSigner, {
          batchId: ids.uuid() as BatchId,
          instanceUid: "instance",
          nowMs: clock.nowMs(),
        }),
      store: {
        retain: async () => undefined,
        admit: async (admissions, batch) => {
          stored.push(JSON.stringify([admissions, batch]));
          return admissions.map(({ address }) => {
            if (!isOurs(address) || state !== "leased") return { kind: "stale" };
            move("running");
            return { kind: "started", budget: undefined };
          });
        },
        settle: async (settlements, batches) => {
          stored.push(JSON.stringify([settlements, batches]));
          return settlements.map((settlement) => {
            const { address, kind } = settlement;
            const isSettled = isOurs(address);
            errorKind = "errorKind" in settlement ? settlement.errorKind : undefined;
            if (isSettled && (kind === "succeeded" || kind === "failed" || kind === "refused" || kind === "held"))
              move(kind);
            else if (isSettled) move("queued");
            return { isSettled, runStatus: "running" };
          });
        },
      },
    },
    run: {
      authorities: {
        at: async () => ({
          tenantUid: TENANT,
          tenantId: "default",
          version: 1,
          labels: {},
          runtimePack: "runtime",
          requiredGuardrails: ["floor"],
          minIsolation: {},
          weakerIsolationAllowed: [],
          executorSettings: {},
          sinks: [],
          defaultRequests: {},
        }),
      },
      databaseClock: { nowMs: databaseClock.nowMs },
      failPoints: noFailPoints,
      retryDeferMs: 1,
      waitingRoom: { putBack: () => 1 },
      answerMaxMs: ANSWER_MAX_MS,
      onOutcome: () => undefined,
    },
  };
  return {
    ports,
    calls: sink.calls,
    state: () => state,
    errorKind: () => errorKind,
    moved: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    inFlight: () => {
      const release = inFlight.take({ tokens: REQUEST_TOKENS, usdMicros: 0 });
      release?.();
      return release === undefined ? REQUEST_TOKENS : 0;
    },
    stored: () => stored.join("\n"),
  };
}

/** The worker over these ports, with one permit: a step that loses it would end all work. */
export function makePortWorker(ports: Ports, onLog: () => void): Worker {
  const leases = makeLeases({ clock });
  const gate = makeGate(ports.gate);
  const batch = { commitMaxMs: ANSWER_MAX_MS, maxItems: 8, maxInFlight: 1, canSplit: () => false };
  const running = {
    ...ports.run,
    gate,
    leases,
    admit: makeBatcher({ ...batch, commit: gate.admit }),
    settle: makeBatcher({ ...batch, commit: gate.settle }),
  };
  return new Worker({
    queue: ports.queue,
    types: ["sink"],
    open: makeOpenSteps(ports.open),
    runStep: makeRunStep(running),
    endOverdue: makeEndOverdue(running),
    reap: async () => 0,
    takePutBack: () => [],
    leases,
    clock,
    databaseClock: makeDatabaseClock(clock),
    wakeSignal: { onReady: () => () => undefined, ready: () => undefined },
    failPoints: noFailPoints,
    settings: {
      maxConcurrentSteps: 1,
      claimBatchSize: 1,
      leaseMs: 1500,
      idleBackoffMs: 2,
      activeBackoffMs: 2,
      reaperIntervalMs: 20,
      requeueBatchSize: 8,
      drainMs: 100,
      abortGraceMs: 100,
      answerMaxMs: ANSWER_MAX_MS,
    },
    log: { info: () => undefined, warn: onLog, error: onLog },
    onClaim: () => undefined,
  });
}
