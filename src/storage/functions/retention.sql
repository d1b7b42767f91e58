-- Retention: what a tenant no longer keeps is dropped with its window of history, or, where the window must stay, deleted by
-- run. Run by the owner of the schema: neither the gateway's nor the worker's role may delete evidence.
-- A run goes once its window is over and it has ended, both for the tenant's retention_days (the run's own end also for what a
-- pack's obligation asks), it is sealed, each sink has its events, no approval is open and no run was forked from it. A window
-- that holds little that must stay is dropped, and the little moved to the partitions `_rest` (windows.sql); in one that holds
-- much the rest is deleted by run.
-- The row in runs is the truth: history without it is nobody's. It is deleted first, so that a kill in between leaves a
-- window that is marked as dropping, and is dropped by whoever comes next.

create or replace function stepgate.retention_days(p_settings jsonb) returns interval language sql immutable as $$
  select make_interval(days => coalesce((p_settings ->> 'retention_days')::integer, 365))
$$;

create or replace function stepgate.decision_input_days(p_settings jsonb) returns interval language sql immutable as $$
  select make_interval(days => coalesce((p_settings ->> 'decision_input_days')::integer, 30))
$$;

-- ── what is due ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

-- ── what goes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Each retire_… removes up to p_limit and says whether that was all; false too where others hold what is left, or maintain.

-- Deletes expired runs of a range and all that hangs on them; their history too, unless it goes with its window.
create or replace function stepgate.retire_runs(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz, p_limit integer,
  p_has_history boolean, out removed integer, out is_done boolean) language plpgsql as $$
declare
  v_found integer;
  v_tenants uuid[];
  v_runs uuid[];
  v_audited uuid[];
  v_submitted timestamptz[];
begin
  removed := 0;
  is_done := false;
  if not stepgate.may_maintain() then
    return;
  end if;
  -- whoever forks a run holds its row: it is left for the next time
  with expired as materialized (
    select e.tenant_uid, e.run_uid from stepgate.expired_runs(p_first, p_end, p_ends_at, p_now) e limit p_limit),
  held as (
    select r.tenant_uid, r.run_uid from expired e join stepgate.runs r on (r.tenant_uid, r.run_uid) = (e.tenant_uid, e.run_uid)
       for update of r skip locked)
  select (select count(*) from expired), array_agg(h.tenant_uid), array_agg(h.run_uid) into v_found, v_tenants, v_runs from held h;
  removed := coalesce(cardinality(v_runs), 0);
  is_done := v_found < p_limit and removed = v_found;
  if removed = 0 then
    return;
  end if;
  if p_has_history then
    perform stepgate.delete_history(v_tenants, v_runs, null, null);
  else
    perform stepgate.delete_history(v_tenants, v_runs, p_first, p_end);
  end if;
  -- what a sink never took is not kept for it any longer than the run
  delete from stepgate.dead_letters l using unnest(v_tenants, v_runs) as i (tenant_uid, run_uid), stepgate.sinks q
   where q.tenant_uid = i.tenant_uid and l.tenant_uid = i.tenant_uid and l.sink = q.name and l.run_uid = i.run_uid;
  with gone as (
    delete from stepgate.runs r using unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)
     where r.tenant_uid = i.tenant_uid and r.run_uid = i.run_uid
    returning r.tenant_uid, r.ended_at, r.submitted_at),
  counted as (
    insert into stepgate.retired_history as h (tenant_uid, runs, last_ended_at)
    select g.tenant_uid, count(*), max(g.ended_at) from gone g group by g.tenant_uid
    on conflict (tenant_uid) do update set runs = h.runs + excluded.runs, retired_at = now(),
      last_ended_at = greatest(h.last_ended_at, excluded.last_ended_at))
  select array_agg(g.tenant_uid), array_agg(g.submitted_at) into v_audited, v_submitted from gone g;
  perform stepgate.audit_runs('run.retire', v_audited, v_submitted);
end $$;

-- Writes into each tenant's audit how many runs retention acted on, and from when. Called last: whoever acts for the tenant
-- waits for the head of its chain.
create or replace function stepgate.audit_runs(p_action text, p_tenants uuid[], p_submitted timestamptz[]) returns void language sql as $$
  select stepgate.append_audits(array_agg(o.tenant_uid), array_agg('retention'::text), array_agg(p_action), array_agg(o.resource))
    from (select i.tenant_uid, format('{"first_submitted_at_ms":%s,"last_submitted_at_ms":%s,"runs":%s}',
                   stepgate.epoch_ms(min(i.submitted_at)), stepgate.epoch_ms(max(i.submitted_at)), count(*)) as resource
            from unnest(p_tenants, p_submitted) as i (tenant_uid, submitted_at) group by i.tenant_uid) o
$$;

-- Deletes history of runs, row by row: all of it or, of a window from p_first to p_end that is being dropped, what is not in
-- it, which is in the partitions `_rest`, and sealed payloads of before and after.
create or replace function stepgate.delete_history(p_tenants uuid[], p_runs uuid[], p_first uuid, p_end uuid) returns void language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  t record;
begin
  for t in
    select h.relation, h.key from stepgate.history_tables() h where h.relation not in ('blobs', 'record_batches')
  loop
    execute format('delete from stepgate.%I x using unnest($1, $2) as i (tenant_uid, run_uid)
                     where x.tenant_uid = i.tenant_uid and x.run_uid = i.run_uid and x.%I = i.run_uid',
      t.relation || case when p_first is null then '' else '_rest' end, t.key) using p_tenants, p_runs;
  end loop;
  if p_first is null then
    delete from stepgate.blobs b using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
     where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid;
    return;
  end if;
  delete from stepgate.blobs b using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid and b.blob_id < p_first;
  delete from stepgate.blobs b using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid and b.blob_id >= p_end;
  -- rows of the window's own time are in `_rest` where its partition is gone already
  delete from stepgate.blobs_rest b using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
   where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid;
end $$;

-- Erases what packs were shown in runs that ended so long ago, or longer as an obligation asks, and that nobody goes on from:
-- the sealed payload and its key. Everything else of the run stays, and its records verify: they hold commitments.
create or replace function stepgate.erase_inputs(p_now timestamptz, p_limit integer, out removed integer, out is_done boolean)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_found integer;
  v_tenants uuid[];
  v_runs uuid[];
  v_audited uuid[];
  v_submitted timestamptz[];
begin
  removed := 0;
  is_done := false;
  if not stepgate.may_maintain() then
    return;
  end if;
  with due as materialized (
    select r.tenant_uid, r.run_uid
      from stepgate.tenants n
      join stepgate.runs r on r.tenant_uid = n.tenant_uid and not r.are_inputs_erased
       and r.submitted_at <= p_now - stepgate.decision_input_days(n.settings)
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
     where h.status in ('succeeded', 'failed', 'cancelled')
       and r.ended_at + greatest(stepgate.decision_input_days(n.settings), make_interval(days => r.retain_days)) <= p_now
       and not exists (select 1 from stepgate.run_forks f where f.tenant_uid = r.tenant_uid and f.origin_run = r.run_uid)
       and not exists (select 1 from stepgate.run_forks f where f.tenant_uid = r.tenant_uid and f.root_run = r.run_uid)
     limit p_limit),
  held as (
    select r.tenant_uid, r.run_uid from due d join stepgate.runs r on (r.tenant_uid, r.run_uid) = (d.tenant_uid, d.run_uid)
       for update of r skip locked)
  select (select count(*) from due), array_agg(h.tenant_uid), array_agg(h.run_uid) into v_found, v_tenants, v_runs from held h;
  removed := coalesce(cardinality(v_runs), 0);
  is_done := v_found < p_limit and removed = v_found;
  if removed = 0 then
    return;
  end if;
  delete from stepgate.blobs b using unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)
   where b.tenant_uid = i.tenant_uid and b.run_uid = i.run_uid and b.field = 'pack_input';
  with erased as (
    update stepgate.runs r set are_inputs_erased = true from unnest(v_tenants, v_runs) as i (tenant_uid, run_uid)
     where r.tenant_uid = i.tenant_uid and r.run_uid = i.run_uid returning r.tenant_uid, r.submitted_at)
  select array_agg(e.tenant_uid), array_agg(e.submitted_at) into v_audited, v_submitted from erased e;
  perform stepgate.audit_runs('run.erase_inputs', v_audited, v_submitted);
end $$;

-- Deletes rows of a stuck window that runs left to go with it.
create or replace function stepgate.retire_orphans(p_name text, p_limit integer, out removed integer, out is_done boolean)
language plpgsql as $$
declare
  v_part text;
  v_count integer;
begin
  removed := 0;
  is_done := false;
  if not stepgate.may_maintain() then
    return;
  end if;
  is_done := true;
  for v_part in
    select h.relation || '_' || p_name from stepgate.history_tables() h
     where h.relation <> 'record_batches' and to_regclass(format('stepgate.%I', h.relation || '_' || p_name)) is not null
  loop
    execute format('delete from stepgate.%I x using (
        select p.ctid from stepgate.%1$I p
         where p.run_uid is not null
           and not exists (select 1 from stepgate.runs r where r.tenant_uid = p.tenant_uid and r.run_uid = p.run_uid)
         limit $1) o where x.ctid = o.ctid', v_part) using p_limit;
    get diagnostics v_count = row_count;
    removed := removed + v_count;
    is_done := is_done and v_count < p_limit;
  end loop;
end $$;

-- Deletes expired decisions outside a run.
create or replace function stepgate.retire_decisions(p_first uuid, p_end uuid, p_ends_at timestamptz, p_now timestamptz, p_limit integer,
  out removed integer, out is_done boolean) language plpgsql as $$
begin
  removed := 0;
  is_done := false;
  if not stepgate.may_maintain() then
    return;
  end if;
  delete from stepgate.records k
   using (select e.* from stepgate.expired_decisions(p_first, p_end, p_ends_at, p_now) e limit p_limit) e
   where k.tenant_uid = e.tenant_uid and k.record_id = e.record_id and k.window_uid = e.window_uid;
  get diagnostics removed = row_count;
  is_done := removed < p_limit;
end $$;

-- Deletes, of each kind, what is kept for others only: sealed answers to idempotency keys, manifests that no run has any more,
-- and batches of `_rest` that hold the digest of nothing that is left. A batch is older than every window by a day before it
-- goes: until then a run of the oldest window, whose maker's clock ran ahead of the signer's, may name it.
create or replace function stepgate.retire_leftovers(p_now timestamptz, p_limit integer, out removed integer, out is_done boolean)
language plpgsql as $$
declare
  v_before uuid := (select stepgate.uid_at(greatest(stepgate.time_of(w.first_uid) - interval '1 day', 'epoch'))
                      from stepgate.history_windows w order by w.first_uid limit 1);
  v_manifests integer;
  v_batches integer;
begin
  removed := 0;
  is_done := false;
  if not stepgate.may_maintain() then
    return;
  end if;
  -- a tenant that is not there has the instance's answers
  delete from stepgate.idempotency i using (
    select k.tenant_uid, k.idempotency_key from stepgate.idempotency k left join stepgate.tenants n on n.tenant_uid = k.tenant_uid
     where k.claimed_at + stepgate.retention_days(coalesce(n.settings, '{}')) <= p_now limit p_limit) x
   where i.tenant_uid = x.tenant_uid and i.idempotency_key = x.idempotency_key;
  get diagnostics removed = row_count;
  delete from stepgate.manifests m using (
    select k.tenant_uid, k.manifest_id from stepgate.tenants n join stepgate.manifests k on k.tenant_uid = n.tenant_uid
     where k.created_at + stepgate.retention_days(n.settings) <= p_now
       and not exists (select 1 from stepgate.runs r where r.tenant_uid = k.tenant_uid and r.manifest_id = k.manifest_id)
     limit p_limit for update of k skip locked) x
   where m.tenant_uid = x.tenant_uid and m.manifest_id = x.manifest_id;
  get diagnostics v_manifests = row_count;
  delete from stepgate.record_batches_rest b using (
    select g.batch_id from stepgate.record_batches_rest g
     where g.batch_id < v_before
       and not exists (select 1 from stepgate.records_rest k where k.batch_id = g.batch_id)
       and not exists (select 1 from stepgate.artifacts_rest a where a.batch_id = g.batch_id)
     limit p_limit) x
   where b.batch_id = x.batch_id;
  get diagnostics v_batches = row_count;
  is_done := greatest(removed, v_manifests, v_batches) < p_limit;
  removed := removed + v_manifests + v_batches;
end $$;

-- ── what people see ───────────────────────────────────────────────────────────────────────────────────────────────────

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
