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
      or not exists (select 1 from stepgate.ready_steps r where r.lease_owner = p_worker and r.state <> 'queued');
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
      join stepgate.ready_steps r on r.tenant_uid = n.tenant_uid and r.state = 'queued' and r.is_alone
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
     where not n.is_paused and r.not_before <= clock_timestamp() and r.type = any (p_types) and r.type <> all (n.paused_types)
       and h.status in ('pending', 'running', 'compensating'))
$$;

-- Leases up to p_max due steps of the types this worker serves. Tenants take turns by stride (smallest pass first, the
-- share of a call in proportion to the weights, what one leaves over goes to the next); inside a tenant one walk of
-- ready_steps_rank_idx. SKIP LOCKED keeps workers off each other's rows; the new epoch fences whoever held a row before.
-- A step that was lost once is leased alone, to a worker that has nothing else in hand (p_is_idle; spec 00, attempts).
-- Steps that are not due, of paused runs or of types that nobody serves stand in the same order: of a tenant that has many,
-- a call looks at the first 512 only (0.5 ms, where 100 000 take 60), but for one call a second of each worker (p_is_deep).
-- How long a tenant may wait: with n tenants that have due steps, weights w and p_max steps a call, each call serves tenants in
-- order of pass, and each of them at least one step, so that every tenant is served within n / min(n, p_max) rounded up
-- calls whatever the others declare; a tenant's share over many calls is w / sum(w).
create or replace function stepgate.claim_steps(p_worker text, p_types text[], p_max integer, p_is_idle boolean,
  p_is_deep boolean) returns setof stepgate.leased_step language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_depth integer := case when p_is_deep then null else 512 end;
  t record;
  v_left integer := p_max;
  v_asked integer;
  v_taken integer;
  v_weights bigint;
  v_round integer;
  v_spent uuid[] := '{}';
  v_tenants uuid[] := '{}';
  v_steps integer[] := '{}';
begin
  if not stepgate.is_live(p_worker) then
    raise exception 'the lease of this worker has lapsed' using errcode = 'SG002';
  end if;
  if p_is_idle then
    for t in
      select n.tenant_uid from stepgate.tenants n join stepgate.tenant_shares p using (tenant_uid)
       where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                          where r.tenant_uid = n.tenant_uid and r.state = 'queued' and r.is_alone)
       order by p.pass, n.tenant_uid
    loop
      return query select * from stepgate.lease_due(p_worker, t.tenant_uid, p_types, 1, true, null);
      if found then
        perform stepgate.charge_claims(array[t.tenant_uid], array[1]);
        return;
      end if;
    end loop;
  end if;
  select coalesce(sum(n.weight), 0) into v_weights from stepgate.tenants n
   where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                      where r.tenant_uid = n.tenant_uid and r.state = 'queued');
  for v_round in 1..2 loop
    for t in
      select n.tenant_uid, n.weight from stepgate.tenants n
        join stepgate.tenant_shares p using (tenant_uid)
       where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                          where r.tenant_uid = n.tenant_uid and r.state = 'queued')
         -- what gave less than it was asked for has no more
         and n.tenant_uid <> all (v_spent)
       order by p.pass, n.tenant_uid
    loop
      exit when v_left <= 0;
      v_asked := case when v_round = 1 then least(v_left, ceil(p_max::numeric * t.weight / greatest(v_weights, t.weight))::integer)
                      else v_left end;
      return query select * from stepgate.lease_due(p_worker, t.tenant_uid, p_types, v_asked, false, v_depth);
      get diagnostics v_taken = row_count;
      if v_taken < v_asked then
        v_spent := v_spent || t.tenant_uid;
      end if;
      v_left := v_left - v_taken;
      if v_taken > 0 then
        v_tenants := v_tenants || t.tenant_uid;
        v_steps := v_steps || v_taken;
      end if;
    end loop;
    exit when v_left <= 0;
  end loop;
  perform stepgate.charge_claims(v_tenants, v_steps);
end $$;

-- Leases due steps of one tenant in their order, with all that the gate needs of them. The walk stops with the last step that
-- is leased: each row of it is tried for itself, in the order of the index, and nothing is sorted.
create or replace function stepgate.lease_due(p_worker text, p_tenant uuid, p_types text[], p_limit integer, p_alone boolean,
  p_depth integer) returns setof stepgate.leased_step language plpgsql as $$
declare
  v_now timestamptz := clock_timestamp();
  v_now_ms bigint := stepgate.epoch_ms(v_now);
  v_types text[];
begin
  select array(select p from unnest(p_types) p where p <> all (n.paused_types)) into v_types
    from stepgate.tenants n where n.tenant_uid = p_tenant;
  return query with due as (
    select l.tenant_uid, l.run_uid, l.step_id
      from (select q.tenant_uid, q.run_uid, q.step_id, q.type, q.not_before, q.is_alone
              from stepgate.ready_steps q where q.tenant_uid = p_tenant and q.state = 'queued'
             order by q.is_contracted desc, q.breach_at, q.priority desc, q.ready_at, q.run_uid, q.step_id limit p_depth) f
     cross join lateral (
       select r.tenant_uid, r.run_uid, r.step_id from stepgate.ready_steps r
        where (r.tenant_uid, r.run_uid, r.step_id) = (f.tenant_uid, f.run_uid, f.step_id)
          and r.state = 'queued' and r.not_before <= v_now for update skip locked) l
     where f.not_before <= v_now and f.is_alone = p_alone and f.type = any (v_types)
       -- a value and not a join, which might be walked in another order
       and (select h.status from stepgate.run_heads h where (h.tenant_uid, h.run_uid) = (f.tenant_uid, f.run_uid))
           in ('pending', 'running', 'compensating')
     limit p_limit),
  leased as (
    update stepgate.ready_steps r
       set state = 'leased', lease_owner = p_worker, lease_epoch = nextval('stepgate.lease_epochs')
      from due d where (r.tenant_uid, r.run_uid, r.step_id) = (d.tenant_uid, d.run_uid, d.step_id)
    returning r.*)
  select l.tenant_uid, l.run_uid, l.step_id, l.type, l.lease_epoch, l.attempts_made,
         s.error_attempts, s.lost_attempts, l.is_alone, s.is_target, s.origin_step,
         s.spec, s.input_blob, s.checkpoint_blob, s.refs, s.idx,
         stepgate.epoch_ms(l.ready_at), stepgate.epoch_ms(s.deadline_at), s.queue_target_ms, s.priority, s.last_record,
         u.run_id, u.kind, u.op_id, u.labels_blob, u.caller_key_id, u.caller_owner, u.caller_roles,
         u.traceparent, u.tracestate, stepgate.epoch_ms(u.time_limit_at), h.status,
         exists (select 1 from stepgate.breakpoints k where (k.tenant_uid, k.run_uid) = (l.tenant_uid, l.run_uid)),
         n.authority_version, n.tenant_id,
         b.tokens_limit, b.tokens_used, b.tokens_reserved,
         b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, v_now_ms,
         i.key_id, i.wrapped_key, i.sealed
    from leased l
    join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (l.tenant_uid, l.run_uid, l.step_id)
    join stepgate.runs u on (u.tenant_uid, u.run_uid) = (l.tenant_uid, l.run_uid)
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (l.tenant_uid, l.run_uid)
    join stepgate.tenants n on n.tenant_uid = l.tenant_uid
    left join stepgate.blobs i on (i.tenant_uid, i.blob_id) = (s.tenant_uid, s.input_blob)
    left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (l.tenant_uid, l.run_uid);
end $$;

-- Tenants pay for what was claimed from them; last and in one order: claims that pay as they take deadlock with each other.
create or replace function stepgate.charge_claims(p_tenants uuid[], p_steps integer[]) returns void language plpgsql as $$
declare
  t record;
begin
  for t in
    select n.tenant_uid, n.weight, x.steps from stepgate.tenants n
      join (select u.tenant_uid, sum(u.steps) as steps from unnest(p_tenants, p_steps) as u (tenant_uid, steps) group by 1) x
        on x.tenant_uid = n.tenant_uid
     order by n.tenant_uid
  loop
    -- a tenant that was idle joins at the present pass: it gets its share from now on, not for the past
    update stepgate.tenant_shares s
       set pass = greatest(s.pass, (select coalesce(min(o.pass), 0) from stepgate.tenant_shares o
                                     where o.tenant_uid <> t.tenant_uid and exists
                                       (select 1 from stepgate.ready_steps r where r.tenant_uid = o.tenant_uid)))
                  + t.steps * 1000000 / t.weight
     where s.tenant_uid = t.tenant_uid;
  end loop;
end $$;
