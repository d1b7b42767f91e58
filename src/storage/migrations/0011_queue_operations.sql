-- What people see and do of the queue: paused types, who serves which type, dead letters, runs forked from an ended one.

alter table stepgate.tenants add column paused_types text[] not null default '{}';

-- A type that no living worker serves waits for ever; whoever asks is told so.
alter table stepgate.workers add column types text[] not null default '{}';

-- A dead letter is a step that ended failed after an attempt was made; nothing is copied, nothing can be out of step.
create index steps_dead_letters_idx on stepgate.steps (tenant_uid, ended_at desc, run_uid desc, step_id desc)
  where status = 'failed' and attempts_made > 0;

create index run_heads_open_idx on stepgate.run_heads (tenant_uid, run_uid)
  where status in ('pending', 'running', 'paused_at_step', 'cancelling', 'compensating');

-- A run that goes on from a step of an ended one. It draws on what its root's budget has left (spec 06, fork).
create table stepgate.run_forks (
  tenant_uid uuid not null,
  run_uid uuid not null,
  origin_run uuid not null,
  origin_step text not null,
  -- the first run of the line of forks: whose budget is drawn on
  root_run uuid not null,
  created_at timestamptz not null default now(),
  constraint run_forks_pkey primary key (tenant_uid, run_uid),
  constraint run_forks_run_fkey foreign key (tenant_uid, run_uid) references stepgate.runs on delete cascade,
  -- a run that others were forked from is kept with them
  constraint run_forks_origin_fkey foreign key (tenant_uid, origin_run) references stepgate.runs
);
create index run_forks_origin_idx on stepgate.run_forks (tenant_uid, origin_run, origin_step);
create index run_forks_root_idx on stepgate.run_forks (tenant_uid, root_run);
