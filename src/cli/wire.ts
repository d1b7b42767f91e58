/**
 * What the command line reads of the API's answers: the members it uses, any others let through.
 *
 * The gateway's own schemas are its own; these are a client's, so that a newer gateway can add members. Not here: the API.
 */
import Type, { type Static } from "typebox";
import type { JsonObject } from "../core/json.ts";

const text = Type.String();
const count = Type.Integer({ minimum: 0 });
const amount = Type.Object({ tokens: count, usd_micros: count });

export const AnyJson = Type.Unknown();
export const AnyObject = Type.Unsafe<JsonObject>({ type: "object" });

export const EventView = Type.Object({
  seq: count,
  type: text,
  step_id: Type.Optional(text),
  at: text,
  data: Type.Record(text, Type.Unknown()),
});
export type EventView = Static<typeof EventView>;
export const EventPage = Type.Object({ items: Type.Array(EventView) });

const StepView = Type.Object({
  id: text,
  type: text,
  status: text,
  attempt: count,
  depends_on: Type.Array(text),
  error_kind: Type.Optional(text),
  reasons: Type.Array(text),
  record_ids: Type.Array(text),
  decision_artifact: Type.Optional(text),
  approval: Type.Optional(Type.Object({ approval_id: text, role: text, expires_at: text })),
  cost: amount,
});

export const RunView = Type.Object({
  run_uid: text,
  id: Type.Optional(text),
  status: text,
  submitted_at: text,
  ended_at: Type.Optional(text),
  steps: Type.Array(StepView),
  active_pause: Type.Optional(Type.Object({ step_id: Type.Optional(text), started_at: text })),
});
export type RunView = Static<typeof RunView>;

const RunSummary = Type.Object({
  ...{ run_uid: text, id: Type.Optional(text), op_id: text, status: text, submitted_at: text },
  ...{ started_at: Type.Optional(text), ended_at: Type.Optional(text) },
});
export const RunPage = Type.Object({ items: Type.Array(RunSummary), next: Type.Optional(text) });

export const BreakpointList = Type.Object({ items: Type.Array(Type.Object({ target: text, value: text })) });
export type BreakpointList = Static<typeof BreakpointList>;

export const CancelView = Type.Object({ run_uid: text, cancelled: Type.Boolean(), status: text });

const party = Type.Object({ key_id: text, owner: text });
const pack = Type.Object({ id: text, version: text, digest: text });

const ApprovalSummary = Type.Object({
  approval_id: text,
  state: text,
  run_uid: text,
  run_id: Type.Optional(text),
  step_id: text,
  step_type: text,
  role: text,
  requester: party,
  hold_record_id: text,
  created_at: text,
  expires_at: text,
  decided_by: Type.Optional(party),
  decided_at: Type.Optional(text),
  approval_record_id: Type.Optional(text),
});
export type ApprovalSummary = Static<typeof ApprovalSummary>;
export const ApprovalPage = Type.Object({ items: Type.Array(ApprovalSummary), next: Type.Optional(text) });

export const ApprovalView = Type.Object({
  ...ApprovalSummary.properties,
  shown_commitment: text,
  holds: Type.Array(
    Type.Object({
      pack,
      stage: text,
      boundary: text,
      reasons: Type.Array(Type.Object({ code: text, text: Type.Optional(text) })),
    }),
  ),
  tool: Type.Optional(Type.Object({ name: text, digest: text })),
  shown: Type.Optional(Type.Object({ form: Type.Record(text, Type.Unknown()), nonce: text })),
  reason: Type.Optional(text),
});
export type ApprovalView = Static<typeof ApprovalView>;

const Evaluation = Type.Object({
  stage: text,
  boundary: text,
  effect: text,
  reasons: Type.Array(text),
  patch_paths: Type.Array(text),
  pack: Type.Object({ id: text, version: text, digest: text }),
  duration_us: count,
});
export type Evaluation = Static<typeof Evaluation>;

export const RecordView = Type.Object({
  record_id: text,
  kind: text,
  created_at: text,
  record: Type.Object({
    predicate: Type.Object({
      evaluations: Type.Optional(Type.Array(Evaluation)),
      stage: Type.Optional(text),
      error_kind: Type.Optional(text),
      reasons: Type.Optional(Type.Array(text)),
      tool: Type.Optional(Type.Object({ name: text, version: count, digest: text })),
      step: Type.Optional(Type.Object({ attempt: count })),
      status: Type.Optional(text),
      error: Type.Optional(Type.Object({ kind: text, code: Type.Optional(text) })),
      usage: Type.Optional(amount),
    }),
  }),
  inclusion: Type.Object({ batch_id: text }),
});
export type RecordView = Static<typeof RecordView>;

export const KeyView = Type.Object({
  key_id: text,
  owner: text,
  roles: Type.Array(text),
  scope: text,
  created_at: text,
  expires_at: Type.Optional(text),
  revoked_at: Type.Optional(text),
  last_used_at: Type.Optional(text),
  secret: Type.Optional(text),
});
export type KeyView = Static<typeof KeyView>;
export const KeyPage = Type.Object({ items: Type.Array(KeyView), next: Type.Optional(text) });

export const TenantView = Type.Object({
  id: text,
  version: count,
  weight: count,
  is_paused: Type.Boolean(),
  runtime_pack: Type.Optional(text),
  required_guardrails: Type.Array(text),
  quotas: Type.Array(Type.Object({ id: text, unit: text, window: text, limit: count })),
});
export type TenantView = Static<typeof TenantView>;

/** Whole, with what this version does not know: it is sent back. */
export const TenantSettings = Type.Object(
  {
    ...{ id: text, tenant_uid: text, version: count, created_at: text },
    quotas: TenantView.properties.quotas,
  },
  { additionalProperties: true },
);
export type TenantSettings = Static<typeof TenantSettings>;
export const TenantPage = Type.Object({ items: Type.Array(TenantView), next: Type.Optional(text) });

export const ToolView = Type.Object({
  name: text,
  version: count,
  digest: text,
  executor: text,
  input_schema: AnyObject,
  effects: text,
  idempotent: Type.Boolean(),
  min_isolation: Type.Optional(text),
  egress: Type.Optional(Type.Array(text)),
  defaults: AnyObject,
  limits: AnyObject,
  secrets: Type.Optional(Type.Array(Type.Object({ name: text, ref: text, as: text }))),
  versions: Type.Optional(Type.Array(Type.Object({ version: count, digest: text, created_at: text }))),
});
export type ToolView = Static<typeof ToolView>;
export const ToolPage = Type.Object({ items: Type.Array(ToolView), next: Type.Optional(text) });

export const SecretView = Type.Object({
  name: text,
  version: count,
  fits: Type.Array(text),
  updated_at: text,
  tools: Type.Optional(Type.Array(text)),
});
export type SecretView = Static<typeof SecretView>;
export const SecretPage = Type.Object({ items: Type.Array(SecretView), next: Type.Optional(text) });

const sum = Type.Object({ attempts: count, tokens: count, usd_micros: count });
export const BillingView = Type.Object({
  from: text,
  to: text,
  ledger_from: Type.Optional(text),
  is_equal: Type.Boolean(),
  days: Type.Array(Type.Object({ day: text, billed: sum, ledger: sum, is_equal: Type.Boolean() })),
});
export type BillingView = Static<typeof BillingView>;

export const RetentionView = Type.Object({
  is_on: Type.Boolean(),
  retention_days: count,
  decision_input_days: count,
  retired: Type.Object({ runs: count, last_at: Type.Optional(text) }),
  windows: Type.Array(
    Type.Object({
      name: Type.Optional(text),
      ends_at: Type.Optional(text),
      runs: count,
      due: count,
      unfinished: count,
      linked: count,
      unsealed: count,
      undelivered: count,
      retained: count,
      first_due_at: Type.Optional(text),
      last_due_at: Type.Optional(text),
    }),
  ),
});
export type RetentionView = Static<typeof RetentionView>;

const allowance = Type.Object({
  limit: Type.Optional(count),
  used: count,
  reserved: count,
  remaining: Type.Optional(count),
});
export const BudgetsView = Type.Object({
  quotas: Type.Array(
    Type.Object({
      ...{ id: text, unit: text, window: text, limit: count, used: count, reserved: count, remaining: count },
      resets_at: Type.Optional(text),
      is_warned: Type.Boolean(),
    }),
  ),
  runs: Type.Array(
    Type.Object({
      run_uid: text,
      is_warned: Type.Boolean(),
      budget: Type.Object({ tokens: allowance, usd_micros: allowance }),
    }),
  ),
  next: Type.Optional(text),
});
export type BudgetsView = Static<typeof BudgetsView>;

export const QueueView = Type.Object({
  is_paused: Type.Boolean(),
  paused_types: Type.Array(text),
  served_types: Type.Array(text),
  is_partial: Type.Boolean(),
  counts: Type.Array(Type.Object({ type: text, state: text, count, oldest_ready_at: Type.Optional(text) })),
});
export type QueueView = Static<typeof QueueView>;

export const WaitView = Type.Object({
  status: text,
  worker: Type.Optional(text),
  started_at: Type.Optional(text),
  waits: Type.Array(
    Type.Object({
      reason: text,
      steps: Type.Optional(Type.Array(text)),
      until: Type.Optional(text),
      of: Type.Optional(text),
      approval_id: Type.Optional(text),
      count: Type.Optional(count),
    }),
  ),
});
export type WaitView = Static<typeof WaitView>;

export const DeadLetterView = Type.Object({
  run_uid: text,
  run_id: Type.Optional(text),
  step_id: text,
  type: text,
  attempt: count,
  error_kind: text,
  reasons: Type.Array(text),
  is_compensation: Type.Boolean(),
  ended_at: text,
  record_id: Type.Optional(text),
  redriven_as: Type.Optional(text),
});
export type DeadLetterView = Static<typeof DeadLetterView>;
export const DeadLetterPage = Type.Object({ items: Type.Array(DeadLetterView), next: Type.Optional(text) });

export const SinkView = Type.Object({
  name: text,
  url: text,
  events: Type.Optional(Type.Array(text)),
  is_paused: Type.Boolean(),
  is_approved: Type.Boolean(),
  version: count,
  waiting_runs: count,
  dead_letters: count,
  secret: Type.Optional(text),
});
export type SinkView = Static<typeof SinkView>;
export const SinkPage = Type.Object({ items: Type.Array(SinkView), next: Type.Optional(text) });
export const SinkSecretView = Type.Object({ name: text, secret: Type.Optional(text), previous_until: text });
export const SinkRedriveView = Type.Object({ redriven: count });

const DeliveryView = Type.Object({
  run_uid: text,
  done_seq: count,
  head_seq: count,
  attempts: count,
  fault: Type.Optional(text),
  next_try_at: text,
});
export type DeliveryView = Static<typeof DeliveryView>;
export const DeliveryPage = Type.Object({ items: Type.Array(DeliveryView), next: Type.Optional(text) });

const SinkDeadLetterView = Type.Object({
  run_uid: text,
  seq: count,
  event: text,
  attempts: count,
  fault: text,
  died_at: text,
  redrive_at: Type.Optional(text),
});
export type SinkDeadLetterView = Static<typeof SinkDeadLetterView>;
export const SinkDeadLetterPage = Type.Object({ items: Type.Array(SinkDeadLetterView), next: Type.Optional(text) });

export const AuditPage = Type.Object({
  items: Type.Array(
    Type.Object({ seq: count, actor: text, action: text, resource: text, at: text, prev_hash: text, hash: text }),
  ),
  head: Type.Object({ seq: count, hash: text }),
  next: Type.Optional(text),
});

const ExecutorView = Type.Object({
  type: text,
  isolation: text,
  settings: Type.Record(text, Type.Unknown()),
});
export const ExecutorPage = Type.Object({ items: Type.Array(ExecutorView) });
