-- Steps that were lost run alone, one at a time of the whole installation, in a worker that empties its hands for them.
alter table stepgate.workers add column is_emptying boolean not null default false;
create index ready_steps_isolated_idx on stepgate.ready_steps (tenant_uid) where is_alone and state <> 'queued';
