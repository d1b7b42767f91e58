-- History is kept in windows of time: each table of it is partitioned by a time-ordered uuid, so that a window whose runs are
-- all to go is dropped, not deleted row by row. What was there becomes the first window; rows outside every window, and
-- those that outlive theirs, are in the partition `_rest` (functions/retention.sql).

create table stepgate.history_windows (
  -- partitions are named after it: run_events_<name>
  name text not null constraint history_windows_pkey primary key constraint history_windows_name_check check (name ~ '^[a-z0-9]+$'),
  -- uuids from this one on …
  first_uid uuid not null constraint history_windows_first_key unique,
  -- … and before this one
  end_uid uuid not null,
  ends_at timestamptz not null,
  -- once it is being dropped, runs of it go without their history rows, which go with the window
  is_dropping boolean not null default false,
  constraint history_windows_bounds_check check (first_uid < end_uid)
);

-- What a tenant's runs left when they went: what is counted from history is whole only for days after.
create table stepgate.retired_history (
  tenant_uid uuid not null constraint retired_history_pkey primary key references stepgate.tenants,
  runs bigint not null default 0,
  last_ended_at timestamptz not null,
  retired_at timestamptz not null default now()
);

-- days that obligations of packs ask for, beyond the tenant's own
alter table stepgate.runs add column retain_days integer not null default 0;
create index runs_manifest_idx on stepgate.runs (tenant_uid, manifest_id);

-- a record outside a run is placed by its batch
alter table stepgate.records add column window_uid uuid;
alter table stepgate.records disable trigger records_append_only;
update stepgate.records set window_uid = coalesce(run_uid, batch_id);
alter table stepgate.records alter column window_uid set not null;
-- no foreign key to runs, as on no other table of history: the check of each row cost more than it found
alter table stepgate.step_attempts drop constraint step_attempts_run_fkey;
alter table stepgate.artifacts alter column run_uid set not null;

do $$
declare
  v_end timestamptz := date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '8 days';
  v_end_uid uuid := (lpad(to_hex((extract(epoch from v_end) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
  t record;
  v_index text;
  v_trigger text;
begin
  insert into stepgate.history_windows (name, first_uid, end_uid, ends_at)
  values ('first', '00000000-0000-0000-0000-000000000000', v_end_uid, v_end);
  for t in
    select * from (values
      ('run_events', 'run_uid', 'tenant_uid, run_uid, seq'),
      ('step_attempts', 'run_uid', 'tenant_uid, run_uid, step_id, lease_epoch'),
      ('cost_ledger', 'run_uid', 'tenant_uid, run_uid, step_id, lease_epoch, kind'),
      ('evaluations', 'run_uid', 'tenant_uid, run_uid, step_id, lease_epoch, phase'),
      ('records', 'window_uid', 'tenant_uid, record_id, window_uid'),
      ('artifacts', 'run_uid', 'tenant_uid, artifact_id, run_uid'),
      ('blobs', 'blob_id', 'tenant_uid, blob_id'),
      ('record_batches', 'batch_id', 'batch_id')) as h (name, key, primary_key)
  loop
    for v_trigger in select tgname from pg_trigger where tgrelid = format('stepgate.%I', t.name)::regclass and not tgisinternal loop
      execute format('drop trigger %I on stepgate.%I', v_trigger, t.name);
    end loop;
    execute format('alter table stepgate.%I drop constraint %I', t.name, t.name || '_pkey');
    for v_index in select indexrelid::regclass::text from pg_index where indrelid = format('stepgate.%I', t.name)::regclass loop
      execute format('drop index %s', v_index);
    end loop;
    execute format('alter table stepgate.%I rename to %I', t.name, t.name || '_first');
    execute format('create table stepgate.%I (like stepgate.%I including defaults including constraints including storage '
                   'including compression) partition by range (%I)', t.name, t.name || '_first', t.key);
    execute format('create table stepgate.%I partition of stepgate.%I default', t.name || '_rest', t.name);
    execute format('with odd as (delete from stepgate.%I where %I >= %L returning *) insert into stepgate.%I select * from odd',
                   t.name || '_first', t.key, v_end_uid, t.name || '_rest');
    execute format('alter table stepgate.%I attach partition stepgate.%I for values from (%L) to (%L)',
                   t.name, t.name || '_first', '00000000-0000-0000-0000-000000000000', v_end_uid);
    execute format('alter table stepgate.%I add constraint %I primary key (%s)', t.name, t.name || '_pkey', t.primary_key);
  end loop;
end $$;

-- decisions outside a run too: those of a tenant are found by age
create index records_run_idx on stepgate.records (tenant_uid, run_uid, created_at);
create index artifacts_run_idx on stepgate.artifacts (tenant_uid, run_uid);
create index blobs_run_idx on stepgate.blobs (tenant_uid, run_uid);

create trigger records_append_only before update on stepgate.records
  for each row execute function stepgate.refuse_change();
create trigger record_batches_append_only before update on stepgate.record_batches
  for each row execute function stepgate.refuse_change();
create trigger step_attempts_append_only before update on stepgate.step_attempts
  for each row execute function stepgate.refuse_change();
create trigger cost_ledger_append_only before update on stepgate.cost_ledger
  for each row execute function stepgate.refuse_change();
create trigger run_events_append_only before update on stepgate.run_events
  for each row execute function stepgate.refuse_change();
