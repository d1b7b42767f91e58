-- Starting a step changes no column of an index: the queue's indexes tell who waits by the lease's owner, which a check ties to
-- the state. So the new row stays in its page, and no index gets an entry for it.
drop index stepgate.ready_steps_rank_idx;
create index ready_steps_rank_idx on stepgate.ready_steps
  (tenant_uid, is_alone, is_contracted desc, breach_at, priority desc, ready_at, run_uid, step_id)
 where lease_owner is null and not is_later and not is_stopped;
drop index stepgate.ready_steps_apart_idx;
create index ready_steps_apart_idx on stepgate.ready_steps (tenant_uid, is_stopped, not_before)
 where lease_owner is null and (is_later or is_stopped);
drop index stepgate.ready_steps_place_idx;
create index ready_steps_place_idx on stepgate.ready_steps
  (tenant_uid, deferred_for, (coalesce(deferred_by, '')), is_contracted desc, breach_at, priority desc, ready_at, run_uid, step_id)
 where lease_owner is null and is_later and not is_stopped;
drop index stepgate.ready_steps_owner_idx;
create index ready_steps_owner_idx on stepgate.ready_steps (lease_owner) where lease_owner is not null;
drop index stepgate.ready_steps_isolated_idx;
create index ready_steps_isolated_idx on stepgate.ready_steps (tenant_uid) where is_alone and lease_owner is not null;
drop index stepgate.ready_steps_concurrency_idx;
create index ready_steps_concurrency_idx on stepgate.ready_steps (tenant_uid, concurrency_key) where concurrency_key is not null;

-- A run's row is changed when it starts and when it ends: with room in its page neither touches its indexes.
alter table stepgate.runs set (fillfactor = 50);
-- Beginning with what most look-ups do not have: a table that is small, or of which nothing is known yet, was walked by it, all
-- runs of the tenant for each step that was claimed.
drop index stepgate.runs_manifest_idx;
create index runs_manifest_idx on stepgate.runs (manifest_id, tenant_uid);

-- Judging and ending seek rows by their keys, whatever tables looked like when it was planned, and a run's head and log are
-- written once for all that ends (functions/settle.sql, admit.sql, batches.sql).
drop function if exists stepgate.judge_settlements(text, boolean, jsonb[], text[], uuid[], uuid[], text[], bigint[], integer[]);
drop function if exists stepgate.close_attempts(text[], text[], integer, boolean, boolean, text, jsonb[], text[], uuid[], uuid[], text[],
  bigint[], integer[], text[], uuid[], uuid[], uuid[], bigint[], bigint[], text[], text[], text[], text[], integer[], timestamptz[],
  bigint[], bigint[], text[]);
drop function if exists stepgate.end_plain_steps(text[], uuid[], uuid[], text[], integer[], text[], uuid[], text[], uuid[], bigint[], bigint[],
  text[], text[], text[], integer[], json[]);
drop function if exists stepgate.end_plain_runs(text[], uuid[], uuid[], text[], text[], text[]);
drop function if exists stepgate.move_runs(text[], uuid[], uuid[], text[], text[], text[], text[]);
drop function if exists stepgate.warn_of_budgets(uuid[], uuid[], timestamptz[], bigint[], bigint[]);
