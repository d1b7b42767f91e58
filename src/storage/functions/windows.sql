-- Windows of history: each table of it is partitioned by time; windows are made ahead, and dropped once little in them must stay.
-- Run by the owner of the schema. Not here: what may go and why, and what goes by run (retention.sql).

-- Tables of history and the uuid that places their rows.
create or replace function stepgate.history_tables() returns table (relation text, key text) language sql immutable as $$
  values ('run_events', 'run_uid'), ('step_attempts', 'run_uid'), ('cost_ledger', 'run_uid'), ('evaluations', 'run_uid'),
         ('records', 'window_uid'), ('artifacts', 'run_uid'), ('blobs', 'blob_id'), ('record_batches', 'batch_id')
$$;

-- Sets a table of history, or a partition of one, up for rows that are written once and found by their keys. Statistics of
-- 30 000 rows for every tenth that is added, as is usual, took more time in a young database than the claims did, and each
-- makes every session plan anew. Rows below 8 KB stay whole where they are sealed, those below 4 KB in the clear: cut up,
-- each piece is a row and an index entry more, and compressing one takes as long as writing it.
create or replace function stepgate.tune_table(p_relation regclass) returns void language plpgsql as $$
declare
  v_name text := (select relname from pg_class where oid = p_relation);
begin
  execute (select format('alter table stepgate.%I %s', v_name, string_agg(format('alter column %I set statistics 10', a.attname), ', '))
             from pg_attribute a where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped);
  if (select relkind from pg_class where oid = p_relation) = 'r' then
    execute format('alter table stepgate.%I set (toast_tuple_target = %s, autovacuum_analyze_threshold = 5000, '
                   'autovacuum_analyze_scale_factor = 0.5, autovacuum_vacuum_insert_scale_factor = 0.5)',
                   v_name, case when v_name like 'blobs%' then 8160 else 4080 end);
  end if;
end $$;

-- One who maintains at a time; held until the transaction ends.
create or replace function stepgate.may_maintain() returns boolean language sql as $$
  select pg_try_advisory_xact_lock(21319, stepgate.lock_number('retention'))
$$;

-- Windows, and what lies before, between and behind them, whose name is null: rows of it are in the partitions `_rest`.
create or replace function stepgate.history_ranges() returns table (name text, first_uid uuid, end_uid uuid, ends_at timestamptz)
language sql stable as $$
  with windows as (
    select w.*, coalesce(lag(w.end_uid) over (order by w.first_uid), '00000000-0000-0000-0000-000000000000') as before_uid
      from stepgate.history_windows w)
  select w.name, w.first_uid, w.end_uid, w.ends_at from windows w
  union all
  select null, w.before_uid, w.first_uid, null from windows w where w.before_uid < w.first_uid
  union all
  select null, coalesce((select w.end_uid from windows w order by w.end_uid desc limit 1), '00000000-0000-0000-0000-000000000000'),
         'ffffffff-ffff-ffff-ffff-ffffffffffff', null
$$;

-- Ranges in which something may be due, oldest first.
create or replace function stepgate.due_ranges(p_now timestamptz)
returns table (name text, first_uid uuid, end_uid uuid, ends_at timestamptz) language sql stable as $$
  select r.* from stepgate.history_ranges() r
   where r.ends_at is null or r.ends_at + (select min(stepgate.retention_days(n.settings)) from stepgate.tenants n) <= p_now
      or exists (select 1 from stepgate.history_windows w where w.name = r.name and w.is_dropping)
   order by r.first_uid
$$;

-- ── made ahead ────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Plans windows of so many days until one ends so many days ahead of p_now; nothing while another maintains. Where the last has
-- ended already, the next begins tomorrow: what was written meanwhile stays in the partitions `_rest` and goes by run, since
-- moving it would lock them for as long as it takes.
create or replace function stepgate.plan_windows(p_now timestamptz, p_ahead_days integer, p_days integer) returns void language plpgsql as $$
declare
  v_from timestamptz;
begin
  if not stepgate.may_maintain() then
    return;
  end if;
  loop
    v_from := coalesce((select max(w.ends_at) from stepgate.history_windows w where w.ends_at > p_now),
                       date_trunc('day', p_now at time zone 'UTC') at time zone 'UTC' + interval '1 day');
    exit when v_from >= p_now + make_interval(days => p_ahead_days) and exists (
      select 1 from stepgate.history_windows w where w.ends_at = v_from);
    insert into stepgate.history_windows (name, first_uid, end_uid, ends_at)
    values (to_char(v_from at time zone 'UTC', 'YYYYMMDD'), stepgate.uid_at(v_from),
            stepgate.uid_at(v_from + make_interval(days => p_days)), v_from + make_interval(days => p_days));
  end loop;
end $$;

-- The smallest UUIDv7 of a moment.
create or replace function stepgate.uid_at(p_at timestamptz) returns uuid language sql stable as $$
  select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The moment in a UUIDv7.
create or replace function stepgate.time_of(p_uid uuid) returns timestamptz language sql immutable as $$
  select to_timestamp(('x' || left(replace(p_uid::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- Partitions that a window has not got yet.
create or replace function stepgate.missing_partitions() returns table (relation text, name text) language sql stable as $$
  select t.relation, w.name from stepgate.history_windows w cross join stepgate.history_tables() t
   where not w.is_dropping and to_regclass(format('stepgate.%I', t.relation || '_' || w.name)) is null
   order by w.first_uid, t.relation
$$;

-- Makes one partition, with what is in `_rest` of it already. Attaching lets the table be read and written meanwhile; only
-- `_rest` is locked, which nearly nobody needs. False where it is there, or while another maintains.
create or replace function stepgate.make_partition(p_relation text, p_name text) returns boolean language plpgsql
set lock_timeout = '5s' as $$
declare
  v_key text := (select t.key from stepgate.history_tables() t where t.relation = p_relation);
  v_part text := p_relation || '_' || p_name;
  w stepgate.history_windows;
begin
  if not stepgate.may_maintain() or to_regclass(format('stepgate.%I', v_part)) is not null then
    return false;
  end if;
  select * into strict w from stepgate.history_windows where name = p_name;
  execute format('create table stepgate.%I (like stepgate.%I including defaults including constraints including storage '
                 'including compression including indexes)', v_part, p_relation);
  -- vacuum is waited for without keeping anybody else waiting
  execute format('lock table stepgate.%I in share update exclusive mode', p_relation || '_rest');
  perform set_config('lock_timeout', '250ms', true);
  execute format('lock table stepgate.%I in access exclusive mode', p_relation || '_rest');
  execute format('with early as (delete from stepgate.%I where %I >= %L and %I < %L returning *) insert into stepgate.%I select * from early',
                 p_relation || '_rest', v_key, w.first_uid, v_key, w.end_uid, v_part);
  execute format('alter table stepgate.%I attach partition stepgate.%I for values from (%L) to (%L)',
                 p_relation, v_part, w.first_uid, w.end_uid);
  perform stepgate.tune_table(format('stepgate.%I', v_part)::regclass);
  if p_relation <> 'record_batches' then
    perform stepgate.fence_table(format('stepgate.%I', v_part)::regclass);
  end if;
  return true;
end $$;

-- ── whether one may be dropped ────────────────────────────────────────────────────────────────────────────────────────

-- Runs outside a window that sealed payloads while it lasted: of older windows, or with a uuid that tells no time. Whoever
-- made the payload may have another clock, by a day at most; a run that had ended before the window has nothing in it.
create or replace function stepgate.window_guests(w stepgate.history_windows)
returns table (tenant_uid uuid, run_uid uuid) language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if to_regclass(format('stepgate.%I', 'blobs_' || w.name)) is null then
    return;
  end if;
  return query execute format('select r.tenant_uid, r.run_uid from stepgate.tenants n
      join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.submitted_at < $1 and (r.ended_at is null or r.ended_at >= $2)
       and (r.run_uid < $3 or r.run_uid >= $4)
     where exists (select 1 from stepgate.%I b where b.tenant_uid = r.tenant_uid and b.run_uid = r.run_uid)', 'blobs_' || w.name)
    using w.ends_at + interval '1 day', stepgate.time_of(w.first_uid) - interval '1 day', w.first_uid, w.end_uid;
end $$;

-- How many rows of runs a partition holds, if it is there, counted no further than p_limit.
create or replace function stepgate.count_rows(p_part text, p_tenants uuid[], p_runs uuid[], p_limit bigint) returns bigint
language plpgsql stable set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_count bigint := 0;
begin
  if to_regclass(format('stepgate.%I', p_part)) is not null then
    execute format('select count(*) from (select 1 from unnest($1, $2) as i (tenant_uid, run_uid)
        join stepgate.%I p on p.tenant_uid = i.tenant_uid and p.run_uid = i.run_uid limit $3) x', p_part)
      into v_count using p_tenants, p_runs, p_limit;
  end if;
  return v_count;
end $$;

-- How many decisions outside a run, that tenants still keep, a partition of records holds; as above.
create or replace function stepgate.count_decisions(p_part text, p_now timestamptz, p_limit bigint) returns bigint
language plpgsql stable set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_count bigint := 0;
begin
  if to_regclass(format('stepgate.%I', p_part)) is not null then
    execute format('select count(*) from (select 1 from stepgate.tenants n
        join stepgate.%I p on p.tenant_uid = n.tenant_uid and p.run_uid is null
         and p.created_at > $1 - stepgate.retention_days(n.settings) limit $2) x', p_part)
      into v_count using p_now, p_limit;
  end if;
  return v_count;
end $$;

-- Whether more than p_max_kept rows of one table of a window must stay.
create or replace function stepgate.keeps_much(w stepgate.history_windows, p_now timestamptz, p_max_kept bigint) returns boolean
language plpgsql stable as $$
declare
  v_tenants uuid[];
  v_runs uuid[];
  v_guest_tenants uuid[];
  v_guest_runs uuid[];
begin
  -- each of them has a row at least
  select array_agg(x.tenant_uid), array_agg(x.run_uid) into v_tenants, v_runs from (
    select r.tenant_uid, r.run_uid from stepgate.tenants n
      join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid >= w.first_uid and r.run_uid < w.end_uid
     where not exists (select 1 from stepgate.expired_runs(w.first_uid, w.end_uid, w.ends_at, p_now) e
                        where (e.tenant_uid, e.run_uid) = (r.tenant_uid, r.run_uid))
     limit p_max_kept + 1) x;
  if cardinality(v_runs) > p_max_kept then
    return true;
  end if;
  if exists (select 1 from stepgate.history_tables() t where t.relation not in ('blobs', 'record_batches')
                and stepgate.count_rows(t.relation || '_' || w.name, v_tenants, v_runs, p_max_kept + 1) > p_max_kept)
     or stepgate.count_decisions('records_' || w.name, p_now, p_max_kept + 1) > p_max_kept then
    return true;
  end if;
  select array_agg(g.tenant_uid), array_agg(g.run_uid) into v_guest_tenants, v_guest_runs
    from (select * from stepgate.window_guests(w) limit p_max_kept + 1) g;
  return stepgate.count_rows('blobs_' || w.name, v_tenants || v_guest_tenants, v_runs || v_guest_runs, p_max_kept + 1) > p_max_kept;
end $$;

-- Marks a window as dropping if anything in it may go and at most p_max_kept rows of each table of it must stay; asked again
-- of one that is marked, since what stays may have grown. Result: nothing (to be done) · dropping · by_run (too much must
-- stay) · stuck (the same of one that is marked already) · busy (another maintains).
create or replace function stepgate.judge_window(p_name text, p_now timestamptz, p_max_kept bigint) returns text language plpgsql as $$
declare
  w stepgate.history_windows;
begin
  if not stepgate.may_maintain() then
    return 'busy';
  end if;
  select * into strict w from stepgate.history_windows where name = p_name;
  -- an empty window goes once nobody's runs of that time could be kept any more
  if not w.is_dropping
     and not exists (select 1 from stepgate.expired_runs(w.first_uid, w.end_uid, w.ends_at, p_now))
     and not exists (select 1 from stepgate.expired_decisions(w.first_uid, w.end_uid, w.ends_at, p_now))
     and w.ends_at + (select max(stepgate.retention_days(n.settings)) from stepgate.tenants n) > p_now then
    return 'nothing';
  end if;
  if stepgate.keeps_much(w, p_now, p_max_kept) then
    return case when w.is_dropping then 'stuck' else 'by_run' end;
  end if;
  update stepgate.history_windows set is_dropping = true where name = p_name and not is_dropping;
  return 'dropping';
end $$;

-- ── dropped ───────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Batches of a window that records and artifacts still name, once theirs are dropped: those of `_rest`, and of runs of the next
-- window whose maker's clock ran ahead of the signer's.
create or replace function stepgate.kept_batches(w stepgate.history_windows) returns uuid[] language sql stable as $$
  select array(
    select k.batch_id from stepgate.records_rest k where k.batch_id >= w.first_uid and k.batch_id < w.end_uid
    union select a.batch_id from stepgate.artifacts_rest a where a.batch_id >= w.first_uid and a.batch_id < w.end_uid
    union select k.batch_id from stepgate.records k
           where k.window_uid >= w.end_uid and k.window_uid < stepgate.uid_at(w.ends_at + interval '1 day') and k.batch_id < w.end_uid
    union select a.batch_id from stepgate.artifacts a
           where a.run_uid >= w.end_uid and a.run_uid < stepgate.uid_at(w.ends_at + interval '1 day') and a.batch_id < w.end_uid)
$$;

-- Runs of a window that are still there, whether they may go or not.
create or replace function stepgate.window_runs(w stepgate.history_windows) returns table (tenant_uid uuid, run_uid uuid)
language sql stable as $$
  select r.tenant_uid, r.run_uid from stepgate.tenants n
    join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid >= w.first_uid and r.run_uid < w.end_uid
$$;

-- Drops one partition of a dropping window. What must stay is chosen and counted before anything is locked, and moved to
-- `_rest` in the same transaction, so that the table is locked for as long as p_max_kept rows take. Batches go last, when no
-- older window has records of theirs. Result: dropped · gone (before) · later (too much must stay, something goes before it,
-- or another maintains).
create or replace function stepgate.drop_partition(p_relation text, p_name text, p_now timestamptz, p_max_kept bigint) returns text
language plpgsql set lock_timeout = '5s' as $$
declare
  w stepgate.history_windows;
  v_part text := p_relation || '_' || p_name;
  v_tenants uuid[];
  v_runs uuid[];
  v_batches uuid[];
begin
  if not stepgate.may_maintain() then
    return 'later';
  end if;
  if to_regclass(format('stepgate.%I', v_part)) is null then
    return 'gone';
  end if;
  select * into strict w from stepgate.history_windows where name = p_name and is_dropping;
  if p_relation = 'record_batches' then
    if exists (select 1 from stepgate.history_windows o where o.first_uid < w.first_uid)
       or exists (select 1 from stepgate.history_tables() t
                   where t.relation <> p_relation and to_regclass(format('stepgate.%I', t.relation || '_' || p_name)) is not null) then
      return 'later';
    end if;
    v_batches := stepgate.kept_batches(w);
    if cardinality(v_batches) > p_max_kept then
      return 'later';
    end if;
  else
    select array_agg(x.tenant_uid), array_agg(x.run_uid) into v_tenants, v_runs
      from (select * from stepgate.window_runs(w) limit p_max_kept + 1) x;
    if p_relation = 'blobs' then
      select v_tenants || array_agg(g.tenant_uid), v_runs || array_agg(g.run_uid) into v_tenants, v_runs
        from (select * from stepgate.window_guests(w) limit p_max_kept + 1) g;
    end if;
    if cardinality(v_runs) > p_max_kept or stepgate.count_rows(v_part, v_tenants, v_runs, p_max_kept + 1) > p_max_kept
       or p_relation = 'records' and stepgate.count_decisions(v_part, p_now, p_max_kept + 1) > p_max_kept then
      return 'later';
    end if;
  end if;
  -- vacuum is waited for without keeping anybody else waiting
  execute format('lock table stepgate.%I, stepgate.%I in share update exclusive mode', v_part, p_relation || '_rest');
  -- everybody queues behind this one; other partitions are not touched
  perform set_config('lock_timeout', '250ms', true);
  execute format('lock table only stepgate.%I in access exclusive mode', p_relation);
  -- from now on nobody writes into it; who did since it was chosen what stays, with a clock that is far behind, is not lost
  if p_relation = 'record_batches' and exists (
       select k.batch_id from stepgate.records_rest k where k.batch_id >= w.first_uid and k.batch_id < w.end_uid
       except select b from unnest(v_batches) b)
     or p_relation <> 'record_batches' and exists (
       select r.tenant_uid, r.run_uid from stepgate.window_runs(w) r
       except select i.tenant_uid, i.run_uid from unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)) then
    return 'later';
  end if;
  execute format('alter table stepgate.%I detach partition stepgate.%I', p_relation, v_part);
  perform stepgate.move_kept(p_relation, v_part, v_tenants, v_runs, v_batches);
  if p_relation = 'records' then
    execute format('insert into stepgate.records select p.* from stepgate.tenants n
        join stepgate.%I p on p.tenant_uid = n.tenant_uid and p.run_uid is null
         and p.created_at > $1 - stepgate.retention_days(n.settings)', v_part) using p_now;
  end if;
  execute format('drop table stepgate.%I', v_part);
  return 'dropped';
end $$;

-- Moves rows of these runs, or these batches, out of a partition that was detached.
create or replace function stepgate.move_kept(p_relation text, p_part text, p_tenants uuid[], p_runs uuid[], p_batches uuid[]) returns void
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if p_relation = 'record_batches' then
    execute format('insert into stepgate.record_batches select p.* from stepgate.%I p where p.batch_id = any ($1)', p_part)
      using p_batches;
  else
    execute format('insert into stepgate.%I select p.* from unnest($1, $2) as i (tenant_uid, run_uid)
        join stepgate.%I p on p.tenant_uid = i.tenant_uid and p.run_uid = i.run_uid', p_relation, p_part)
      using p_tenants, p_runs;
  end if;
end $$;

-- Forgets a dropping window of which no partition is left.
create or replace function stepgate.forget_window(p_name text) returns void language sql as $$
  delete from stepgate.history_windows w where w.name = p_name and w.is_dropping and not exists
    (select 1 from stepgate.history_tables() t where to_regclass(format('stepgate.%I', t.relation || '_' || p_name)) is not null)
$$;

-- Once for each partition: those made from now on are set up as they are made.
select stepgate.tune_table(c.oid)
  from stepgate.history_tables() t
  join pg_inherits i on i.inhparent = format('stepgate.%I', t.relation)::regclass
  join pg_class c on c.oid = i.inhrelid
 where not coalesce(c.reloptions::text like '%toast_tuple_target%', false);
