-- Tables of the gateway. Every tenant table leads its key with tenant_uid, so that a claim, a settlement and a read
-- touch one tenant's rows, and a distributed PostgreSQL can route by it. Wide rows (steps, runs) are written once and
-- changed when something ends; what moves all the time lives in narrow rows (ready_steps, run_heads).

create schema if not exists stepgate;

-- Fences every write after a claim; one sequence for the whole database, never reset (spec 00, attempts).
create sequence stepgate.lease_epochs;

-- ── instance and keys ────────────────────────────────────────────────────────────────────────────────────────────────

-- Proves that a process holds the instance key this database was made with; one row for ever.
create table stepgate.instance_check (
  only_row boolean not null default true constraint instance_check_pkey primary key
    constraint instance_check_one_row check (only_row),
  instance_uid uuid not null,
  proof bytea not null,
  created_at timestamptz not null default now()
);

create table stepgate.keys (
  key_id text not null constraint keys_pkey primary key,
  -- null for the instance's signing keys
  tenant_uid uuid,
  purpose text not null,
  alg text not null,
  state text not null constraint keys_state_check check (state in ('announced', 'active', 'verify_only', 'removed')),
  public_jwk jsonb,
  wrapped bytea,
  created_at timestamptz not null default now()
);
-- one active key per purpose and tenant: two first starts at once end with one key set
create unique index keys_active_idx on stepgate.keys
  (coalesce(tenant_uid, '00000000-0000-0000-0000-000000000000'::uuid), purpose) where state = 'active';

-- Root-signed; the one with the highest version stands.
create table stepgate.trust_bundles (
  version bigint not null constraint trust_bundles_pkey primary key,
  envelope text not null,
  created_at timestamptz not null default now()
);

-- ── tenants ──────────────────────────────────────────────────────────────────────────────────────────────────────────

create table stepgate.tenants (
  tenant_uid uuid not null constraint tenants_pkey primary key,
  tenant_id text not null constraint tenants_tenant_id_key unique,
  -- changes with everything a decision rests on (packs, floors, tools, settings, quotas); admit compares it
  authority_version bigint not null default 1,
  weight integer not null default 1 constraint tenants_weight_check check (weight between 1 and 1000),
  is_paused boolean not null default false,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now()
);

-- Stride scheduling between tenants: the smallest pass is served first (spec 02, order).
create table stepgate.tenant_shares (
  tenant_uid uuid not null constraint tenant_shares_pkey primary key references stepgate.tenants,
  pass bigint not null default 0
) with (fillfactor = 50);

create table stepgate.api_keys (
  key_id text not null constraint api_keys_pkey primary key,
  -- null: every tenant (platform keys)
  tenant_uid uuid references stepgate.tenants,
  secret_hash bytea not null constraint api_keys_secret_hash_check check (octet_length(secret_hash) = 32),
  owner text not null,
  roles text[] not null constraint api_keys_roles_check check (cardinality(roles) > 0),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

create table stepgate.executor_settings (
  tenant_uid uuid not null references stepgate.tenants,
  type text not null,
  settings jsonb not null,
  version bigint not null default 1,
  updated_at timestamptz not null default now(),
  constraint executor_settings_pkey primary key (tenant_uid, type)
);

create table stepgate.tools (
  tenant_uid uuid not null references stepgate.tenants,
  name text not null,
  version integer not null,
  digest text not null,
  definition jsonb not null,
  created_at timestamptz not null default now(),
  constraint tools_pkey primary key (tenant_uid, name, version)
);

create table stepgate.quotas (
  tenant_uid uuid not null references stepgate.tenants,
  quota_id text not null,
  unit text not null constraint quotas_unit_check check (unit in ('tokens', 'usd_micros', 'runs', 'concurrent_steps')),
  quota_window text not null constraint quotas_window_check check (quota_window in ('minute', 'day', 'month', 'lifetime')),
  quota_limit bigint not null constraint quotas_limit_check check (quota_limit >= 0),
  -- steps that started before hold nothing of it, and what they used is not counted in it
  holds_since timestamptz not null default clock_timestamp(),
  constraint quotas_pkey primary key (tenant_uid, quota_id),
  -- what runs at the same time has no window
  constraint quotas_concurrent_check check (unit <> 'concurrent_steps' or quota_window = 'lifetime')
);

create table stepgate.quota_usage (
  tenant_uid uuid not null,
  quota_id text not null,
  window_start timestamptz not null,
  quota_limit bigint not null,
  used bigint not null default 0,
  reserved bigint not null default 0,
  overrun bigint not null default 0,
  constraint quota_usage_pkey primary key (tenant_uid, quota_id, window_start),
  constraint quota_usage_not_negative check (used >= 0 and reserved >= 0 and overrun >= 0),
  -- the promise: nothing is reserved beyond a limit; what was spent beyond it is shown as overrun
  constraint quota_usage_within_limit check (used + reserved <= quota_limit + overrun)
) with (fillfactor = 50);

-- ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

create table stepgate.manifests (
  tenant_uid uuid not null references stepgate.tenants,
  manifest_id text not null,
  -- the canonical bytes whose SHA-256 is the id; kept as text so that no JSON type rewrites them
  body text not null,
  created_at timestamptz not null default now(),
  constraint manifests_pkey primary key (tenant_uid, manifest_id)
);

-- A run as it was submitted, and how it ended.
create table stepgate.runs (
  tenant_uid uuid not null references stepgate.tenants,
  run_uid uuid not null,
  run_id text,
  idempotency_key text,
  -- keyed digest of the canonical submission: same key or id with another submission is refused
  submission_digest text not null,
  kind text not null constraint runs_kind_check check (kind in ('dag', 'chain', 'script')),
  op_id text not null,
  manifest_id text not null,
  priority smallint not null default 0,
  seed bigint,
  subject text,
  labels_blob uuid,
  caller_key_id text not null,
  caller_owner text not null,
  caller_roles text[] not null,
  traceparent text,
  tracestate text,
  time_limit_at timestamptz,
  submitted_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  final_snapshot_id text,
  constraint runs_pkey primary key (tenant_uid, run_uid),
  constraint runs_manifest_fkey foreign key (tenant_uid, manifest_id) references stepgate.manifests
);
create unique index runs_run_id_key on stepgate.runs (tenant_uid, run_id) where run_id is not null;
create unique index runs_idempotency_key on stepgate.runs (tenant_uid, idempotency_key) where idempotency_key is not null;
create index runs_submitted_idx on stepgate.runs (tenant_uid, submitted_at desc, run_uid);

-- The moving part of a run. Whatever appends to the log holds this row's lock.
create table stepgate.run_heads (
  tenant_uid uuid not null,
  run_uid uuid not null,
  status text not null constraint run_heads_status_check check (status in
    ('pending', 'running', 'paused_at_step', 'cancelling', 'compensating', 'succeeded', 'failed', 'cancelled')),
  -- the state to go back to on resume
  paused_from text,
  paused_step text,
  paused_at timestamptz,
  -- set when a cancel was accepted: the run ends cancelled, also after compensating
  is_cancelled boolean not null default false,
  head_seq bigint not null default 0,
  -- steps that are neither ended nor compensation targets
  open_steps integer not null,
  failed_steps integer not null default 0,
  -- rows of this run in ready_steps, never more than max_parallel; further queued steps wait without a row
  ready_rows integer not null default 0,
  unplaced_steps integer not null default 0,
  max_parallel integer not null constraint run_heads_max_parallel_check check (max_parallel >= 1),
  fail_fast boolean not null default false,
  constraint run_heads_pkey primary key (tenant_uid, run_uid),
  constraint run_heads_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade,
  constraint run_heads_pause_check check ((status = 'paused_at_step') = (paused_from is not null)),
  constraint run_heads_counts_check check (open_steps >= 0 and ready_rows between 0 and max_parallel and unplaced_steps >= 0)
) with (fillfactor = 50);

create index run_heads_cancelling_idx on stepgate.run_heads (tenant_uid, run_uid) where status = 'cancelling';

create table stepgate.steps (
  tenant_uid uuid not null,
  run_uid uuid not null,
  step_id text not null,
  -- position in topological order
  idx integer not null,
  type text not null,
  slug text,
  -- queued covers queued, leased and running: the live word is in ready_steps.state (view step_states)
  status text not null constraint steps_status_check check (status in
    ('blocked', 'queued', 'held', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')),
  -- type, slug, policy, execution; inputs are sealed in input_blob
  spec jsonb not null,
  input_blob uuid not null,
  -- steps whose output the inputs take by $from
  refs text[] not null default '{}',
  is_target boolean not null default false,
  -- for a target: the step it compensates
  origin_step text,
  compensation_step text,
  compensation_on text constraint steps_compensation_on_check check (compensation_on in ('failure_of_step', 'failure_of_run')),
  is_compensation_scheduled boolean not null default false,
  pending_dependencies integer not null,
  total_dependencies integer not null,
  priority integer not null default 0,
  queue_target_ms integer,
  deadline_ms bigint not null default 0,
  first_ready_at timestamptz,
  deadline_at timestamptz,
  not_before timestamptz,
  attempts_made integer not null default 0,
  error_attempts integer not null default 0,
  lost_attempts integer not null default 0,
  output_blob uuid,
  output_digest text,
  checkpoint_blob uuid,
  error_blob uuid,
  error_kind text,
  reasons text[] not null default '{}',
  provider text,
  provider_version text,
  actual_tokens bigint not null default 0,
  actual_usd_micros bigint not null default 0,
  last_record text,
  decision_artifact text,
  ended_at timestamptz,
  ended_seq bigint,
  constraint steps_pkey primary key (tenant_uid, run_uid, step_id),
  constraint steps_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade,
  -- an ended step says when, an open one never does
  constraint steps_ended_check check ((status in ('succeeded', 'failed', 'skipped', 'cancelled')) = (ended_at is not null)),
  constraint steps_failed_check check ((status = 'failed') <= (error_kind is not null)),
  constraint steps_pending_check check (pending_dependencies between 0 and total_dependencies),
  constraint steps_target_check check (is_target = (origin_step is not null))
) with (fillfactor = 80);
create index steps_queued_without_row_idx on stepgate.steps (tenant_uid, run_uid, idx) where status = 'queued';

create table stepgate.step_edges (
  tenant_uid uuid not null,
  run_uid uuid not null,
  from_step text not null,
  to_step text not null,
  constraint step_edges_pkey primary key (tenant_uid, run_uid, from_step, to_step),
  constraint step_edges_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade
);
create index step_edges_to_idx on stepgate.step_edges (tenant_uid, run_uid, to_step);

-- The narrow hot queue: a row exists only while a step may be claimed, is leased or is running.
create table stepgate.ready_steps (
  tenant_uid uuid not null,
  run_uid uuid not null,
  step_id text not null,
  type text not null,
  state text not null default 'queued' constraint ready_steps_state_check check (state in ('queued', 'leased', 'running')),
  -- order keys, written once when the step becomes ready (spec 02, order)
  is_contracted boolean not null,
  breach_at timestamptz not null,
  priority integer not null,
  ready_at timestamptz not null,
  not_before timestamptz not null,
  attempts_made integer not null,
  -- lost once: the next attempt runs alone in a fresh worker slot
  is_alone boolean not null default false,
  lease_owner text,
  lease_epoch bigint,
  -- while running: what admit reserved, to be given back or charged at the end
  started_at timestamptz,
  reserved_tokens bigint not null default 0,
  reserved_usd_micros bigint not null default 0,
  admission_record text,
  jti text,
  constraint ready_steps_pkey primary key (tenant_uid, run_uid, step_id),
  constraint ready_steps_lease_check check ((state = 'queued') = (lease_owner is null)),
  constraint ready_steps_epoch_check check (state = 'queued' or lease_epoch is not null),
  constraint ready_steps_started_check check ((state = 'running') = (started_at is not null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 1000);
create index ready_steps_rank_idx on stepgate.ready_steps
  (tenant_uid, is_contracted desc, breach_at, priority desc, ready_at, run_uid, step_id) where state = 'queued';
create index ready_steps_owner_idx on stepgate.ready_steps (lease_owner) where state <> 'queued';

-- One lease per worker: extending it is one narrow row however many steps the worker holds.
create table stepgate.workers (
  worker_id text not null constraint workers_pkey primary key,
  lease_until timestamptz not null,
  pid integer not null,
  host text not null,
  started_at timestamptz not null default now()
) with (fillfactor = 50);

-- Append-only; a row is written when the attempt ends.
create table stepgate.step_attempts (
  tenant_uid uuid not null,
  run_uid uuid not null,
  step_id text not null,
  lease_epoch bigint not null,
  attempt integer not null,
  status text not null constraint step_attempts_status_check check (status in
    ('succeeded', 'failed', 'retry_scheduled', 'lost', 'cancelled')),
  error_kind text,
  worker_id text not null,
  worker_pid integer,
  started_at timestamptz not null,
  ended_at timestamptz not null default now(),
  reserved_tokens bigint not null,
  reserved_usd_micros bigint not null,
  actual_tokens bigint not null,
  actual_usd_micros bigint not null,
  usage_source text not null,
  isolation text,
  provider text,
  provider_version text,
  admission_record text not null,
  outcome_record text not null,
  output_blob uuid,
  error_blob uuid,
  checkpoint_blob uuid,
  tool_events integer not null default 0,
  constraint step_attempts_pkey primary key (tenant_uid, run_uid, step_id, lease_epoch),
  constraint step_attempts_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade
);

-- ── budgets and ledger ───────────────────────────────────────────────────────────────────────────────────────────────

-- A run without a row is unlimited and untracked.
create table stepgate.budgets (
  tenant_uid uuid not null,
  run_uid uuid not null,
  tokens_limit bigint,
  tokens_used bigint not null default 0,
  tokens_reserved bigint not null default 0,
  tokens_overrun bigint not null default 0,
  usd_micros_limit bigint,
  usd_micros_used bigint not null default 0,
  usd_micros_reserved bigint not null default 0,
  usd_micros_overrun bigint not null default 0,
  constraint budgets_pkey primary key (tenant_uid, run_uid),
  constraint budgets_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade,
  constraint budgets_not_negative check (tokens_used >= 0 and tokens_reserved >= 0 and tokens_overrun >= 0
    and usd_micros_used >= 0 and usd_micros_reserved >= 0 and usd_micros_overrun >= 0),
  -- the promise of exactness: reservations never exceed the limit; overruns are recorded in full
  constraint budgets_tokens_within_limit check
    (tokens_limit is null or tokens_used + tokens_reserved <= tokens_limit + tokens_overrun),
  constraint budgets_usd_micros_within_limit check
    (usd_micros_limit is null or usd_micros_used + usd_micros_reserved <= usd_micros_limit + usd_micros_overrun)
) with (fillfactor = 50);

create table stepgate.cost_ledger (
  tenant_uid uuid not null,
  run_uid uuid not null,
  step_id text not null,
  lease_epoch bigint not null,
  kind text not null constraint cost_ledger_kind_check check (kind in
    ('retry_scheduled', 'succeeded', 'failed', 'refused', 'lost', 'compensation_scheduled', 'cancelled')),
  reserved_tokens bigint not null,
  reserved_usd_micros bigint not null,
  actual_tokens bigint not null,
  actual_usd_micros bigint not null,
  usage_source text not null,
  at timestamptz not null default now(),
  constraint cost_ledger_pkey primary key (tenant_uid, run_uid, step_id, lease_epoch, kind)
);

create table stepgate.billing_usage (
  tenant_uid uuid not null,
  day date not null,
  attempts bigint not null default 0,
  tokens bigint not null default 0,
  usd_micros bigint not null default 0,
  constraint billing_usage_pkey primary key (tenant_uid, day)
) with (fillfactor = 50);

-- ── log, payloads, evidence ──────────────────────────────────────────────────────────────────────────────────────────

-- Kernel log, outbox and live stream in one: seq counts from 1 without a gap within a run.
create table stepgate.run_events (
  tenant_uid uuid not null,
  run_uid uuid not null,
  seq bigint not null constraint run_events_seq_check check (seq >= 1),
  type text not null,
  step_id text,
  at timestamptz not null default date_trunc('milliseconds', now()),
  data jsonb not null,
  constraint run_events_pkey primary key (tenant_uid, run_uid, seq)
);

-- Sealed payloads. Deleting the row deletes the wrapped key: that is the erasure (spec 00, payloads at rest).
create table stepgate.blobs (
  tenant_uid uuid not null,
  blob_id uuid not null,
  run_uid uuid not null,
  step_id text not null,
  field text not null,
  key_id text not null,
  wrapped_key bytea not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  constraint blobs_pkey primary key (tenant_uid, blob_id)
);
create index blobs_run_idx on stepgate.blobs (tenant_uid, run_uid);

-- One signed statement per transaction and key; its leaves are the ids of the records that the transaction wrote.
create table stepgate.record_batches (
  batch_id uuid not null constraint record_batches_pkey primary key,
  kid text not null,
  size integer not null constraint record_batches_size_check check (size >= 1),
  leaves bytea not null constraint record_batches_leaves_check check (octet_length(leaves) = size * 32),
  statement text not null,
  signature bytea not null,
  created_at timestamptz not null default now()
);

create table stepgate.records (
  tenant_uid uuid not null,
  record_id text not null,
  -- null for decisions outside a run
  run_uid uuid,
  step_id text,
  attempt integer,
  kind text not null constraint records_kind_check check (kind in
    ('admission', 'refusal', 'hold', 'outcome', 'approval', 'decision', 'seal')),
  statement text not null,
  batch_id uuid not null references stepgate.record_batches,
  leaf_index integer not null,
  created_at timestamptz not null default now(),
  constraint records_pkey primary key (tenant_uid, record_id)
);
create index records_run_idx on stepgate.records (tenant_uid, run_uid, created_at) where run_uid is not null;

-- What the packs said, one row per step attempt and phase: boundary, effect, codes, paths, pack, timings. No payload.
create table stepgate.evaluations (
  tenant_uid uuid not null,
  run_uid uuid not null,
  step_id text not null,
  lease_epoch bigint not null,
  phase text not null constraint evaluations_phase_check check (phase in ('before', 'after')),
  record_id text not null,
  body jsonb not null,
  -- sealed: details, free text, previews
  details_blob uuid,
  -- sealed pack input, kept decision_input_days
  input_blob uuid,
  constraint evaluations_pkey primary key (tenant_uid, run_uid, step_id, lease_epoch, phase)
);

create table stepgate.artifacts (
  tenant_uid uuid not null,
  artifact_id text not null,
  kind text not null,
  media_type text not null,
  size_bytes bigint not null,
  run_uid uuid,
  step_id text,
  metadata jsonb not null,
  bytes bytea not null,
  batch_id uuid references stepgate.record_batches,
  leaf_index integer,
  created_at timestamptz not null default now(),
  constraint artifacts_pkey primary key (tenant_uid, artifact_id)
);
create index artifacts_run_idx on stepgate.artifacts (tenant_uid, run_uid) where run_uid is not null;

-- Gapless and hash-chained per tenant; written in the transaction that acts.
create table stepgate.audit_log (
  tenant_uid uuid not null,
  seq bigint not null,
  actor text not null,
  action text not null,
  -- canonical JSON (RFC 8785), since the hash is over these bytes
  resource text not null,
  at timestamptz not null,
  prev_hash bytea not null,
  hash bytea not null,
  constraint audit_log_pkey primary key (tenant_uid, seq)
);
create table stepgate.audit_heads (
  tenant_uid uuid not null constraint audit_heads_pkey primary key,
  seq bigint not null,
  hash bytea not null
) with (fillfactor = 50);

-- ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────

create table stepgate.jobs (
  tenant_uid uuid not null,
  run_uid uuid not null,
  kind text not null constraint jobs_kind_check check (kind in ('seal')),
  run_after timestamptz not null default now(),
  attempts integer not null default 0,
  last_error text,
  constraint jobs_pkey primary key (tenant_uid, run_uid, kind)
);
create index jobs_due_idx on stepgate.jobs (run_after);

create table stepgate.breakpoints (
  tenant_uid uuid not null,
  run_uid uuid not null,
  target text not null constraint breakpoints_target_check check (target in ('step', 'slug', 'type')),
  value text not null,
  created_at timestamptz not null default now(),
  constraint breakpoints_pkey primary key (tenant_uid, run_uid, target, value),
  constraint breakpoints_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade
);

create table stepgate.approvals (
  tenant_uid uuid not null,
  approval_id uuid not null,
  run_uid uuid not null,
  step_id text not null,
  hold_record text not null,
  -- digest of exactly what was shown: the request with all patches, packs, tool (spec 04, approval)
  shown_digest text not null,
  role text not null,
  state text not null default 'open' constraint approvals_state_check check (state in
    ('open', 'approved', 'rejected', 'expired', 'consumed', 'void')),
  reason_blob uuid,
  approval_record text,
  decided_by text,
  decided_owner text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  decided_at timestamptz,
  constraint approvals_pkey primary key (tenant_uid, approval_id),
  constraint approvals_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade,
  constraint approvals_decided_check check ((state in ('approved', 'rejected', 'consumed')) <= (decided_by is not null))
);
create index approvals_step_idx on stepgate.approvals (tenant_uid, run_uid, step_id);
create index approvals_open_idx on stepgate.approvals (tenant_uid, created_at) where state = 'open';
create index approvals_expiry_idx on stepgate.approvals (expires_at) where state = 'open';

-- Writes that carried an Idempotency-Key: claimed while they are answered, then with the sealed answer.
create table stepgate.idempotency (
  -- all zeros for requests to the instance
  tenant_uid uuid not null,
  idempotency_key text not null,
  request_digest text not null,
  claimed_at timestamptz not null default now(),
  status smallint,
  location text,
  -- sealed: an answer may hold payload
  key_id text,
  wrapped_key bytea,
  sealed bytea,
  constraint idempotency_pkey primary key (tenant_uid, idempotency_key),
  constraint idempotency_answer_check check ((status is null) = (sealed is null))
);
