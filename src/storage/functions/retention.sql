-- Retention: what a tenant no longer keeps is dropped with its window of history, or, where the window must stay, deleted by
-- run. Run by the owner of the schema: neither the gateway's nor the worker's role may delete evidence.
-- A run goes once its window is over and it has ended, both for the tenant's retention_days (the run's own end also for what a
-- pack's obligation asks), it is sealed, each sink has its events, no approval is open and no run was forked from it. A window that holds little that
-- must stay is dropped, and the little moved to the partition `_rest`; in one that holds much the rest is deleted by run.
-- The row in runs is the truth: history without it is nobody's. It is deleted first, so that a kill in between leaves a
-- window that is marked as dropping, and is dropped by whoever comes next.

-- Tables of history and the uuid that places their rows.
create or replace function stepgate.history_tables() returns table (relation text, key text) language sql immutable as $$
  values ('run_events', 'run_uid'), ('step_attempts', 'run_uid'), ('cost_ledger', 'run_uid'), ('evaluations', 'run_uid'),
         ('records', 'window_uid'), ('artifacts', 'run_uid'), ('blobs', 'blob_id'), ('record_batches', 'batch_id')
$$;

create or replace function stepgate.retention_days(p_settings jsonb) returns interval language sql immutable as $$
  select make_interval(days => coalesce((p_settings ->> 'retention_days')::integer, 365))
$$;

-- One who maintains at a time; held until the transaction ends ("SG" and 3).
create or replace function stepgate.may_maintain() returns boolean language sql as $$
  select pg_try_advisory_xact_lock(21319, 3)
$$;

-- Windows, and what lies before, between and behind them, whose name is null: rows of it are in the partitions `_rest`.
create or replace function stepgate.history_ranges()
returns table (name text, first_uid uuid, end_uid uuid, ends_at timestamptz, is_dropping boolean) language sql stable as $$
  with windows as (
    select w.*, coalesce(lag(w.end_uid) over (order by w.first_uid), '00000000-0000-0000-0000-000000000000') as before_uid
      from stepgate.history_windows w)
  select w.name, w.first_uid, w.end_uid, w.ends_at, w.is_dropping from windows w
  union all
  select null, w.before_uid, w.first_uid, null, false from windows w where w.before_uid < w.first_uid
  union all
  select null, coalesce((select w.end_uid from windows w order by w.end_uid desc limit 1), '00000000-0000-0000-0000-000000000000'),
         'ffffffff-ffff-ffff-ffff-ffffffffffff', null, false
$$;

-- Ranges in which something may be due, oldest first; null while another maintains.
create or replace function stepgate.due_ranges(p_now timestamptz)
returns table (name text, first_uid uuid, end_uid uuid, ends_at timestamptz, is_dropping boolean) language sql stable as $$
  select r.* from stepgate.history_ranges() r
   where r.is_dropping or r.ends_at is null
      or r.ends_at + (select min(stepgate.retention_days(n.settings)) from stepgate.tenants n) <= p_now
   order by r.first_uid
$$;

-- ── windows made ahead ───────────────────────────────────────────────────────────────────────────────────────────────

-- Plans windows of so many days until one ends at p_until or later; returns how many.
create or replace function stepgate.plan_windows(p_until timestamptz, p_days integer) returns integer language plpgsql as $$
declare
  v_from timestamptz;
  v_count integer := 0;
begin
  if not stepgate.may_maintain() then
    return 0;
  end if;
  loop
    v_from := coalesce((select max(w.ends_at) from stepgate.history_windows w), date_trunc('day', p_until));
    exit when v_from >= p_until;
    insert into stepgate.history_windows (name, first_uid, end_uid, ends_at)
    values (to_char(v_from at time zone 'UTC', 'YYYYMMDD'), stepgate.uid_at(v_from),
            stepgate.uid_at(v_from + make_interval(days => p_days)), v_from + make_interval(days => p_days));
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;

-- The smallest UUIDv7 of a moment.
create or replace function stepgate.uid_at(p_at timestamptz) returns uuid language sql stable as $$
  select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Partitions that a window has not got yet.
create or replace function stepgate.missing_partitions() returns table (relation text, name text) language sql stable as $$
  select t.relation, w.name from stepgate.history_windows w cross join stepgate.history_tables() t
   where not w.is_dropping and to_regclass(format('stepgate.%I', t.relation || '_' || w.name)) is null
   order by w.first_uid, t.relation
$$;

-- Makes one partition, with what is in `_rest` of it already. Attaching lets the table be read and written meanwhile; only
-- `_rest` is locked, which nearly nobody needs. False while another maintains.
create or replace function stepgate.make_partition(p_relation text, p_name text) returns boolean language plpgsql
set lock_timeout = '500ms' as $$
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
  execute format('lock table stepgate.%I in access exclusive mode', p_relation || '_rest');
  execute format('with early as (delete from stepgate.%I where %I >= %L and %I < %L returning *) insert into stepgate.%I select * from early',
                 p_relation || '_rest', v_key, w.first_uid, v_key, w.end_uid, v_part);
  execute format('alter table stepgate.%I attach partition stepgate.%I for values from (%L) to (%L)',
                 p_relation, v_part, w.first_uid, w.end_uid);
  if p_relation <> 'record_batches' then
    perform stepgate.fence_table(format('stepgate.%I', v_part)::regclass);
  end if;
  return true;
end $$;

-- ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Runs of a range that may go. Whatever else must keep a run is one more condition here.
create or replace function stepgate.expired_runs(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz)
returns table (tenant_uid uuid, run_uid uuid, ended_at timestamptz) language sql stable as $$
  select r.tenant_uid, r.run_uid, r.ended_at
    from stepgate.tenants n
    join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid >= p_first and r.run_uid < p_end
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
   where (p_ends_at is null or p_ends_at + stepgate.retention_days(n.settings) <= p_now)
     and h.status in ('succeeded', 'failed', 'cancelled')
     and r.ended_at + greatest(stepgate.retention_days(n.settings), make_interval(days => r.retain_days)) <= p_now
     and exists (select 1 from stepgate.records k where k.tenant_uid = r.tenant_uid and k.run_uid = r.run_uid
                    and k.window_uid = r.run_uid and k.kind = 'seal')
     and not exists (select 1 from stepgate.jobs j where (j.tenant_uid, j.run_uid) = (r.tenant_uid, r.run_uid))
     and not exists (select 1 from stepgate.sinks q join stepgate.deliveries d on (d.tenant_uid, d.sink) = (q.tenant_uid, q.name)
                      where q.tenant_uid = r.tenant_uid and d.run_uid = r.run_uid)
     and not exists (select 1 from stepgate.approvals a where (a.tenant_uid, a.run_uid) = (r.tenant_uid, r.run_uid) and a.state = 'open')
     and not exists (select 1 from stepgate.run_forks f where f.tenant_uid = r.tenant_uid and f.origin_run = r.run_uid)
     and not exists (select 1 from stepgate.run_forks f where f.tenant_uid = r.tenant_uid and f.root_run = r.run_uid)
$$;

-- Decisions outside a run that may go.
create or replace function stepgate.expired_decisions(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz)
returns table (tenant_uid uuid, record_id text, window_uid uuid) language sql stable as $$
  select k.tenant_uid, k.record_id, k.window_uid
    from stepgate.tenants n
    join stepgate.records k on k.tenant_uid = n.tenant_uid and k.run_uid is null
     and k.created_at <= p_now - stepgate.retention_days(n.settings)
   where (p_ends_at is null or p_ends_at + stepgate.retention_days(n.settings) <= p_now)
     and k.window_uid >= p_first and k.window_uid < p_end
$$;

-- Marks a window as dropping if anything in it may go and what must stay is at most p_max_kept events and decisions.
-- Result: nothing (to be done) · dropping · by_run (too much must stay) · busy.
create or replace function stepgate.judge_window(p_name text, p_now timestamptz, p_max_kept bigint) returns text language plpgsql as $$
declare
  w stepgate.history_windows;
  v_kept bigint;
begin
  if not stepgate.may_maintain() then
    return 'busy';
  end if;
  select * into strict w from stepgate.history_windows where name = p_name;
  if w.is_dropping then
    return 'dropping';
  end if;
  -- an empty window goes once nobody's runs of that time could be kept any more
  if not exists (select 1 from stepgate.expired_runs(w.first_uid, w.end_uid, w.ends_at, p_now))
     and not exists (select 1 from stepgate.expired_decisions(w.first_uid, w.end_uid, w.ends_at, p_now))
     and w.ends_at + (select max(stepgate.retention_days(n.settings)) from stepgate.tenants n) > p_now then
    return 'nothing';
  end if;
  select coalesce(sum(k.events), 0) into v_kept from (
    (select coalesce(h.head_seq, p_max_kept) + 1 as events
       from stepgate.tenants n
       join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid >= w.first_uid and r.run_uid < w.end_uid
       left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
      where not exists (select 1 from stepgate.expired_runs(w.first_uid, w.end_uid, w.ends_at, p_now) e
                         where (e.tenant_uid, e.run_uid) = (r.tenant_uid, r.run_uid))
      limit p_max_kept + 1)
    union all
    (select 1 from stepgate.tenants n
       join stepgate.records k on k.tenant_uid = n.tenant_uid and k.run_uid is null
        and k.created_at > p_now - stepgate.retention_days(n.settings) and k.window_uid >= w.first_uid and k.window_uid < w.end_uid
      limit p_max_kept + 1)) k;
  if v_kept > p_max_kept then
    return 'by_run';
  end if;
  update stepgate.history_windows set is_dropping = true where name = p_name;
  return 'dropping';
end $$;

-- ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Deletes up to p_limit expired runs of a range and all that hangs on them; their history too, unless it goes with its window.
-- Returns how many, -1 while another maintains.
create or replace function stepgate.retire_runs(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz, p_limit integer,
  p_has_history boolean) returns integer language plpgsql as $$
declare
  v_tenants uuid[];
  v_runs uuid[];
  t record;
begin
  if not stepgate.may_maintain() then
    return -1;
  end if;
  -- whoever forks a run holds its row: it is left for the next time
  select array_agg(x.tenant_uid), array_agg(x.run_uid) into v_tenants, v_runs from (
    select r.tenant_uid, r.run_uid
      from (select e.* from stepgate.expired_runs(p_first, p_end, p_ends_at, p_now) e limit p_limit) e
      join stepgate.runs r on (r.tenant_uid, r.run_uid) = (e.tenant_uid, e.run_uid)
       for update of r skip locked) x;
  if v_runs is null then
    return 0;
  end if;
  perform stepgate.delete_history(v_tenants, v_runs, case when p_has_history then '00000000-0000-0000-0000-000000000000' else p_end end);
  perform stepgate.lock_audits(v_tenants);
  for t in
    select r.tenant_uid, count(*) as runs, max(r.ended_at) as last_ended_at, min(r.submitted_at) as first_at, max(r.submitted_at) as last_at
      from unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)
      join stepgate.runs r on r.tenant_uid = i.tenant_uid and r.run_uid = i.run_uid
     group by r.tenant_uid order by r.tenant_uid
  loop
    perform stepgate.append_audit(t.tenant_uid, 'retention', 'run.retire', format(
      '{"first_submitted_at_ms":%s,"last_submitted_at_ms":%s,"runs":%s}', stepgate.epoch_ms(t.first_at), stepgate.epoch_ms(t.last_at), t.runs));
    insert into stepgate.retired_history as h (tenant_uid, runs, last_ended_at) values (t.tenant_uid, t.runs, t.last_ended_at)
    on conflict (tenant_uid) do update set runs = h.runs + excluded.runs, retired_at = now(),
      last_ended_at = greatest(h.last_ended_at, excluded.last_ended_at);
  end loop;
  -- what a sink never took is not kept for it any longer than the run
  delete from stepgate.dead_letters l using unnest(v_tenants, v_runs) as i (tenant_uid, run_uid), stepgate.sinks q
   where q.tenant_uid = i.tenant_uid and l.tenant_uid = i.tenant_uid and l.sink = q.name and l.run_uid = i.run_uid;
  delete from stepgate.runs r using unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)
   where r.tenant_uid = i.tenant_uid and r.run_uid = i.run_uid;
  return cardinality(v_runs);
end $$;

-- Deletes history of runs, row by row, of the windows from p_from on: all of it, or what a run wrote after its own window
-- had ended. Batches hold digests of several runs' records: one of `_rest` goes with its last record.
create or replace function stepgate.delete_history(p_tenants uuid[], p_runs uuid[], p_from uuid) returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_batches uuid[];
begin
  delete from stepgate.blobs b using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid and b.blob_id >= p_from;
  if p_from <> '00000000-0000-0000-0000-000000000000' then
    return;
  end if;
  delete from stepgate.run_events e using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where e.tenant_uid = i.tenant_uid and e.run_uid = i.run_uid;
  delete from stepgate.step_attempts e using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where e.tenant_uid = i.tenant_uid and e.run_uid = i.run_uid;
  delete from stepgate.cost_ledger e using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where e.tenant_uid = i.tenant_uid and e.run_uid = i.run_uid;
  delete from stepgate.evaluations e using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where e.tenant_uid = i.tenant_uid and e.run_uid = i.run_uid;
  with gone as (
    delete from stepgate.records k using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
     where k.tenant_uid = i.tenant_uid and k.run_uid = i.run_uid and k.window_uid = i.run_uid returning k.batch_id),
  unread as (
    delete from stepgate.artifacts a using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
     where a.tenant_uid = i.tenant_uid and a.run_uid = i.run_uid returning a.batch_id)
  select array_agg(distinct g.batch_id) into v_batches from (select * from gone union all select * from unread) g;
  perform stepgate.delete_batches(v_batches);
end $$;

create or replace function stepgate.delete_batches(p_batches uuid[]) returns void language plpgsql as $$
begin
  delete from stepgate.record_batches_rest b
   where b.batch_id = any (p_batches)
     and not exists (select 1 from stepgate.records_rest k where k.batch_id = b.batch_id)
     and not exists (select 1 from stepgate.artifacts_rest a where a.batch_id = b.batch_id);
end $$;

-- Deletes up to p_limit expired decisions outside a run; returns how many, -1 while another maintains.
create or replace function stepgate.retire_decisions(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz, p_limit integer)
returns integer language plpgsql as $$
declare
  v_batches uuid[];
  v_count integer;
begin
  if not stepgate.may_maintain() then
    return -1;
  end if;
  with expired as (select e.* from stepgate.expired_decisions(p_first, p_end, p_ends_at, p_now) e limit p_limit),
  gone as (
    delete from stepgate.records k using expired e
     where k.tenant_uid = e.tenant_uid and k.record_id = e.record_id and k.window_uid = e.window_uid returning k.batch_id)
  select array_agg(distinct g.batch_id), count(*) into v_batches, v_count from gone g;
  perform stepgate.delete_batches(v_batches);
  return v_count;
end $$;

-- Deletes up to p_limit each of what is kept for answers and look-ups only: sealed answers to idempotency keys, manifests
-- that no run has any more. Returns how many, -1 while another maintains.
create or replace function stepgate.retire_leftovers(p_now timestamptz, p_limit integer) returns integer language plpgsql as $$
declare
  v_answers integer;
  v_manifests integer;
begin
  if not stepgate.may_maintain() then
    return -1;
  end if;
  -- a tenant that is not there has the instance's answers
  delete from stepgate.idempotency i using (
    select k.tenant_uid, k.idempotency_key from stepgate.idempotency k left join stepgate.tenants n on n.tenant_uid = k.tenant_uid
     where k.claimed_at + stepgate.retention_days(coalesce(n.settings, '{}')) <= p_now limit p_limit) x
   where i.tenant_uid = x.tenant_uid and i.idempotency_key = x.idempotency_key;
  get diagnostics v_answers = row_count;
  delete from stepgate.manifests m using (
    select k.tenant_uid, k.manifest_id from stepgate.tenants n join stepgate.manifests k on k.tenant_uid = n.tenant_uid
     where k.created_at + stepgate.retention_days(n.settings) <= p_now
       and not exists (select 1 from stepgate.runs r where r.tenant_uid = k.tenant_uid and r.manifest_id = k.manifest_id)
     limit p_limit for update of k skip locked) x
   where m.tenant_uid = x.tenant_uid and m.manifest_id = x.manifest_id;
  get diagnostics v_manifests = row_count;
  return v_answers + v_manifests;
end $$;

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

-- Drops one partition of a dropping window; what must stay goes to `_rest` in the same transaction, found by its runs, so that
-- the table is locked for as long as the few take. Batches go last, when no older window has records of theirs. False where
-- there is nothing to drop yet, or while another maintains.
create or replace function stepgate.drop_partition(p_relation text, p_name text, p_now timestamptz) returns boolean language plpgsql
set lock_timeout = '500ms' as $$
declare
  w stepgate.history_windows;
  v_part text := p_relation || '_' || p_name;
  v_batches uuid[];
begin
  if not stepgate.may_maintain() or to_regclass(format('stepgate.%I', v_part)) is null then
    return false;
  end if;
  select * into strict w from stepgate.history_windows where name = p_name and is_dropping;
  if p_relation = 'record_batches' then
    if exists (select 1 from stepgate.history_windows o where o.first_uid < w.first_uid)
       or exists (select 1 from stepgate.history_tables() t
                   where t.relation <> p_relation and to_regclass(format('stepgate.%I', t.relation || '_' || p_name)) is not null) then
      return false;
    end if;
    v_batches := stepgate.kept_batches(w);
  end if;
  execute format('lock table stepgate.%I in access exclusive mode', p_relation);
  execute format('alter table stepgate.%I detach partition stepgate.%I', p_relation, v_part);
  perform stepgate.move_kept(w, p_relation, v_part, v_batches, p_now);
  execute format('drop table stepgate.%I', v_part);
  return true;
end $$;

create or replace function stepgate.move_kept(w stepgate.history_windows, p_relation text, p_part text, p_batches uuid[], p_now timestamptz)
returns void language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  -- a run that had ended a day before the window began has nothing in it
  v_from timestamptz := to_timestamp(('x' || left(replace(w.first_uid::text, '-', ''), 12))::bit(48)::bigint / 1000.0) - interval '1 day';
begin
  case p_relation
    when 'record_batches' then
      execute format('insert into stepgate.record_batches select p.* from stepgate.%I p where p.batch_id = any ($1)', p_part)
        using p_batches;
    when 'blobs' then
      execute format('insert into stepgate.blobs select p.* from stepgate.tenants n
          join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid < $1 and (r.ended_at is null or r.ended_at >= $2)
          join stepgate.%I p on p.tenant_uid = r.tenant_uid and p.run_uid = r.run_uid', p_part)
        using stepgate.uid_at(w.ends_at + interval '1 day'), v_from;
    else
      execute format('insert into stepgate.%I select p.* from stepgate.tenants n
          join stepgate.runs r on r.tenant_uid = n.tenant_uid and r.run_uid >= $1 and r.run_uid < $2
          join stepgate.%I p on p.tenant_uid = r.tenant_uid and p.run_uid = r.run_uid', p_relation, p_part)
        using w.first_uid, w.end_uid;
  end case;
  if p_relation = 'records' then
    execute format('insert into stepgate.records select p.* from stepgate.tenants n
        join stepgate.%I p on p.tenant_uid = n.tenant_uid and p.run_uid is null
         and p.created_at > $1 - stepgate.retention_days(n.settings)', p_part) using p_now;
  end if;
end $$;

-- Forgets a dropping window of which no partition is left.
create or replace function stepgate.forget_window(p_name text) returns boolean language plpgsql as $$
begin
  delete from stepgate.history_windows w where w.name = p_name and w.is_dropping and not exists
    (select 1 from stepgate.history_tables() t where to_regclass(format('stepgate.%I', t.relation || '_' || p_name)) is not null);
  return found;
end $$;

-- ── what people see ──────────────────────────────────────────────────────────────────────────────────────────────────

-- A tenant's runs by window: how many, how many would go at that moment (null: now), why others stay, and when the first and
-- the last would go.
create or replace function stepgate.show_retention(p_tenant uuid, p_at_ms bigint)
returns table (name text, ends_at_ms bigint, runs integer, expired integer, unfinished integer, linked integer, unsealed integer,
  undelivered integer, retained integer, first_due_at_ms bigint, last_due_at_ms bigint) language sql stable as $$
  select g.name, stepgate.epoch_ms(g.ends_at), count(*)::integer, count(*) filter (where x.is_sealed and not x.is_linked and not x.is_undelivered and x.due_at <= m.at)::integer,
         count(*) filter (where not x.is_ended)::integer, count(*) filter (where x.is_ended and x.is_linked)::integer,
         count(*) filter (where x.is_ended and not x.is_linked and not x.is_sealed)::integer,
         count(*) filter (where x.is_sealed and not x.is_linked and x.is_undelivered)::integer,
         count(*) filter (where x.is_sealed and not x.is_linked and x.due_at > m.at and x.is_retained)::integer,
         stepgate.epoch_ms(min(x.due_at) filter (where x.is_ended)), stepgate.epoch_ms(max(x.due_at) filter (where x.is_ended))
    from stepgate.runs r
    join stepgate.tenants n on n.tenant_uid = r.tenant_uid
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
    join stepgate.history_ranges() g on r.run_uid >= g.first_uid and r.run_uid < g.end_uid
    cross join (select coalesce(timestamptz 'epoch' + p_at_ms * interval '1 millisecond', now()) as at) m
    cross join lateral (
      select h.status in ('succeeded', 'failed', 'cancelled') as is_ended,
             make_interval(days => r.retain_days) > stepgate.retention_days(n.settings) as is_retained,
             exists (select 1 from stepgate.run_forks f where f.tenant_uid = p_tenant and r.run_uid = f.origin_run)
               or exists (select 1 from stepgate.run_forks f where f.tenant_uid = p_tenant and r.run_uid = f.root_run) as is_linked,
             exists (select 1 from stepgate.records k where k.tenant_uid = p_tenant and k.run_uid = r.run_uid
                        and k.window_uid = r.run_uid and k.kind = 'seal') as is_sealed,
             exists (select 1 from stepgate.sinks q join stepgate.deliveries d on (d.tenant_uid, d.sink) = (q.tenant_uid, q.name)
                      where q.tenant_uid = p_tenant and d.run_uid = r.run_uid) as is_undelivered,
             greatest(r.ended_at + greatest(stepgate.retention_days(n.settings), make_interval(days => r.retain_days)),
                      g.ends_at + stepgate.retention_days(n.settings)) as due_at) x
   where r.tenant_uid = p_tenant
   group by g.name, g.ends_at, g.first_uid order by g.first_uid
$$;

-- Lengthens how long runs are kept, as obligations of packs ask; never shortens it.
create or replace function stepgate.retain_runs(p_tenants uuid[], p_runs uuid[], p_days integer[]) returns void language sql as $$
  update stepgate.runs r set retain_days = x.days
    from (select i.tenant_uid, i.run_uid, max(i.days) as days
            from unnest(p_tenants, p_runs, p_days) as i (tenant_uid, run_uid, days) group by 1, 2) x
   where r.tenant_uid = x.tenant_uid and r.run_uid = x.run_uid and r.retain_days < x.days
$$;
