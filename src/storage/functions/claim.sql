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

create or replace function stepgate.epoch_ms(p_at timestamptz) returns bigint language sql immutable parallel safe as $$
  select case when p_at is null or not isfinite(p_at) then null else (extract(epoch from p_at) * 1000)::bigint end
$$;

-- Leases up to p_max due steps of the types this worker serves. Tenants take turns by stride (smallest pass first, the
-- share of a call in proportion to the weights, what one leaves over goes to the next); inside a tenant one walk of
-- ready_steps_rank_idx. SKIP LOCKED keeps workers off each other's rows; the new epoch fences whoever held a row before.
create or replace function stepgate.claim_steps(p_worker text, p_types text[], p_max integer) returns setof stepgate.leased_step
language plpgsql as $$
declare
  t record;
  v_left integer := p_max;
  v_taken integer;
  v_weights bigint;
  v_round integer;
  v_tenants uuid[] := '{}';
  v_steps integer[] := '{}';
begin
  perform 1 from stepgate.workers where worker_id = p_worker and lease_until > clock_timestamp();
  if not found then
    raise exception 'the lease of this worker has lapsed' using errcode = 'SG002';
  end if;
  select coalesce(sum(n.weight), 0) into v_weights from stepgate.tenants n
   where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                      where r.tenant_uid = n.tenant_uid and r.state = 'queued');
  for v_round in 1..2 loop
    for t in
      select n.tenant_uid, n.tenant_id, n.weight, n.authority_version, n.paused_types from stepgate.tenants n
        join stepgate.tenant_shares p using (tenant_uid)
       where not n.is_paused and exists (select 1 from stepgate.ready_steps r
                                          where r.tenant_uid = n.tenant_uid and r.state = 'queued')
       order by p.pass, n.tenant_uid
    loop
      exit when v_left <= 0;
      return query
        with due as (
          select r.tenant_uid, r.run_uid, r.step_id from stepgate.ready_steps r
            join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (r.tenant_uid, r.run_uid)
           where r.tenant_uid = t.tenant_uid and r.state = 'queued' and r.not_before <= clock_timestamp()
             and r.type = any (p_types) and r.type <> all (t.paused_types) and h.status in ('pending', 'running', 'compensating')
           order by r.is_contracted desc, r.breach_at, r.priority desc, r.ready_at, r.run_uid, r.step_id
           limit case when v_round = 1 then least(v_left, ceil(p_max::numeric * t.weight / greatest(v_weights, t.weight))::integer) else v_left end
             for update of r skip locked),
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
               t.authority_version, t.tenant_id,
               b.tokens_limit, b.tokens_used, b.tokens_reserved,
               b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, stepgate.epoch_ms(clock_timestamp())
          from leased l
          join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (l.tenant_uid, l.run_uid, l.step_id)
          join stepgate.runs u on (u.tenant_uid, u.run_uid) = (l.tenant_uid, l.run_uid)
          join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (l.tenant_uid, l.run_uid)
          left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (l.tenant_uid, l.run_uid);
      get diagnostics v_taken = row_count;
      v_left := v_left - v_taken;
      if v_taken > 0 then
        v_tenants := v_tenants || t.tenant_uid;
        v_steps := v_steps || v_taken;
      end if;
    end loop;
    exit when v_left <= 0;
  end loop;
  -- last and in one order: claims that pay for each tenant as they take from it deadlock with each other
  for t in
    select n.tenant_uid, n.weight, x.steps from stepgate.tenants n
      join (select u.tenant_uid, sum(u.steps) as steps from unnest(v_tenants, v_steps) as u (tenant_uid, steps) group by 1) x
        on x.tenant_uid = n.tenant_uid
     order by n.tenant_uid
  loop
    -- a tenant that was idle joins at the present pass: it gets its share from now on, not for the past
    update stepgate.tenant_shares s
       set pass = greatest(s.pass, (select coalesce(min(o.pass), 0) from stepgate.tenant_shares o
                                      join stepgate.ready_steps r on r.tenant_uid = o.tenant_uid
                                     where o.tenant_uid <> t.tenant_uid))
                  + t.steps * 1000000 / t.weight
     where s.tenant_uid = t.tenant_uid;
  end loop;
end $$;
