-- Who delivers which run's events to which sink, and how far they are. Time is the database's; every write after a claim
-- carries the lease epoch, so a worker whose lease was taken over changes nothing.

-- Looks at up to p_scan runs of each sink given, beyond the run p_after, for those with events that may be sent now. walked_to is the last
-- run it looked at; null at the end of the sink's runs, from where the next look begins anew.
create or replace function stepgate.find_deliveries(p_tenants uuid[], p_sinks text[], p_after uuid[], p_scan integer)
returns table (walked_to uuid, due uuid[]) language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  select case when x.scanned = p_scan then x.last end, coalesce(x.due, '{}')
    from unnest(p_tenants, p_sinks, p_after) with ordinality as w (tenant_uid, sink, after, ord),
         lateral (
           select count(*) as scanned, (array_agg(d.run_uid order by d.run_uid desc))[1] as last,
                  array_agg(d.run_uid order by d.run_uid) filter (where h.head_seq > d.done_seq and d.not_before <= now()
                    and (d.lease_until is null or d.lease_until < now())) as due
             from (select * from stepgate.deliveries n
                    where n.tenant_uid = w.tenant_uid and n.sink = w.sink and n.run_uid > w.after order by n.run_uid limit p_scan) d
             left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (d.tenant_uid, d.run_uid)) x
   order by w.ord
$$;

-- Leases those of the given runs that have events to be sent now and that nobody else holds.
create or replace function stepgate.claim_deliveries(p_tenants uuid[], p_sinks text[], p_runs uuid[], p_lease_ms integer)
returns table (tenant_uid uuid, sink text, run_uid uuid, done_seq bigint, attempts integer, lease_epoch bigint) language sql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  with due as (
    select d.tenant_uid, d.sink, d.run_uid from unnest(p_tenants, p_sinks, p_runs) as w (tenant_uid, sink, run_uid)
      join stepgate.deliveries d on (d.tenant_uid, d.sink, d.run_uid) = (w.tenant_uid, w.sink, w.run_uid)
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (d.tenant_uid, d.run_uid)
     where h.head_seq > d.done_seq and d.not_before <= now() and (d.lease_until is null or d.lease_until < now())
     order by d.tenant_uid, d.sink, d.run_uid for update of d skip locked)
  update stepgate.deliveries d
     set lease_epoch = nextval('stepgate.lease_epochs'), lease_until = now() + p_lease_ms * interval '1 millisecond'
    from due where (d.tenant_uid, d.sink, d.run_uid) = (due.tenant_uid, due.sink, due.run_uid)
  returning d.tenant_uid, d.sink, d.run_uid, d.done_seq, d.attempts, d.lease_epoch
$$;

-- Writes how far leased deliveries have come, in the order of the columns; the result says which leases still stood. A fault with
-- p_dead_seqs makes a dead letter of that event. p_delays: when to try again; p_releases: gives the lease back, and ends
-- the delivery where the run has ended and nothing is left.
create or replace function stepgate.move_deliveries(p_tenants uuid[], p_sinks text[], p_runs uuid[], p_epochs bigint[], p_done bigint[],
  p_attempts integer[], p_faults text[], p_delays bigint[], p_releases boolean[], p_dead_seqs bigint[], p_dead_types text[],
  p_dead_bodies text[], p_dead_attempts integer[], p_lease_ms integer) returns boolean[] language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_held boolean[];
begin
  perform 1 from unnest(p_tenants, p_sinks, p_runs) as i (tenant_uid, sink, run_uid)
    join stepgate.deliveries d on (d.tenant_uid, d.sink, d.run_uid) = (i.tenant_uid, i.sink, i.run_uid)
   order by d.tenant_uid, d.sink, d.run_uid for update of d;
  v_held := array(
    select coalesce(d.lease_epoch = i.epoch, false)
      from unnest(p_tenants, p_sinks, p_runs, p_epochs) with ordinality as i (tenant_uid, sink, run_uid, epoch, ord)
      left join stepgate.deliveries d on (d.tenant_uid, d.sink, d.run_uid) = (i.tenant_uid, i.sink, i.run_uid) order by i.ord);
  insert into stepgate.dead_letters (tenant_uid, sink, run_uid, seq, event_type, body, attempts, fault)
  select i.tenant_uid, i.sink, i.run_uid, i.seq, i.type, i.body, i.attempts, i.fault
    from unnest(p_tenants, p_sinks, p_runs, p_dead_seqs, p_dead_types, p_dead_bodies, p_dead_attempts, p_faults, v_held)
      as i (tenant_uid, sink, run_uid, seq, type, body, attempts, fault, is_held)
   where i.is_held and i.seq is not null;
  update stepgate.deliveries d
     set done_seq = i.done, attempts = i.attempts, last_fault = i.fault,
         not_before = case when i.delay is null then d.not_before else now() + i.delay * interval '1 millisecond' end,
         lease_epoch = case when not i.is_released then d.lease_epoch end,
         lease_until = case when not i.is_released then now() + p_lease_ms * interval '1 millisecond' end
    from unnest(p_tenants, p_sinks, p_runs, p_done, p_attempts, p_faults, p_delays, p_releases, v_held)
      as i (tenant_uid, sink, run_uid, done, attempts, fault, delay, is_released, is_held)
   where (d.tenant_uid, d.sink, d.run_uid) = (i.tenant_uid, i.sink, i.run_uid) and i.is_held;
  delete from stepgate.deliveries d
   using unnest(p_tenants, p_sinks, p_runs, p_releases, v_held) as i (tenant_uid, sink, run_uid, is_released, is_held), stepgate.run_heads h
   where (d.tenant_uid, d.sink, d.run_uid) = (i.tenant_uid, i.sink, i.run_uid) and i.is_held and i.is_released
     and (h.tenant_uid, h.run_uid) = (d.tenant_uid, d.run_uid) and h.head_seq = d.done_seq
     and h.status in ('succeeded', 'failed', 'cancelled');
  return v_held;
end $$;

-- Leases dead letters that somebody wants sent again, up to p_limits of each sink.
create or replace function stepgate.claim_redrives(p_tenants uuid[], p_sinks text[], p_limits integer[], p_lease_ms integer)
returns table (tenant_uid uuid, sink text, run_uid uuid, seq bigint, event_type text, body text, attempts integer, lease_epoch bigint) language sql as $$
  with due as (
    select l.tenant_uid, l.sink, l.run_uid, l.seq from unnest(p_tenants, p_sinks, p_limits) as w (tenant_uid, sink, most),
      lateral (select * from stepgate.dead_letters n
                where n.tenant_uid = w.tenant_uid and n.sink = w.sink and n.redrive_at <= now()
                  and (n.lease_until is null or n.lease_until < now())
                order by n.redrive_at, n.run_uid, n.seq limit w.most for update skip locked) l)
  update stepgate.dead_letters l
     set lease_epoch = nextval('stepgate.lease_epochs'), lease_until = now() + p_lease_ms * interval '1 millisecond'
    from due where (l.tenant_uid, l.sink, l.run_uid, l.seq) = (due.tenant_uid, due.sink, due.run_uid, due.seq)
  returning l.tenant_uid, l.sink, l.run_uid, l.seq, l.event_type, l.body, l.attempts, l.lease_epoch
$$;

-- Ends one try of a dead letter: acknowledged (no fault) it is gone, else it is tried again after p_delay_ms or rests.
create or replace function stepgate.end_redrive(p_tenant uuid, p_sink text, p_run uuid, p_seq bigint, p_epoch bigint, p_fault text,
  p_delay_ms bigint) returns void language plpgsql as $$
begin
  if p_fault is null then
    delete from stepgate.dead_letters
     where (tenant_uid, sink, run_uid, seq) = (p_tenant, p_sink, p_run, p_seq) and lease_epoch = p_epoch;
    return;
  end if;
  update stepgate.dead_letters
     set attempts = attempts + 1, fault = p_fault, redrive_at = now() + p_delay_ms * interval '1 millisecond', lease_epoch = null, lease_until = null
   where (tenant_uid, sink, run_uid, seq) = (p_tenant, p_sink, p_run, p_seq) and lease_epoch = p_epoch;
end $$;

-- Of the advisory lock that submissions of a tenant share and that who makes or removes a sink has alone: of a run and a sink
-- made at the same time, each would miss the other. No limited key's lock (concurrency.sql) begins with a word.
create or replace function stepgate.sinks_key(p_tenant uuid) returns bigint language sql immutable as $$
  select hashtextextended('sinks/' || p_tenant, 0)
$$;

-- Packs name sinks to be told: which there are is part of what a decision rests on.
create or replace function stepgate.change_authority(p_tenant uuid) returns void language sql as $$
  update stepgate.tenants set authority_version = authority_version + 1 where tenant_uid = p_tenant
$$;

-- Makes sink p_name or changes it, audited. A new one gets the events of runs submitted from now on, and of open runs what
-- follows. p_secret is used where there is none yet. Result: whether it is new.
create or replace function stepgate.put_sink(p_tenant uuid, p_name text, p_url text, p_types text[], p_is_paused boolean, p_key_id text,
  p_wrapped bytea, p_sealed bytea, p_actor text) returns boolean language plpgsql as $$
declare
  v_is_new boolean := false;
begin
  -- a change waits for no submission: whoever pauses a sink may be in a hurry
  update stepgate.sinks set url = p_url, event_types = p_types, is_paused = p_is_paused, version = version + 1
   where tenant_uid = p_tenant and name = p_name;
  if not found then
    perform pg_advisory_xact_lock(stepgate.sinks_key(p_tenant));
    insert into stepgate.sinks as s (tenant_uid, name, url, event_types, is_paused, key_id, wrapped_key, sealed)
    values (p_tenant, p_name, p_url, p_types, p_is_paused, p_key_id, p_wrapped, p_sealed)
    on conflict (tenant_uid, name) do update
      set url = excluded.url, event_types = excluded.event_types, is_paused = excluded.is_paused, version = s.version + 1
    returning xmax = 0 into v_is_new;
  end if;
  if v_is_new then
    insert into stepgate.deliveries (tenant_uid, sink, run_uid, done_seq)
    select h.tenant_uid, p_name, h.run_uid, h.head_seq from stepgate.run_heads h
     where h.tenant_uid = p_tenant and h.status not in ('succeeded', 'failed', 'cancelled');
    perform stepgate.change_authority(p_tenant);
  end if;
  perform stepgate.append_audit(p_tenant, p_actor, case when v_is_new then 'sink.create' else 'sink.update' end,
    format('{"name":%s}', to_json(p_name)));
  return v_is_new;
end $$;

-- Drops up to p_limit runs that wait for a sink and as many of its dead letters, audited; leaves what somebody works on at
-- this moment. Result: whether there may be more. Before a removal, so that it holds up submissions only for what is left.
create or replace function stepgate.drop_backlog(p_tenant uuid, p_sink text, p_actor text, p_limit integer) returns boolean
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_runs integer;
  v_letters integer;
begin
  with gone as (select d.run_uid from stepgate.deliveries d where d.tenant_uid = p_tenant and d.sink = p_sink
                 order by d.run_uid limit p_limit for update skip locked)
  delete from stepgate.deliveries d using gone g where (d.tenant_uid, d.sink, d.run_uid) = (p_tenant, p_sink, g.run_uid);
  get diagnostics v_runs = row_count;
  with gone as (select l.run_uid, l.seq from stepgate.dead_letters l where l.tenant_uid = p_tenant and l.sink = p_sink
                 order by l.run_uid, l.seq limit p_limit for update skip locked)
  delete from stepgate.dead_letters l using gone g
   where (l.tenant_uid, l.sink, l.run_uid, l.seq) = (p_tenant, p_sink, g.run_uid, g.seq);
  get diagnostics v_letters = row_count;
  if v_runs + v_letters > 0 then
    perform stepgate.append_audit(p_tenant, p_actor, 'sink.backlog.drop',
      format('{"dead_letters":%s,"name":%s,"runs":%s}', v_letters, to_json(p_sink), v_runs));
  end if;
  return greatest(v_runs, v_letters) = p_limit;
end $$;

-- Removes a sink with what is left of its backlog, audited; false where there is none of this name.
create or replace function stepgate.remove_sink(p_tenant uuid, p_name text, p_actor text) returns boolean language plpgsql as $$
begin
  -- a submission that sees the sink adds a row for it
  perform pg_advisory_xact_lock(stepgate.sinks_key(p_tenant));
  -- in the order of move_deliveries, which locks runs first and for a dead letter asks for the sink
  perform 1 from stepgate.deliveries where tenant_uid = p_tenant and sink = p_name order by run_uid for update;
  delete from stepgate.deliveries where tenant_uid = p_tenant and sink = p_name;
  perform 1 from stepgate.dead_letters where tenant_uid = p_tenant and sink = p_name order by run_uid, seq for update;
  delete from stepgate.dead_letters where tenant_uid = p_tenant and sink = p_name;
  delete from stepgate.sinks where tenant_uid = p_tenant and name = p_name;
  if not found then
    return false;
  end if;
  perform stepgate.change_authority(p_tenant);
  perform stepgate.append_audit(p_tenant, p_actor, 'sink.delete', format('{"name":%s}', to_json(p_name)));
  return true;
end $$;
