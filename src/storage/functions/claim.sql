-- The claim: leases due steps to a worker, tenants by weighted stride, then one index walk inside a tenant's share.

-- Registers a worker, or extends the lease under which it holds all its steps: one narrow row, however many steps.
-- False when the lease has lapsed: everything the worker holds is lost and belongs to the reaper; the worker gets a lease
-- again once nothing of it is left, since its old steps would look alive under the new one.
create or replace function stepgate.extend_lease(p_worker text, p_pid integer, p_host text, p_lease_ms bigint) returns boolean
language plpgsql as $$
begin
  insert into stepgate.workers (worker_id, lease_until, pid, host)
  values (p_worker, clock_timestamp() + p_lease_ms * interval '1 millisecond', p_pid, p_host)
  on conflict (worker_id) do update set lease_until = excluded.lease_until
   where workers.lease_until > clock_timestamp()
      or not exists (select 1 from stepgate.ready_steps r where r.lease_owner = p_worker);
  return found;
end $$;

-- Ends a worker's lease at once: what it had not started goes back to the queue now, what it had is closed as lost by
-- whoever reaps next. Returns how many went back.
create or replace function stepgate.end_lease(p_worker text) returns integer language plpgsql as $$
declare
  v_count integer;
begin
  update stepgate.ready_steps set state = 'queued', lease_owner = null where lease_owner = p_worker and state = 'leased';
  get diagnostics v_count = row_count;
  delete from stepgate.workers where worker_id = p_worker;
  return v_count;
end $$;

-- Stable, as extract is: a function that says more than what it calls is not written into the statement.
create or replace function stepgate.epoch_ms(p_at timestamptz) returns bigint language sql stable parallel safe as $$
  select case when p_at is null or not isfinite(p_at) then null else (extract(epoch from p_at) * 1000)::bigint end
$$;

-- Whether a step waits that must run alone, for a worker of these types to become idle for it.
create or replace function stepgate.is_alone_waiting(p_types text[]) returns boolean language sql stable as $$
  select exists (
    select 1 from stepgate.tenants n
      join stepgate.ready_steps r on r.tenant_uid = n.tenant_uid and r.lease_owner is null and r.is_alone
       and not r.is_later and not r.is_stopped
     where not n.is_paused and r.not_before <= clock_timestamp() and r.type = any (p_types) and r.type <> all (n.paused_types)
       -- a value and not a join, which might begin with every open run
       and (select h.status from stepgate.run_heads h where (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid))
           in ('pending', 'running', 'compensating'))
$$;

-- Whether a step that must run alone is in somebody's hands; one of the whole installation at a time.
create or replace function stepgate.is_alone_in_hand() returns boolean language sql stable as $$
  select exists (select 1 from stepgate.ready_steps r where r.is_alone and r.lease_owner is not null)
$$;

-- Whether this worker is to claim nothing more until its hands are empty, for a step that must run alone: one worker of the
-- installation at a time, the others go on. It is over with the worker's next claim with empty hands, or with its lease.
create or replace function stepgate.should_empty(p_worker text, p_types text[]) returns boolean language plpgsql as $$
declare
  v_should boolean := stepgate.is_alone_waiting(p_types);
begin
  if v_should then
    perform pg_advisory_xact_lock(21319, stepgate.lock_number('alone'));
    -- a statement of its own: it sees what the last holder of the lock has committed
    v_should := not stepgate.is_alone_in_hand() and not exists (
      select 1 from stepgate.workers w
       where w.is_emptying and w.worker_id <> p_worker and w.lease_until > clock_timestamp());
  end if;
  update stepgate.workers set is_emptying = v_should where worker_id = p_worker and is_emptying <> v_should;
  return v_should;
end $$;

-- Leases up to p_max due steps of the types this worker serves. Tenants take turns by stride, a step at a time: the smallest
-- pass is served first, and each step moves its tenant's pass on by 1000000 / weight; inside a tenant one walk of
-- ready_steps_rank_idx. SKIP LOCKED keeps workers off each other's rows; the new epoch fences whoever held a row before.
-- A step that was lost once is leased alone, to a worker that has nothing else in hand (p_is_idle; spec 00, attempts), and
-- while no other such step is in hand anywhere: a crash that lost many takes one worker from the others, not all.
-- Steps of paused runs, or that are not due, stand apart (functions/apart.sql). Steps of types that are paused, or that nobody
-- here serves, stand in the same order: of a tenant that has many, a call looks at the first 512 only (0.5 ms, where 100 000
-- take 60), but for one call a second of each worker (p_is_deep).
-- Passes are kept for each set of types that workers serve: a tenant that only others could serve would lag behind, and
-- lose what it is owed. Whoever had no due steps goes on at the pass of the last step that any tenant was served: it gets
-- its share from now on, not for the past. No tenant that has due steps is behind that, so whoever waits loses nothing.
-- How long a tenant may wait: with n tenants of weights w that have due steps, and W = sum(w), others are served at most
-- (W - w) / w + n - 1 steps between two of its own, and before its first, whatever they declare: it is served within
-- ((W - w) / w + n) / p_max calls, rounded up. A call that is under way at the same time sees the same passes, and adds at
-- most what it leases itself. Whose steps were put back waits longer (charge_put_back). A worker has one step that runs alone between two turns of the others (scheduler/worker.ts).
-- Whose due steps stand behind 512 of other types is served with the next deep call of a worker: at the latest one interval of
-- the reaper, or 40 times as long as the shorter of its last two took, after that.
create or replace function stepgate.claim_steps(p_worker text, p_types text[], p_max integer, p_is_idle boolean,
  p_is_deep boolean) returns setof stepgate.leased_step language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  -- a value: no index is sought by what changes with each row
  v_now timestamptz := clock_timestamp();
  v_depth integer := case when p_is_deep then null else 512 end;
  v_is_live boolean;
  v_is_emptying boolean;
  v_pool text;
  -- the pass of the last step that any tenant was served
  v_present bigint;
  t record;
  -- tenants with steps that a claim may walk over, or that come to them
  v_waiting uuid[];
  -- tenants in the order of their passes; one that gave less than it was asked for has no more, and no pass
  v_tenants uuid[];
  v_weights integer[];
  v_passes bigint[];
  v_asked integer[];
  v_steps integer[];
  v_left integer := p_max;
  v_taken integer;
  v_served bigint;
  v_may_isolate boolean := false;
begin
  select w.lease_until > clock_timestamp(), w.is_emptying into v_is_live, v_is_emptying
    from stepgate.workers w where w.worker_id = p_worker;
  if not coalesce(v_is_live, false) then
    raise exception 'the lease of this worker has lapsed' using errcode = 'SG002';
  end if;
  if p_is_idle and v_is_emptying then
    update stepgate.workers set is_emptying = false where worker_id = p_worker and is_emptying;
  end if;
  -- most claims find nothing, and soon
  v_waiting := array(
    select n.tenant_uid from stepgate.tenants n
     where not n.is_paused
       and (exists (select 1 from stepgate.ready_steps r
                     where r.tenant_uid = n.tenant_uid and r.lease_owner is null and not r.is_later and not r.is_stopped)
            or exists (select 1 from stepgate.ready_steps r
                        where r.tenant_uid = n.tenant_uid and r.lease_owner is null and r.is_later and not r.is_stopped
                          and r.not_before <= v_now)));
  if v_waiting = '{}' then
    return;
  end if;
  v_pool := stepgate.pool_of(p_types);
  v_present := (select coalesce(max(p.served_pass), 0) from stepgate.tenant_shares p where p.pool = v_pool);
  v_served := v_present;
  if p_is_idle and stepgate.is_alone_waiting(p_types) then
    v_may_isolate := pg_try_advisory_xact_lock(21319, stepgate.lock_number('alone'));
  end if;
  if v_may_isolate and not stepgate.is_alone_in_hand() then
    for t in
      select n.tenant_uid from stepgate.tenants n
        left join stepgate.tenant_shares p on p.tenant_uid = n.tenant_uid and p.pool = v_pool
       where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                          where r.tenant_uid = n.tenant_uid and r.lease_owner is null and r.is_alone
                                            and not r.is_later and not r.is_stopped)
       order by greatest(p.pass, v_present), p.pass nulls first, n.tenant_uid
    loop
      return query select * from stepgate.lease_due(p_worker, t.tenant_uid, p_types, 1, true, null);
      if found then
        perform stepgate.charge_claims(v_pool, array[t.tenant_uid], array[1], v_present, v_present);
        return;
      end if;
    end loop;
  end if;
  select array_agg(x.tenant_uid order by x.place), array_agg(x.weight order by x.place), array_agg(x.pass order by x.place)
    into v_tenants, v_weights, v_passes
    from (select n.tenant_uid, n.weight, greatest(p.pass, v_present) as pass,
                 row_number() over (order by greatest(p.pass, v_present), p.pass nulls first, n.tenant_uid) as place
            from stepgate.tenants n
            left join stepgate.tenant_shares p on p.tenant_uid = n.tenant_uid and p.pool = v_pool
           where n.tenant_uid = any (v_waiting)) x;
  v_steps := array_fill(0, array[cardinality(v_tenants)]);
  while v_left > 0 and array_remove(v_passes, null) <> '{}' loop
    v_asked := case when cardinality(v_tenants) = 1 then array[v_left] else stepgate.share_out(v_passes, v_weights, v_left) end;
    for v_n in 1 .. cardinality(v_tenants) loop
      continue when v_asked[v_n] = 0;
      return query select * from stepgate.lease_due(p_worker, v_tenants[v_n], p_types, v_asked[v_n], false, v_depth);
      get diagnostics v_taken = row_count;
      v_left := v_left - v_taken;
      v_steps[v_n] := v_steps[v_n] + v_taken;
      if v_taken > 0 then
        v_served := greatest(v_served, v_passes[v_n] + (v_taken - 1) * stepgate.stride(v_weights[v_n]));
      end if;
      v_passes[v_n] := case when v_taken = v_asked[v_n] then v_passes[v_n] + v_taken * stepgate.stride(v_weights[v_n]) end;
    end loop;
  end loop;
  perform stepgate.charge_claims(v_pool, v_tenants, v_steps, v_present, v_served);
end $$;

-- The workers that serve these types: they share their tenants' passes.
create or replace function stepgate.pool_of(p_types text[]) returns text language plpgsql immutable parallel safe as $$
begin
  return (select coalesce(string_agg(distinct t, ',' order by t), '') from unnest(p_types) t);
end $$;

-- How far one step moves a tenant's pass on; weights are at most 1000.
create or replace function stepgate.stride(p_weight integer) returns bigint language sql immutable parallel safe as $$
  select 1000000::bigint / p_weight
$$;

-- How many of the next p_steps steps each tenant is to give, by stride; those without a pass none. Places are tenants'.
create or replace function stepgate.share_out(p_passes bigint[], p_weights integer[], p_steps integer) returns integer[]
language sql stable as $$
  with tenants as (
    select t.place, t.pass, stepgate.stride(t.weight) as stride
      from unnest(p_passes, p_weights) with ordinality as t (pass, weight, place)
     where t.pass is not null order by t.pass, t.place limit p_steps),
  turns as (
    select t.place from tenants t, generate_series(0, p_steps - 1) k order by t.pass + k * t.stride, t.place limit p_steps)
  select array_agg((select count(*)::integer from turns u where u.place = n) order by n) from generate_subscripts(p_passes, 1) n
$$;

-- Leases due steps of one tenant in their order, with all that the gate needs of them. The walk stops with the last step that
-- is leased: each row of it is tried for itself, in the order of the index, and nothing is sorted. It is tried where the walk
-- found it: a search by its key may be planned over the walk's own index, and then reads the whole queue for each step.
create or replace function stepgate.lease_due(p_worker text, p_tenant uuid, p_types text[], p_limit integer, p_alone boolean,
  p_depth integer) returns setof stepgate.leased_step language plpgsql as $$
declare
  v_now timestamptz := clock_timestamp();
  v_now_ms bigint := stepgate.epoch_ms(v_now);
  v_types text[] := p_types;
  v_paused text[];
  v_has_due boolean;
begin
  select n.paused_types, exists (select 1 from stepgate.ready_steps q where q.tenant_uid = p_tenant and q.lease_owner is null
                                    and q.is_later and not q.is_stopped and q.not_before <= v_now)
    into v_paused, v_has_due from stepgate.tenants n where n.tenant_uid = p_tenant;
  if v_has_due then
    perform stepgate.take_back_due(p_tenant, v_now);
  end if;
  if v_paused <> '{}' then
    v_types := array(select p from unnest(p_types) p where p <> all (v_paused));
  end if;
  return query with due as (
    select l.tenant_uid, l.run_uid, l.step_id
      from (select q.ctid as place, q.tenant_uid, q.run_uid, q.type, q.not_before
              from stepgate.ready_steps q
             where q.tenant_uid = p_tenant and q.is_alone = p_alone and q.lease_owner is null and not q.is_later and not q.is_stopped
             order by q.is_contracted desc, q.breach_at, q.priority desc, q.ready_at, q.run_uid, q.step_id limit p_depth) f
     cross join lateral (
       select r.tenant_uid, r.run_uid, r.step_id from stepgate.ready_steps r
        where r.ctid = f.place and r.state = 'queued' and not r.is_stopped and r.not_before <= v_now for update skip locked) l
     where f.not_before <= v_now and f.type = any (v_types)
       -- a value and not a join, which might be walked in another order
       and (select h.status from stepgate.run_heads h where (h.tenant_uid, h.run_uid) = (f.tenant_uid, f.run_uid))
           in ('pending', 'running', 'compensating')
     limit p_limit),
  leased as (
    update stepgate.ready_steps r
       set state = 'leased', lease_owner = p_worker, lease_epoch = nextval('stepgate.lease_epochs')
      from due d where (r.tenant_uid, r.run_uid, r.step_id) = (d.tenant_uid, d.run_uid, d.step_id)
    returning r.*)
  select d.* from leased l cross join lateral stepgate.describe_leased(
    l.tenant_uid, l.run_uid, l.step_id, l.type, l.lease_epoch, l.attempts_made, l.is_alone, l.ready_at, v_now_ms) d;
end $$;

-- All that the gate needs of a leased step. Written into the statement that leases, as a join: stable, and of one query.
create or replace function stepgate.describe_leased(p_tenant uuid, p_run uuid, p_step text, p_type text, p_epoch bigint,
  p_attempts_made integer, p_is_alone boolean, p_ready_at timestamptz, p_now_ms bigint) returns setof stepgate.leased_step
language sql stable as $$
  select p_tenant, p_run, p_step, p_type, p_epoch, p_attempts_made,
         s.error_attempts, s.lost_attempts, p_is_alone, s.is_target, s.origin_step,
         s.spec, s.input_blob, s.checkpoint_blob, s.refs, s.idx,
         stepgate.epoch_ms(p_ready_at), stepgate.epoch_ms(s.deadline_at), s.queue_target_ms, s.priority, s.last_record,
         u.run_id, u.kind, u.op_id, u.labels_blob, u.caller_key_id, u.caller_owner, u.caller_roles,
         u.traceparent, u.tracestate, stepgate.epoch_ms(u.time_limit_at), h.status,
         exists (select 1 from stepgate.breakpoints k where (k.tenant_uid, k.run_uid) = (p_tenant, p_run)),
         n.authority_version, n.tenant_id,
         b.tokens_limit, b.tokens_used, b.tokens_reserved,
         b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, p_now_ms,
         i.key_id, i.wrapped_key, i.sealed
    from stepgate.steps s
    join stepgate.runs u on (u.tenant_uid, u.run_uid) = (s.tenant_uid, s.run_uid)
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (s.tenant_uid, s.run_uid)
    join stepgate.tenants n on n.tenant_uid = s.tenant_uid
    left join stepgate.blobs i on (i.tenant_uid, i.blob_id) = (s.tenant_uid, s.input_blob)
    left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (s.tenant_uid, s.run_uid)
   where (s.tenant_uid, s.run_uid, s.step_id) = (p_tenant, p_run, p_step)
$$;

-- Tenants pay for steps that were put back for want of a place (a quota, a concurrency key, pressure) beside what their claims
-- cost: ten turns instead of one. Such a step cost half of one that runs, and 20 000 of them, at their tenant's whole share of
-- the turns, left another tenant two thirds of its speed. A tenant that is alone loses nothing, and none is owed a turn for long:
-- a worker has at most max_concurrent_steps in hand.
create or replace function stepgate.charge_put_back(p_types text[], p_tenants uuid[], p_steps integer[]) returns void
language plpgsql as $$
declare
  v_pool text := stepgate.pool_of(p_types);
  v_present bigint := (select coalesce(max(p.served_pass), 0) from stepgate.tenant_shares p where p.pool = v_pool);
begin
  perform stepgate.charge_claims(v_pool, p_tenants, array(select 9 * s from unnest(p_steps) s), v_present, v_present);
end $$;

-- Tenants pay for what was claimed from them; last and in one order: claims that pay as they take deadlock with each other.
-- p_present and p_served: the pass of the last step served before this claim, and after it.
create or replace function stepgate.charge_claims(p_pool text, p_tenants uuid[], p_steps integer[], p_present bigint, p_served bigint)
returns void language plpgsql as $$
begin
  insert into stepgate.tenant_shares as s (tenant_uid, pool, pass, served_pass)
  select n.tenant_uid, p_pool, p_present + x.steps * stepgate.stride(n.weight), p_served
    from unnest(p_tenants, p_steps) as x (tenant_uid, steps) join stepgate.tenants n on n.tenant_uid = x.tenant_uid
   where x.steps > 0 order by n.tenant_uid
  on conflict (tenant_uid, pool) do update
     set pass = greatest(s.pass, p_present) + excluded.pass - p_present, served_pass = greatest(s.served_pass, excluded.served_pass);
end $$;
