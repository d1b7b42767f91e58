-- What cannot run stands apart from what a claim walks over, however much of it there is: steps of paused runs, and steps whose
-- not_before has not come (functions/apart.sql). In a paused run deadlines stand still, so that nobody looks for those that have passed.
alter table stepgate.ready_steps
  -- not_before had not come when it was written; a claim takes it back once it has
  add column is_later boolean not null default false,
  -- the run is paused
  add column is_stopped boolean not null default false;
alter table stepgate.steps add column is_stopped boolean not null default false;

drop index stepgate.ready_steps_rank_idx;
drop index stepgate.ready_steps_alone_idx;
drop index stepgate.steps_deadline_idx;
update stepgate.ready_steps set is_later = true where not_before > clock_timestamp();
update stepgate.ready_steps r set is_stopped = true from stepgate.run_heads h
 where (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid) and h.status = 'paused_at_step';
update stepgate.steps s set is_stopped = true from stepgate.run_heads h
 where (h.tenant_uid, h.run_uid) = (s.tenant_uid, s.run_uid) and h.status = 'paused_at_step'
   and s.status = 'queued' and s.deadline_at is not null;
create index ready_steps_rank_idx on stepgate.ready_steps
  (tenant_uid, is_alone, is_contracted desc, breach_at, priority desc, ready_at, run_uid, step_id)
 where state = 'queued' and not is_later and not is_stopped;
create index ready_steps_apart_idx on stepgate.ready_steps (tenant_uid, is_stopped, not_before)
 where state = 'queued' and (is_later or is_stopped);
-- who waits for one place, in their order
create index ready_steps_place_idx on stepgate.ready_steps
  (tenant_uid, deferred_for, (coalesce(deferred_by, '')), is_contracted desc, breach_at, priority desc, ready_at, run_uid, step_id)
 where state = 'queued' and is_later and not is_stopped;
create index steps_deadline_idx on stepgate.steps (deadline_at)
 where status = 'queued' and deadline_at is not null and not is_stopped;
