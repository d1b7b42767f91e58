-- Steps whose time is up are found whoever may claim them; a run's limit stands beside its state, which says if it is open.
alter table stepgate.run_heads add column time_limit_at timestamptz;
update stepgate.run_heads h set time_limit_at = u.time_limit_at from stepgate.runs u
 where (u.tenant_uid, u.run_uid) = (h.tenant_uid, h.run_uid) and u.time_limit_at is not null;
create index run_heads_time_limit_idx on stepgate.run_heads (time_limit_at)
 where status in ('pending', 'running') and time_limit_at is not null;
create index steps_deadline_idx on stepgate.steps (deadline_at) where status = 'queued' and deadline_at is not null;
