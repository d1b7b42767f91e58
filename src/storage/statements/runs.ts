/**
 * Statements about runs: submit, look up, read, control. Every one holds an equality on tenant_uid.
 */
import { places } from "./places.ts";

/** A run by the id its submitter chose, or by idempotency key; looked up before any check of the submission (spec 02). */
export const FIND_SUBMISSION = `
  select run_uid, submission_digest, run_id is not distinct from $2 as is_same_id from stepgate.runs
   where tenant_uid = $1 and (run_id = $2 or idempotency_key = $3) order by submitted_at limit 1`;

/** Stores runs of tenant $1 in one transaction, or finds those there; from $2 on their columns (submission-columns.ts). */
export const SUBMIT_RUNS = `select * from stepgate.submit_runs(${places(53)})`;

export const READ_MANIFEST = `select body from stepgate.manifests where tenant_uid = $1 and manifest_id = $2`;

const RUN_COLUMNS = `
  r.run_uid, r.run_id, r.kind, r.op_id, r.manifest_id, r.priority, r.labels_blob, r.subject, r.traceparent, r.final_snapshot_id,
  (extract(epoch from r.submitted_at) * 1000000)::bigint as submitted_at_us,
  stepgate.epoch_ms(r.submitted_at) as submitted_at_ms, stepgate.epoch_ms(r.started_at) as started_at_ms,
  stepgate.epoch_ms(r.ended_at) as ended_at_ms, h.status, h.paused_step, stepgate.epoch_ms(h.paused_at) as paused_at_ms,
  h.head_seq`;

/** One run by uid ($2) or chosen id ($3). */
export const READ_RUN = `
  select ${RUN_COLUMNS}, b.tokens_limit, b.tokens_used, b.tokens_reserved, b.tokens_overrun,
         b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, b.usd_micros_overrun, b.run_uid is not null as is_tracked,
         (select record_id from stepgate.records k where k.tenant_uid = r.tenant_uid and k.run_uid = r.run_uid and k.window_uid = r.run_uid and k.kind = 'seal' limit 1) as seal_record
    from stepgate.runs r
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
    left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (r.tenant_uid, r.run_uid)
   where r.tenant_uid = $1 and (r.run_uid = $2 or r.run_id = $3)`;

/**
 * Runs of a tenant, newest first, after (submitted_at $3 in microseconds, uid $4); status $2 or all.
 * Milliseconds would skip the other runs of the last one's millisecond.
 */
export const LIST_RUNS = `
  select ${RUN_COLUMNS} from stepgate.runs r
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
   where r.tenant_uid = $1 and ($2::text is null or h.status = $2)
     and ($3::bigint is null or (r.submitted_at, r.run_uid) < (timestamptz 'epoch' + $3 * interval '1 microsecond', $4::uuid))
   order by r.submitted_at desc, r.run_uid desc limit $5`;

const STEP_COLUMNS = `
  s.step_id, s.type, s.slug, coalesce(q.state, s.status) as state, coalesce(q.attempts_made, s.attempts_made) as attempts_made,
  stepgate.epoch_ms(case when q.state = 'queued' then q.not_before end) as not_before_ms,
  s.error_kind, s.reasons, s.decision_artifact, s.provider, s.provider_version, s.actual_tokens, s.actual_usd_micros,
  s.output_blob, s.is_target, p.approval_id, p.role as approval_role, stepgate.epoch_ms(p.expires_at) as approval_expires_at_ms,
  coalesce((select array_agg(e.from_step order by e.from_step) from stepgate.step_edges e
             where e.tenant_uid = s.tenant_uid and e.run_uid = s.run_uid and e.to_step = s.step_id), '{}') as depends_on,
  coalesce((select array_agg(k.record_id order by k.created_at, k.record_id) from stepgate.records k
             where k.tenant_uid = s.tenant_uid and k.run_uid = s.run_uid and k.window_uid = s.run_uid
               and k.step_id = s.step_id), '{}') as record_ids`;

const STEP_TABLES = `stepgate.steps s
    left join stepgate.ready_steps q on s.status = 'queued' and (q.tenant_uid, q.run_uid, q.step_id) = (s.tenant_uid, s.run_uid, s.step_id)
    left join stepgate.approvals p on s.status = 'held' and p.state = 'open' and p.hold_record = s.last_record
     and (p.tenant_uid, p.run_uid, p.step_id) = (s.tenant_uid, s.run_uid, s.step_id)`;

/** The steps of a run in plan order with their live state, dependencies and records. */
export const READ_STEPS = `
  select ${STEP_COLUMNS} from ${STEP_TABLES} where s.tenant_uid = $1 and s.run_uid = $2 order by s.idx`;

/** The steps of runs $2 that have one, with their evaluations in the order they were made and their sealed outputs. */
export const READ_STEP_ENDS = `
  select s.run_uid, ${STEP_COLUMNS}, b.step_id as blob_step, b.field, b.key_id, b.wrapped_key, b.sealed,
         array(select v.body from stepgate.evaluations v
                where v.tenant_uid = s.tenant_uid and v.run_uid = s.run_uid and v.step_id = s.step_id
                order by v.lease_epoch, v.phase desc)::text[] as evaluations
    from ${STEP_TABLES}
    left join stepgate.blobs b on b.tenant_uid = s.tenant_uid and b.blob_id = s.output_blob
   where s.tenant_uid = $1 and s.run_uid = any ($2::uuid[])`;

/** Events after seq $3, in order. */
export const READ_EVENTS = `
  select seq, type, step_id, stepgate.epoch_ms(at) as at_ms, data from stepgate.run_events
   where tenant_uid = $1 and run_uid = $2 and seq > $3 order by seq limit $4`;

/** The first events of runs $2 of tenant $1, at most $3 of each, in order. */
export const READ_FIRST_EVENTS = `
  select r.run_uid, e.seq, e.type, e.step_id, stepgate.epoch_ms(e.at) as at_ms, e.data
    from unnest($2::uuid[]) as r (run_uid)
   cross join lateral (
     select seq, type, step_id, at, data from stepgate.run_events v
      where v.tenant_uid = $1 and v.run_uid = r.run_uid order by v.seq limit $3) e
   order by r.run_uid, e.seq`;

export const CANCEL_RUN = `select stepgate.cancel_run($1, $2, $3) as changed`;
export const RESUME_RUN = `select stepgate.resume_run($1, $2, $3) as changed`;
export const PAUSE_RUN = `select stepgate.pause_run($1, $2, $3) as changed`;
export const CHANGE_BREAKPOINT = `select stepgate.change_breakpoint($1, $2, $3, $4, $5, $6) as changed`;

export const LIST_BREAKPOINTS = `
  select target, value from stepgate.breakpoints where tenant_uid = $1 and run_uid = $2 order by target, value`;

/** Replaces the projection of run ($1, $2) whose log ends at seq $3 with rows $4, what is owed $5 (both jsonb), by $6: rebuilt, conflict or missing. */
export const REBUILD_RUN = `select stepgate.rebuild_run($1, $2, $3, $4, $5, $6) as outcome`;

// ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** All records of a run with where they stand in their batches, oldest first. */
export const READ_RUN_RECORDS = `
  select record_id, kind, step_id, attempt, statement, batch_id, leaf_index from stepgate.records
   where tenant_uid = $1 and run_uid = $2 and window_uid = $2 order by created_at, batch_id, leaf_index`;

export const READ_RUN_ARTIFACTS = `
  select artifact_id, kind, media_type, metadata, bytes, batch_id, leaf_index, step_id, run_uid, size_bytes
    from stepgate.artifacts where tenant_uid = $1 and run_uid = $2 order by created_at, artifact_id`;

/** Signed batches by id; instance-wide: a batch may hold records of several tenants, and shows only their digests. */
export const READ_BATCHES = `
  select batch_id, kid, size, leaves, statement, signature from stepgate.record_batches where batch_id = any ($1::uuid[])`;

export const READ_RECORD = `
  select record_id, kind, run_uid, step_id, attempt, statement, batch_id, leaf_index, stepgate.epoch_ms(created_at) as created_at_ms
    from stepgate.records where tenant_uid = $1 and record_id = $2`;

export const READ_ARTIFACT = `
  select artifact_id, kind, media_type, metadata, bytes, batch_id, leaf_index, step_id, run_uid, size_bytes,
         stepgate.epoch_ms(created_at) as created_at_ms
    from stepgate.artifacts where tenant_uid = $1 and artifact_id = $2 limit 1`;

/** Writes decisions $1 made outside a run with their signed batch $2; one statement, so all or none. */
export const INSERT_DECISIONS = `select stepgate.insert_decisions($1, $2) as done`;

/** Up to $1 seal jobs that are due, kept off others for $2 ms, with what seals say of their runs. Instance-wide. */
export const TAKE_SEAL_JOBS = `select * from stepgate.take_seal_jobs($1, $2)`;

/** Writes seals ($4 ids, $5 statements) of runs ($2, $3) under batch $1 and ends their jobs. Instance-wide. */
export const WRITE_SEALS = `select stepgate.write_seals($1, $2, $3, $4, $5) as done`;
