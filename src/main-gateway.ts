/**
 * The API's ports, each from the room that keeps it, and the server over them (gateway/ports.ts).
 *
 * Here: wiring only, by resource. Not here: what a use case does, HTTP.
 */
import { isStepgateError, StepgateError } from "./core/errors.ts";
import type { RunUid, TenantUid } from "./core/ids.ts";
import type { StepSpec } from "./core/step.ts";
import { TOOL_TYPE } from "./core/tool.ts";
import { hashApiKey, makeApiKey } from "./evidence/api-key.ts";
import { openBlob, sealBlob } from "./evidence/sealing.ts";
import type { EvidenceRecord } from "./evidence/statement.ts";
import { makeCheckDefinition } from "./executors/tool/check-definition.ts";
import { type DecisionQuestion, makeDecideRequest } from "./gate/decide-request.ts";
import { Gateway } from "./gateway/gateway.ts";
import type { GatewayPorts } from "./gateway/ports.ts";
import { ROLES } from "./gateway/roles.ts";
import type { JwksView } from "./gateway/views/health.ts";
import { approvalUseCases } from "./main-approvals.ts";
import { deadLetterPorts, queuePorts } from "./main-queue.ts";
import { ANSWER_MARGIN_MS, opener, type Rooms } from "./main-rooms.ts";
import { secretPorts } from "./main-secrets.ts";
import { sinkPorts } from "./main-sinks.ts";
import { makeExportEvidence, makeReadArtifacts, makeViewRecord } from "./runs/export-evidence.ts";
import { normalizeDecision } from "./runs/normalize-decision.ts";
import { decisionOf, makePerformStep } from "./runs/perform-step.ts";
import { pinTool } from "./runs/pin-tools.ts";
import { makeRunReader } from "./runs/read-run.ts";
import { makeBatcher } from "./scheduler/batcher.ts";
import type { Worker } from "./scheduler/worker.ts";
import { makeApiKeyStore } from "./storage/api-key-store.ts";
import { makeAuditStore } from "./storage/audit-store.ts";
import { makeBillingStore } from "./storage/billing-store.ts";
import { type AnswerVault, makeIdempotencyStore } from "./storage/idempotency-store.ts";
import { INSTANCE_SCOPE } from "./storage/pool.ts";
import { makeRetentionStore } from "./storage/retention-store.ts";
import { makeApiKeys } from "./tenancy/api-keys.ts";
import { makeListAudit } from "./tenancy/audit.ts";
import { makeBilling } from "./tenancy/billing.ts";
import { makeExecutorSettings } from "./tenancy/executor-settings.ts";
import { makeShowRetention } from "./tenancy/retention.ts";
import { makeBudgets, makeTenants } from "./tenancy/tenants.ts";
import { makeTools } from "./tenancy/tools.ts";

export interface GatewayServer {
  /** Of the API, with the port that was really taken. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** The worker of this process; one that only answers the API has none, and says nothing about any. */
type LocalWorker = Pick<Worker, "isReady">;

/** Listens and answers. @throws {StepgateError} PORT_TAKEN. */
export async function startGateway(rooms: Rooms, worker: LocalWorker | undefined): Promise<GatewayServer> {
  const { config, clock, log, tracing, ids, version } = rooms;
  const ports = makePorts(rooms, worker);
  const gateway = new Gateway({ ports, settings: config.gateway, ids, version, clock, log, tracing });
  const { url, metricsUrl } = await gateway.start();
  for (const own of [url, metricsUrl]) {
    if (own !== undefined) rooms.ownAddresses.push(addressOf(own));
  }
  return { url, stop: () => gateway.stop() };
}

/** Steps may never call the API they came through (spec 09, `allow_private`). */
function addressOf(url: string): { readonly address: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { address: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function makePorts(rooms: Rooms, worker: LocalWorker | undefined): GatewayPorts {
  const { tenants, records, registry, ids, packs, pool, log } = rooms;
  const apiKeys = makeApiKeys({
    store: makeApiKeyStore(pool),
    tenants,
    roles: ROLES,
    makeKey: () => makeApiKey(ids.random),
    hashKey: hashApiKey,
    nowMs: rooms.clock.nowMs,
    onTouchFailed: (caught) => log.warn({ err: caught }, "a key's last use was not written"),
  });
  const viewRecord = makeViewRecord({ records });
  const listAudit = makeListAudit(makeAuditStore(pool));
  const artifacts = makeReadArtifacts({ records });
  const budgets = makeBudgets(tenants);
  const billing = makeBilling({ store: makeBillingStore(pool), nowMs: () => rooms.databaseClock.nowMs() });
  const isOn = rooms.config.storage.retention === "on";
  const showRetention = makeShowRetention({ store: makeRetentionStore(pool), isOn });
  const executors = registry.list;
  return {
    authenticator: {
      authenticate: apiKeys.authenticate,
      findTenant: apiKeys.findTenant,
    },
    idempotency: makeIdempotencyStore(pool, answerVault(rooms)),
    runs: runPorts(rooms),
    steps: { perform: performPort(rooms) },
    decisions: { decide: decidePort(rooms) },
    approvals: approvalPorts(rooms),
    records: { get: ({ caller, recordId }) => viewRecord(caller.tenantUid, recordId) },
    artifacts: {
      get: ({ caller, artifactId }) => artifacts.view(caller.tenantUid, artifactId),
      content: async ({ caller, artifactId }) => {
        const row = await artifacts.bytes(caller.tenantUid, artifactId);
        return row && contentOf(row.mediaType, row.bytes);
      },
    },
    audit: { list: ({ caller, after, limit }) => listAudit({ tenantUid: caller.tenantUid, after, limit }) },
    tenants: makeTenants({ store: tenants, ids, isPack: (name) => packs.has(name) }),
    tools: makeTools({ store: tenants, check: makeCheckDefinition(executors), secretFault: rooms.secrets.fault }),
    secrets: secretPorts(rooms),
    executors: makeExecutorSettings({ store: tenants, executors, validateSettings: registry.settingsFaults }),
    billing: { recompute: ({ caller, from, to }) => billing({ tenantUid: caller.tenantUid, from, to }) },
    retention: { get: ({ caller }) => showRetention(caller.tenantUid) },
    budgets: { get: ({ caller, after, limit }) => budgets({ tenantUid: caller.tenantUid, after, limit }) },
    queue: queuePorts(rooms),
    deadLetters: deadLetterPorts(rooms),
    sinks: sinkPorts(rooms),
    keys: apiKeys,
    health: healthPorts(rooms, worker),
  };
}

function runPorts(rooms: Rooms): GatewayPorts["runs"] {
  const { store, records, feed, submitRun, ready } = rooms;
  const reader = makeRunReader({ store, open: opener(rooms) });
  const exportEvidence = makeExportEvidence({ store, records });
  const uidOf = async (tenantUid: TenantUid, run: Parameters<typeof reader.find>[1]): Promise<RunUid | undefined> =>
    (await reader.find(tenantUid, run))?.runUid;
  const breakpointsOf = async (tenantUid: TenantUid, runUid: RunUid) => store.breakpoints(tenantUid, runUid);
  const changeBreakpoint =
    (isSet: boolean): GatewayPorts["runs"]["setBreakpoint"] =>
    async ({ caller, run, breakpoint }) => {
      const { tenantUid } = caller;
      const runUid = await uidOf(tenantUid, run);
      if (runUid === undefined) return undefined;
      const isChanged = await store.changeBreakpoint({
        tenantUid,
        runUid,
        breakpoint,
        isSet,
        actor: `key:${caller.keyId}`,
      });
      if (!isChanged && isSet)
        throw new StepgateError("STATE_CONFLICT", { run_uid: runUid, reason: "the run has ended" });
      return breakpointsOf(tenantUid, runUid);
    };
  return {
    submit: async ({ caller, submission, idempotencyKey, trace }) => {
      const { runUid, isNew } = await submitRun({
        tenantUid: caller.tenantUid,
        caller,
        submission,
        idempotencyKey,
        trace,
      });
      const run = await reader.get(caller.tenantUid, { runUid });
      if (run === undefined) throw new StepgateError("RUN_NOT_FOUND", { run_uid: runUid });
      return { run, isNew };
    },
    get: ({ caller, run }) => reader.get(caller.tenantUid, run),
    list: ({ caller, status, after, limit }) => reader.list({ tenantUid: caller.tenantUid, status, after, limit }),
    events: ({ caller, run, afterSeq, limit }) =>
      reader.events({ tenantUid: caller.tenantUid, ref: run, afterSeq, limit }),
    subscribe: async ({ caller, run, onChange }) => {
      const runUid = await uidOf(caller.tenantUid, run);
      return runUid === undefined ? undefined : feed.subscribe(runUid, onChange);
    },
    evidence: async ({ caller, run }) => {
      const text = await exportEvidence(caller.tenantUid, run);
      return text === undefined ? undefined : contentOf("application/vnd.stepgate.evidence+json", Buffer.from(text));
    },
    cancel: async ({ caller, run }) => {
      const runUid = await uidOf(caller.tenantUid, run);
      if (runUid === undefined) return undefined;
      const cancelled = await store.cancel(caller.tenantUid, runUid, `key:${caller.keyId}`);
      feed.changed(runUid);
      const after = await reader.find(caller.tenantUid, { runUid });
      return { run_uid: runUid, cancelled, status: after?.status ?? "cancelled" };
    },
    pause: async ({ caller, run }) => {
      const runUid = await uidOf(caller.tenantUid, run);
      if (runUid === undefined) return undefined;
      if (!(await store.pause(caller.tenantUid, runUid, `key:${caller.keyId}`))) {
        throw new StepgateError("STATE_CONFLICT", { run_uid: runUid, reason: "the run cannot be paused now" });
      }
      feed.changed(runUid);
      return reader.get(caller.tenantUid, { runUid });
    },
    resume: async ({ caller, run }) => {
      const runUid = await uidOf(caller.tenantUid, run);
      if (runUid === undefined) return undefined;
      if (!(await store.resume(caller.tenantUid, runUid, `key:${caller.keyId}`))) {
        throw new StepgateError("STATE_CONFLICT", { run_uid: runUid, reason: "the run is not paused" });
      }
      ready.ready();
      feed.changed(runUid);
      return reader.get(caller.tenantUid, { runUid });
    },
    breakpoints: async ({ caller, run }) => {
      const runUid = await uidOf(caller.tenantUid, run);
      return runUid === undefined ? undefined : breakpointsOf(caller.tenantUid, runUid);
    },
    setBreakpoint: changeBreakpoint(true),
    removeBreakpoint: changeBreakpoint(false),
  };
}

function approvalPorts(rooms: Rooms): GatewayPorts["approvals"] {
  const { read, decide } = approvalUseCases(rooms);
  const get: GatewayPorts["approvals"]["get"] = ({ caller, approvalId }) =>
    read.get(caller.tenantUid, approvalId, caller);
  return {
    list: ({ caller, ...input }) => read.list({ tenantUid: caller.tenantUid, ...input }),
    get,
    decide: async ({ caller, ...answer }) =>
      (await decide({ tenantUid: caller.tenantUid, caller, ...answer })) ? get({ caller, ...answer }) : undefined,
  };
}

function performPort(rooms: Rooms): GatewayPorts["steps"]["perform"] {
  const { store, submitRun, feed, clock } = rooms;
  const perform = makePerformStep({ store, submitRun, feed, clock, open: opener(rooms) });
  return ({ caller, ...input }) => perform({ ...input, tenantUid: caller.tenantUid, caller });
}

function decidePort(rooms: Rooms): GatewayPorts["decisions"]["decide"] {
  const { packs, databaseClock, ids, sign, records, authorities, vaults, inputsSchema, config } = rooms;
  // decisions of many callers share a signature and a commit; each is answered after its own is durable
  const keep = makeBatcher({
    commit: async (items: readonly { readonly tenantUid: TenantUid; readonly record: EvidenceRecord }[]) => {
      await records.insertDecisions(
        items,
        sign(
          "decision",
          items.map(({ record }) => record.id),
        ),
      );
      return items;
    },
    commitMaxMs: config.storage.statementTimeoutMs + ANSWER_MARGIN_MS,
    maxItems: config.scheduler.batchSize,
    maxInFlight: 2,
    canSplit: (caught) => !isStepgateError(caught, "STORE_UNAVAILABLE", "STORE_FULL", "ANSWER_OVERDUE"),
  });
  const decide = makeDecideRequest({
    packs,
    databaseClock,
    ids,
    inputsSchema,
    validateInputs: rooms.validateInputs,
    keep: async (tenantUid, record) => {
      await keep({ tenantUid, record });
    },
  });
  return async ({ caller, request }) => {
    const { tenantUid } = caller;
    const [authority, vault] = await Promise.all([
      authorities.at(tenantUid, caller.authorityVersion),
      vaults.of(tenantUid),
    ]);
    const asked = normalizeDecision(request);
    const bound = await bindTool(rooms, tenantUid, asked.spec);
    const answer = await decide({ tenantUid, authority, vault, caller, ...asked, ...bound });
    return {
      record_id: answer.recordId,
      decision: { ...decisionOf(answer.written), effect: answer.effect, reasons: answer.reasons },
      obligations: answer.obligations,
      ...(answer.inputs === undefined ? {} : { inputs: answer.inputs }),
      ...(answer.output === undefined ? {} : { output: answer.output }),
    };
  };
}

/** Outside a run nothing binds a step to a version: the newest is meant. */
async function bindTool(
  { toolPins, openTool, secrets }: Rooms,
  tenantUid: TenantUid,
  spec: StepSpec,
): Promise<Pick<DecisionQuestion, "spec" | "tool">> {
  if (spec.type !== TOOL_TYPE) return { spec, tool: undefined };
  const { tool: name } = spec.inputs;
  const pin = typeof name === "string" ? (await toolPins(tenantUid, [name])).get(name) : undefined;
  if (pin === undefined) return { spec, tool: { ok: false, reason: "tool_not_registered" } };
  const tool = await openTool(tenantUid, pin);
  const fault = tool.ok ? await secrets.fault(tenantUid, tool.tool.secrets) : undefined;
  return { spec: pinTool(spec, pin), tool: fault === undefined ? tool : { ok: false, reason: fault.reason } };
}

function healthPorts(
  { pool, watch, room, vacuum, windows, keyRing, metrics, log }: Rooms,
  worker: LocalWorker | undefined,
): GatewayPorts["health"] {
  const isDatabaseThere = async (): Promise<boolean> => {
    try {
      await pool.within(INSTANCE_SCOPE).query("select 1");
      return true;
    } catch (caught) {
      log.warn({ err: caught }, "the database does not answer");
      return false;
    }
  };
  return {
    ready: async () => {
      const checks = [
        { name: "database", ok: await isDatabaseThere() },
        { name: "fences", ...watch.verdict() },
        { name: "room", ...room.verdict() },
        ...(worker === undefined ? [] : [{ name: "worker", ok: worker.isReady() }]),
      ];
      const warnings = [vacuum.warning(), windows.warning()].filter((warning) => warning !== undefined);
      return { ready: checks.every(({ ok }) => ok), checks, ...(warnings.length === 0 ? {} : { warnings }) };
    },
    // the key ring writes exactly this form
    jwks: () => keyRing.jwks() as JwksView,
    metricsText: metrics.text,
  };
}

/** Answers of repeated writes, sealed like every payload; those to the instance under a place of its own. */
function answerVault({ keyRing, ids }: Rooms): AnswerVault {
  const place = (tenantUid: TenantUid) => ({
    tenantUid,
    runUid: INSTANCE_SCOPE as string as RunUid,
    stepId: "",
    field: "answer",
  });
  return {
    seal: async (tenantUid, text) => {
      const { dataKey } = await keyRing.tenants.of(tenantUid);
      return sealBlob(dataKey, place(tenantUid), Buffer.from(text), ids.random);
    },
    open: async (tenantUid, blob) =>
      Buffer.from(openBlob(await keyRing.tenants.dataKey(tenantUid, blob.keyId), place(tenantUid), blob)).toString(),
    digest: async (tenantUid, text) => (await keyRing.tenants.of(tenantUid)).digest("idempotency", text),
  };
}

function contentOf(mediaType: string, bytes: Uint8Array) {
  return { mediaType, sizeBytes: bytes.length, chunks: only(bytes) };
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
