/**
 * Statements of the pipeline: claim, admit, settle, leases. Each is one call of a function of functions/*.sql.
 */
import { places } from "./places.ts";

/** Registers worker $1 (pid $2, host $3) or extends its lease by $4 ms; false when the lease has lapsed. */
export const EXTEND_LEASE = `select stepgate.extend_lease($1, $2, $3, $4) as held`;

/** Says which types worker $1 serves, so that people are told of steps that nobody does. */
export const SAY_TYPES = `update stepgate.workers set types = $2 where worker_id = $1`;

/** Ends a worker's lease at once and hands back what it had not started. */
export const END_LEASE = `select stepgate.end_lease($1) as handed_back`;

/** Whether worker $1, who serves types $2, is to empty its hands for a step that must run alone. Instance-wide: one worker is. */
export const SHOULD_EMPTY = `select stepgate.should_empty($1, $2) as should_empty`;

/**
 * Leases up to $3 due steps of types $2 to worker $1, tenants by stride, one index walk inside a tenant's share.
 * Locks rows with SKIP LOCKED, so workers never wait for each other; the epoch fences a worker whose lease lapsed. $4: the
 * worker has nothing in hand, and may be given a step that must run alone; $5: look behind steps that wait for something.
 */
export const CLAIM_STEPS = `select * from stepgate.claim_steps($1, $2, $3, $4, $5)`;

/** Charges tenants $2 for so many steps $3 that workers of types $1 put back. Instance-wide, as a claim. */
export const CHARGE_PUT_BACK = `select stepgate.charge_put_back($1, $2, $3)`;

/**
 * Makes due what was put back: of tenant $1 up to $4 steps that wait for reason $2 of name $3, each the first in their order;
 * arrays of equal length. One walk of ready_steps_place_idx, that never waits for a row: what it misses is looked at in its time.
 */
export const WAKE_STEPS = `
  with woken as materialized (
    select w.tenant_uid, d.run_uid, d.step_id
      from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[]) as w (tenant_uid, reason, name, steps)
     cross join lateral (
       select x.run_uid, x.step_id from stepgate.ready_steps x
        where x.tenant_uid = w.tenant_uid and x.deferred_for = w.reason and coalesce(x.deferred_by, '') = coalesce(w.name, '')
          and x.lease_owner is null and x.is_later and not x.is_stopped and x.not_before > clock_timestamp()
        order by x.is_contracted desc, x.breach_at, x.priority desc, x.ready_at, x.run_uid, x.step_id
        limit w.steps for update skip locked) d)
  update stepgate.ready_steps r set not_before = clock_timestamp()
    from woken d where (r.tenant_uid, r.run_uid, r.step_id) = (d.tenant_uid, d.run_uid, d.step_id)`;

/** Leases up to $2 queued steps whose time is up to worker $1, of any type and tenant: to be refused, never performed. */
export const LEASE_OVERDUE = `select * from stepgate.lease_overdue($1, $2)`;

/** Payloads by (tenant, id), of many tenants at once: the pairs stand in two arrays of equal length. */
export const READ_BLOBS = `
  select b.tenant_uid, b.blob_id, b.run_uid, b.step_id, b.field, b.key_id, b.wrapped_key, b.sealed
    from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_uid, blob_id)
    join stepgate.blobs b on b.tenant_uid = wanted.tenant_uid and b.blob_id = wanted.blob_id`;

/** Blob ids of what inputs refer to: outputs of steps, and for an origin its inputs too. */
export const READ_REFERRED_STEPS = `
  select s.tenant_uid, s.run_uid, s.step_id, s.input_blob, s.output_blob
    from unnest($1::uuid[], $2::uuid[], $3::text[]) as wanted (tenant_uid, run_uid, step_id)
    join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (wanted.tenant_uid, wanted.run_uid, wanted.step_id)`;

/** Worker $1 admits a batch under the signed statement $2 (jsonb); from $3 on its columns (admission-columns.ts). */
export const ADMIT_STEPS = `select ordinal, outcome, detail from stepgate.admit_steps(${places(29)})`;

/** Worker $1 settles a batch with signed batches $3; $2: the reaper settles in the name of a dead worker; from $4 on its
 * columns (settlement-columns.ts). */
export const SETTLE_STEPS = `select ordinal, outcome, run_status from stepgate.settle_steps(${places(52)})`;

/** Which of the records ($1, $2) are there. */
export const FIND_RECORDS = `
  select r.record_id from unnest($1::uuid[], $2::text[]) as wanted (tenant_uid, record_id)
    join stepgate.records r on r.tenant_uid = wanted.tenant_uid and r.record_id = wanted.record_id`;

/** Breakpoints of one run that name step $3, slug $4 or type $5; the most exact first. */
export const FIND_BREAKPOINT = `
  select target, value from stepgate.breakpoints
   where tenant_uid = $1 and run_uid = $2
     and ((target = 'step' and value = $3) or (target = 'slug' and value = $4) or (target = 'type' and value = $5))
   order by array_position(array['step', 'slug', 'type'], target) limit 1`;

/** Runs among those given that were asked to stop; the worker aborts what it executes of them. */
export const FIND_CANCELLED_RUNS = `
  select h.tenant_uid, h.run_uid from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_uid, run_uid)
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (wanted.tenant_uid, wanted.run_uid) where h.is_cancelled`;

/** Hands steps of lapsed workers that never started back to the queue. */
export const RELEASE_LAPSED = `select stepgate.release_lapsed($1) as released`;

/** Worker $1 gives up step ($2, $3, $4) of epoch $5: back to the queue after $6 ms, or, if it was started, to the reaper. */
export const ABANDON_STEP = `select stepgate.abandon_step($1, $2, $3, $4, $5, $6) as abandoned`;

/** What worker $1 has leased or started, of all tenants; one walk of ready_steps_owner_idx. */
export const FIND_HELD = `
  select tenant_uid, run_uid, step_id, lease_epoch from stepgate.ready_steps where lease_owner = $1`;

/** Running steps whose worker's lease has lapsed: attempts to be closed as lost. Instance-wide: any process may reap. */
export const FIND_LOST = `
  select r.tenant_uid, r.run_uid, r.step_id, r.lease_owner, r.lease_epoch, r.attempts_made, r.reserved_tokens,
         r.reserved_usd_micros, r.admission_record, r.jti, stepgate.epoch_ms(r.started_at) as started_at_ms,
         s.lost_attempts, s.spec, stepgate.epoch_ms(clock_timestamp()) as now_ms
    from stepgate.ready_steps r
    join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (r.tenant_uid, r.run_uid, r.step_id)
   where r.state = 'running' and r.lease_owner is not null
     and not exists (select 1 from stepgate.workers w where w.worker_id = r.lease_owner and w.lease_until > clock_timestamp())
   order by r.lease_owner, r.tenant_uid, r.run_uid, r.step_id limit $1`;
