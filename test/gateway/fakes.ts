/**
 * In-memory use cases for the gateway's tests: two tenants, a key for every role, every call written down.
 *
 * Lookups answer by tenant, as the ports demand. Not here: rules of the use cases, which have tests of their own.
 */
import { StepgateError } from "../../src/core/errors.ts";
import type { ArtifactId, RecordId, RunUid, TenantUid } from "../../src/core/ids.ts";
import type { Caller, KeyHolder, TenantRef } from "../../src/gateway/ports/caller.ts";
import type { IdempotencyClaim, IdempotencyScope, StoredAnswer } from "../../src/gateway/ports/repeated-write.ts";
import type { ByteContent, RunInput } from "../../src/gateway/ports/request.ts";
import type { StepOutcome } from "../../src/gateway/ports/runs.ts";
import type { SinkInput } from "../../src/gateway/ports/sinks.ts";
import type { GatewayPorts } from "../../src/gateway/ports.ts";
import { ROLES } from "../../src/gateway/roles.ts";
import type { ApprovalView } from "../../src/gateway/views/approval.ts";
import type { EventPage, EventView } from "../../src/gateway/views/event.ts";
import type { NewKeyView } from "../../src/gateway/views/key.ts";
import type { DeadLetterView, QueueView } from "../../src/gateway/views/queue.ts";
import type { ArtifactView, RecordView } from "../../src/gateway/views/record.ts";
import type { BreakpointView, RunView } from "../../src/gateway/views/run.ts";
import type { SecretView } from "../../src/gateway/views/secret.ts";
import type { DeliveryPage, SinkDeadLetterPage, SinkView } from "../../src/gateway/views/sink.ts";
import type { TenantView } from "../../src/gateway/views/tenant.ts";
import type { ExecutorView, ToolView } from "../../src/gateway/views/tool.ts";

export const NOW = "2026-01-02T03:04:05.678Z";
export const DIGEST = "ab".repeat(32);
export const ACME: TenantRef = { tenantUid: uuid(1) as TenantUid, tenantId: "acme", authorityVersion: 1 };
export const GLOBEX: TenantRef = { tenantUid: uuid(2) as TenantUid, tenantId: "globex", authorityVersion: 1 };
export const HOME: TenantRef = { tenantUid: uuid(3) as TenantUid, tenantId: "default", authorityVersion: 1 };
const TENANTS = [ACME, GLOBEX, HOME];

/** The only run, approval, record, artifact, tool and key there is; they belong to acme. */
export const RUN_UID = uuid(100) as RunUid;
export const RUN_ID = "support-1";
export const KEY_ID = "00000000000000aa";
export const APPROVAL_ID = uuid(200);

export function uuid(number: number): string {
  return `01900000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;
}

const nothing = { limit: 100, used: 10, reserved: 5, remaining: 85, overrun: 0 };
const QUEUE: QueueView = {
  is_paused: false,
  paused_types: ["http"],
  served_types: ["noop"],
  is_partial: false,
  counts: [{ type: "noop", state: "queued", count: 2, oldest_ready_at: "2026-01-01T00:00:00.000Z" }],
};

const DEAD_LETTER: DeadLetterView = {
  run_uid: RUN_UID,
  step_id: "step",
  type: "noop",
  attempt: 2,
  error_kind: "execution_error",
  reasons: [],
  is_compensation: false,
  ended_at: "2026-01-01T00:00:00.000Z",
};

export const RUN: RunView = {
  run_uid: RUN_UID,
  id: RUN_ID,
  kind: "dag",
  status: "running",
  op_id: DIGEST,
  manifest_id: DIGEST,
  priority: 0,
  submitted_at: NOW,
  started_at: NOW,
  labels: { ticket: "4711" },
  steps: [
    {
      id: "a",
      type: "noop",
      status: "queued",
      attempt: 1,
      depends_on: [],
      not_before: NOW,
      error_kind: "execution_error",
      reasons: ["execution.exit_code"],
      record_ids: [DIGEST],
      cost: { tokens: 10, usd_micros: 1_500_000 },
    },
  ],
  budget: { tracked: true, tokens: nothing, usd_micros: nothing },
};
const RECORD: RecordView = {
  record_id: DIGEST,
  kind: "refusal",
  run_uid: RUN_UID,
  step_id: "a",
  attempt: 1,
  created_at: NOW,
  record: { _type: "https://in-toto.io/Statement/v1" },
  inclusion: {
    batch_id: uuid(7),
    statement: {
      payload: "e30=",
      payloadType: "application/vnd.in-toto+json",
      signatures: [{ keyid: "k", sig: "c2ln" }],
    },
    leaf_index: 0,
    tree_size: 2,
    path: [DIGEST],
  },
};
const APPROVAL: ApprovalView = {
  approval_id: APPROVAL_ID,
  state: "open",
  run_uid: RUN_UID,
  step_id: "a",
  step_type: "noop",
  role: "approver",
  requester: { key_id: KEY_ID, owner: "agent" },
  hold_record_id: DIGEST,
  created_at: NOW,
  expires_at: NOW,
  shown_commitment: DIGEST,
  holds: [
    {
      pack: { id: "baseline", version: "1.0.0", digest: DIGEST },
      stage: "decide",
      boundary: "scheduler",
      reasons: [{ code: "x.y", text: "Because." }],
    },
  ],
  packs: [{ id: "baseline", version: "1.0.0", digest: DIGEST }],
  shown: { form: {}, nonce: DIGEST },
};
const ARTIFACT: ArtifactView = {
  artifact_id: DIGEST,
  kind: "policy_decisions",
  media_type: "application/json",
  size_bytes: 2,
  created_at: NOW,
  metadata: {},
};
const TOOL: ToolView = {
  name: "tickets",
  digest: DIGEST,
  created_at: NOW,
  version: 1,
  executor: "http",
  config: {},
  input_schema: { type: "object" },
};
const EXECUTOR: ExecutorView = {
  type: "noop",
  version: "1",
  summary: "Does nothing.",
  effects: "none",
  isolation: "none",
  settings: {},
  settings_version: 0,
  settings_schema: {},
  inputs_schema: {},
};
export const KEY: NewKeyView = {
  key_id: KEY_ID,
  owner: "agent",
  roles: ["submitter"],
  scope: "tenant",
  tenant_id: "acme",
  created_at: NOW,
};
export const SECRET = "sg_00000000000000aa_shown-once";

function tenantView({ tenantUid, tenantId }: TenantRef): TenantView {
  return {
    id: tenantId,
    tenant_uid: tenantUid,
    version: 1,
    created_at: NOW,
    weight: 1,
    is_paused: false,
    runtime_pack: "baseline",
    required_guardrails: [],
    min_isolation: {},
    weaker_isolation_allowed: [],
    default_requests: {},
    retention_days: 30,
    transparency_scope: "gates",
    labels: {},
    quotas: [],
  };
}

/** `sg_<tenant>_<role>` for one role in one tenant, `sg_all_<role>` and `sg_all_root` for the instance. */
function holders(): Map<string, KeyHolder> {
  const found = new Map<string, KeyHolder>();
  for (const role of ROLES) {
    for (const tenant of TENANTS) {
      found.set(`sg_${tenant.tenantId}_${role}`, {
        keyId: `${tenant.tenantId}-${role}`,
        owner: role,
        roles: [role],
        tenant,
      });
    }
    found.set(`sg_all_${role}`, { keyId: `all-${role}`, owner: role, roles: [role], tenant: "all" });
  }
  found.set("sg_all_root", { keyId: "root", owner: "root", roles: [...ROLES], tenant: "all" });
  return found;
}

export interface Fakes {
  readonly ports: GatewayPorts;
  /** Names of the use cases that were called, with their input. */
  readonly calls: { readonly name: string; readonly input: unknown }[];
  readonly keys: Map<string, KeyHolder>;
  /** The run's log; `append` tells the subscribers. */
  readonly log: EventView[];
  readonly append: (count: number) => void;
  readonly seal: () => void;
  readonly subscribers: Set<() => void>;
  /** What the next calls answer; tests change them. */
  readonly answers: {
    isNew: boolean;
    isCancelled: boolean;
    isReady: boolean;
    outcome: StepOutcome;
    failure: unknown;
  };
  readonly stored: Map<string, { digest: string; answer: StoredAnswer | undefined }>;
}

export const WEBHOOK_SECRET = "whsec_c2hvd24gb25jZQ==";
const SINK: SinkView = {
  name: "hooks",
  url: "https://hooks.example/stepgate",
  is_paused: false,
  is_approved: true,
  version: 1,
  created_at: NOW,
  waiting_runs: 1,
  dead_letters: 1,
};
const SECRET_VIEW: SecretView = {
  name: "crm.key",
  version: 1,
  fits: ["env", "header"],
  created_at: NOW,
  updated_at: NOW,
};
const DELIVERY: DeliveryPage["items"][number] = {
  run_uid: RUN_UID,
  done_seq: 3,
  head_seq: 5,
  attempts: 1,
  fault: "status_503",
  next_try_at: NOW,
};
const SINK_LETTER: SinkDeadLetterPage["items"][number] = {
  run_uid: RUN_UID,
  seq: 2,
  event: "run_started",
  attempts: 1,
  fault: "status_410",
  died_at: NOW,
};

export function makeFakes(): Fakes {
  const calls: Fakes["calls"] = [];
  const log: EventView[] = [];
  const subscribers = new Set<() => void>();
  const keys = holders();
  const stored: Fakes["stored"] = new Map();
  const state = { isSealed: false };
  const answers: Fakes["answers"] = {
    isNew: true,
    isCancelled: true,
    isReady: true,
    outcome: succeeded(),
    failure: undefined,
  };
  const append = (count: number) => {
    for (let added = 0; added < count; added += 1) {
      const seq = log.length + 1;
      log.push({ seq, type: seq === 1 ? "run_submitted" : "step_queued", step_id: "a", at: NOW, data: { n: seq } });
    }
    for (const wake of subscribers) wake();
  };
  const seal = () => {
    log.push({ seq: log.length + 1, type: "run_succeeded", at: NOW, data: {} });
    state.isSealed = true;
    for (const wake of subscribers) wake();
  };
  const page = ({ afterSeq, limit }: { afterSeq: number; limit: number }): EventPage => {
    const items = log.slice(afterSeq, afterSeq + limit);
    const nextAfter = items.at(-1)?.seq ?? afterSeq;
    const isLast = state.isSealed && nextAfter >= log.length;
    return {
      items,
      next_after: nextAfter,
      ...(isLast && { end: { run_uid: RUN_UID, status: "succeeded", seal_record_id: DIGEST } }),
    };
  };

  /** Writes a use case's call down, fails it on demand. */
  const use = <Input, Output>(name: string, answer: (input: Input) => Output) => {
    return async (input: Input): Promise<Output> => {
      calls.push({ name, input });
      if (answers.failure !== undefined) throw answers.failure;
      return answer(input);
    };
  };
  const isOurs = (caller: Caller) => caller.tenantUid === ACME.tenantUid;
  const isRun = ({ caller, run }: RunInput) =>
    isOurs(caller) && ("runUid" in run ? run.runUid === RUN_UID : run.runId === RUN_ID);
  const ofRun =
    <Value>(value: () => Value) =>
    (input: RunInput) =>
      isRun(input) ? value() : undefined;

  const ofSink =
    <Value>(value: Value) =>
    ({ caller, name }: SinkInput) =>
      isOurs(caller) && name === SINK.name ? value : undefined;

  const ofSecret =
    <Value>(value: Value) =>
    ({ caller, name }: { readonly caller: Caller; readonly name: string }) =>
      isOurs(caller) && name === SECRET_VIEW.name ? value : undefined;

  const ports: GatewayPorts = {
    authenticator: {
      authenticate: async (bearer) => keys.get(bearer),
      findTenant: async (tenantId) => TENANTS.find((tenant) => tenant.tenantId === tenantId),
    },
    idempotency: makeIdempotency(stored),
    runs: {
      submit: use("runs.submit", () => ({ run: RUN, isNew: answers.isNew })),
      get: use(
        "runs.get",
        ofRun(() => RUN),
      ),
      list: use("runs.list", () => ({ items: [], next: "cursor-2" })),
      events: async (input) => (isRun(input) ? page(input) : undefined),
      subscribe: async (input) => {
        if (!isRun(input)) return undefined;
        subscribers.add(input.onChange);
        return () => void subscribers.delete(input.onChange);
      },
      evidence: use(
        "runs.evidence",
        ofRun(() => bytes("application/json", ["{", "}"])),
      ),
      cancel: use(
        "runs.cancel",
        ofRun(() => ({ run_uid: RUN_UID, cancelled: answers.isCancelled, status: "cancelling" as const })),
      ),
      pause: use(
        "runs.pause",
        ofRun(() => RUN),
      ),
      resume: use(
        "runs.resume",
        ofRun(() => RUN),
      ),
      breakpoints: use(
        "runs.breakpoints",
        ofRun((): readonly BreakpointView[] => []),
      ),
      setBreakpoint: use("runs.setBreakpoint", (input: RunInput & { readonly breakpoint: BreakpointView }) =>
        isRun(input) ? [input.breakpoint] : undefined,
      ),
      removeBreakpoint: use(
        "runs.removeBreakpoint",
        ofRun((): readonly BreakpointView[] => []),
      ),
    },
    steps: { perform: use("steps.perform", () => answers.outcome) },
    decisions: {
      decide: use("decisions.decide", () => ({
        record_id: DIGEST,
        decision: { effect: "deny" as const, reasons: ["x.y"], evaluations: [] },
        obligations: [],
      })),
    },
    approvals: {
      list: use("approvals.list", () => ({ items: [], next: uuid(9) })),
      get: use("approvals.get", ({ caller, approvalId }: { readonly caller: Caller; readonly approvalId: string }) =>
        isOurs(caller) && approvalId === APPROVAL_ID ? APPROVAL : undefined,
      ),
      decide: use(
        "approvals.decide",
        ({ caller, approvalId }: { readonly caller: Caller; readonly approvalId: string }) =>
          isOurs(caller) && approvalId === APPROVAL_ID ? APPROVAL : undefined,
      ),
    },
    records: {
      get: use("records.get", (input: { readonly caller: Caller; readonly recordId: RecordId }) =>
        isOurs(input.caller) && input.recordId === DIGEST ? RECORD : undefined,
      ),
    },
    artifacts: {
      get: use("artifacts.get", (input: { readonly caller: Caller; readonly artifactId: ArtifactId }) =>
        isOurs(input.caller) && input.artifactId === DIGEST ? ARTIFACT : undefined,
      ),
      content: use("artifacts.content", (input: { readonly caller: Caller; readonly artifactId: ArtifactId }) =>
        isOurs(input.caller) && input.artifactId === DIGEST ? bytes("text/html", ["<b>", "</b>"], 7) : undefined,
      ),
    },
    tenants: {
      list: use("tenants.list", () => ({ items: TENANTS.map(tenantView) })),
      get: use("tenants.get", ({ holder, tenantId }: { readonly holder: KeyHolder; readonly tenantId: string }) => {
        const tenant = TENANTS.find((one) => one.tenantId === tenantId);
        const isVisible =
          holder.tenant === "all" ? holder.roles.includes("platform") : holder.tenant.tenantId === tenantId;
        return tenant !== undefined && isVisible ? tenantView(tenant) : undefined;
      }),
      put: use("tenants.put", ({ tenantId }: { readonly tenantId: string }) => ({
        tenant: { ...tenantView(ACME), id: tenantId },
        isNew: answers.isNew,
      })),
    },
    tools: {
      list: use("tools.list", () => ({ items: [TOOL] })),
      get: use("tools.get", ({ caller, name }: { readonly caller: Caller; readonly name: string }) =>
        isOurs(caller) && name === TOOL.name ? TOOL : undefined,
      ),
      put: use("tools.put", ({ name }: { readonly name: string }) => ({
        tool: { ...TOOL, name },
        isNew: answers.isNew,
      })),
    },
    secrets: {
      list: use("secrets.list", () => ({ items: [SECRET_VIEW] })),
      get: use("secrets.get", ofSecret(SECRET_VIEW)),
      put: use("secrets.put", () => ({ secret: SECRET_VIEW, isNew: answers.isNew })),
      remove: use("secrets.remove", ofSecret(true as const)),
    },
    executors: {
      list: use("executors.list", () => ({ items: [EXECUTOR] })),
      get: use("executors.get", ({ type }: { readonly type: string }) => (type === "noop" ? EXECUTOR : undefined)),
      put: use("executors.put", ({ type }: { readonly type: string }) => (type === "noop" ? EXECUTOR : undefined)),
    },
    billing: {
      recompute: use("billing.recompute", () => ({ from: "2026-11-01", to: "2026-11-02", is_equal: true, days: [] })),
    },
    retention: {
      get: use("retention.get", () => ({
        is_on: true,
        retention_days: 30,
        decision_input_days: 30,
        retired: { runs: 0 },
        windows: [],
      })),
    },
    budgets: {
      get: use("budgets.get", () => ({
        quotas: [
          {
            id: "daily",
            unit: "tokens" as const,
            window: "day" as const,
            limit: 100,
            used: 1,
            reserved: 2,
            remaining: 97,
            overrun: 0,
            is_warned: true,
            resets_at: NOW,
          },
        ],
        runs: [{ run_uid: RUN_UID, is_warned: false, budget: RUN.budget }],
      })),
    },
    queue: {
      get: use("queue.get", () => QUEUE),
      setPaused: use("queue.setPaused", () => QUEUE),
      waits: use(
        "queue.waits",
        ofRun(() => ({ status: "queued" as const, waits: [{ reason: "rank" as const, count: 3 }] })),
      ),
    },
    audit: {
      list: use("audit.list", () => ({
        items: [
          { seq: 1, actor: "key:a", action: "run.submit", resource: "{}", at: NOW, prev_hash: DIGEST, hash: DIGEST },
        ],
        head: { seq: 1, hash: DIGEST },
      })),
    },
    deadLetters: {
      list: use("deadLetters.list", () => ({ items: [DEAD_LETTER] })),
      get: use(
        "deadLetters.get",
        ofRun(() => DEAD_LETTER),
      ),
      redrive: use(
        "deadLetters.redrive",
        ofRun(() => ({ run: RUN, isNew: answers.isNew })),
      ),
    },
    sinks: {
      list: use("sinks.list", () => ({ items: [SINK] })),
      get: use("sinks.get", ofSink(SINK)),
      put: use("sinks.put", () => ({ sink: { ...SINK, secret: WEBHOOK_SECRET }, isNew: answers.isNew })),
      rotate: use("sinks.rotate", ofSink({ name: SINK.name, secret: WEBHOOK_SECRET, previous_until: NOW })),
      remove: use("sinks.remove", ofSink(true as const)),
      waiting: use("sinks.waiting", ofSink({ items: [DELIVERY] })),
      deadLetters: use("sinks.deadLetters", ofSink({ items: [SINK_LETTER] })),
      redrive: use("sinks.redrive", ofSink({ redriven: 1 })),
    },
    keys: {
      list: use("keys.list", () => ({ items: [KEY] })),
      get: use("keys.get", ({ caller, keyId }: { readonly caller: Caller; readonly keyId: string }) =>
        isOurs(caller) && keyId === KEY_ID ? KEY : undefined,
      ),
      create: use("keys.create", () => ({ ...KEY, secret: SECRET })),
      revoke: use("keys.revoke", ({ caller, keyId }: { readonly caller: Caller; readonly keyId: string }) =>
        isOurs(caller) && keyId === KEY_ID ? (true as const) : undefined,
      ),
    },
    health: {
      ready: async () => ({ ready: answers.isReady, checks: [{ name: "database", ok: answers.isReady }] }),
      jwks: () => ({ keys: [{ kty: "OKP", crv: "Ed25519", x: "x", kid: "k", alg: "Ed25519", use: "sig" }] }),
      metricsText: async () => "# no metrics\n",
    },
  };
  return { ports, calls, keys, log, append, seal, subscribers, answers, stored };
}

export function succeeded(): StepOutcome {
  return {
    kind: "succeeded",
    result: {
      run_uid: RUN_UID,
      step_id: "step",
      status: "succeeded",
      attempt: 1,
      decision: { effect: "allow", reasons: [], evaluations: [] },
      output: { stdout: "hello" },
      record_ids: [DIGEST],
      cost: { tokens: 0, usd_micros: 0 },
    },
  };
}

export function failure(): StepgateError {
  return new StepgateError("STORE_UNAVAILABLE", {}, { cause: new Error("connect to db.internal failed") });
}

function bytes(mediaType: string, parts: readonly string[], sizeBytes?: number): ByteContent {
  async function* chunks() {
    for (const part of parts) yield Buffer.from(part);
  }
  return { mediaType, sizeBytes, chunks: chunks() };
}

function makeIdempotency(stored: Fakes["stored"]): GatewayPorts["idempotency"] {
  const nameOf = ({ tenantUid, idempotencyKey }: IdempotencyScope) => `${tenantUid ?? "instance"}/${idempotencyKey}`;
  return {
    claim: async (input): Promise<IdempotencyClaim> => {
      const row = stored.get(nameOf(input));
      if (row === undefined) {
        stored.set(nameOf(input), { digest: input.requestDigest, answer: undefined });
        return { kind: "new" };
      }
      if (row.digest !== input.requestDigest) return { kind: "mismatch" };
      return row.answer === undefined ? { kind: "busy" } : { kind: "stored", answer: row.answer };
    },
    finish: async ({ answer, ...scope }) => {
      const row = stored.get(nameOf(scope));
      if (row !== undefined) row.answer = answer;
    },
    release: async (scope) => void stored.delete(nameOf(scope)),
  };
}
