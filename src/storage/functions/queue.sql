-- What operators do to the queue of a tenant: pause and resume it whole, or one step type of it.

-- Pauses or resumes type p_type, or, where it is null, the tenant; audited. False when it was so already.
create or replace function stepgate.pause_queue(p_tenant uuid, p_type text, p_is_paused boolean, p_actor text) returns boolean
language plpgsql as $$
declare
  v_action text := case when p_is_paused then 'queue.pause' else 'queue.resume' end;
begin
  if p_type is null then
    update stepgate.tenants set is_paused = p_is_paused where tenant_uid = p_tenant and is_paused <> p_is_paused;
  else
    update stepgate.tenants
       set paused_types = case when p_is_paused then paused_types || p_type else array_remove(paused_types, p_type) end
     where tenant_uid = p_tenant and (p_type = any (paused_types)) <> p_is_paused;
  end if;
  if not found then
    return false;
  end if;
  perform stepgate.append_audit(p_tenant, p_actor, v_action,
    case when p_type is null then '{}' else format('{"type":%s}', to_json(p_type)) end);
  return true;
end $$;

-- Links a fork to the run it goes on from and gives it what is left of its root's budget: the limit without what the root
-- used and what its other forks hold. A fork that is still open holds all it was given, one that has ended what it used,
-- so together they never get more than the limit. Result: what the log says of it beside the submission.
create or replace function stepgate.insert_fork(p_tenant uuid, p_run uuid, p_fork jsonb) returns jsonb language plpgsql as $$
declare
  f stepgate.run_forks := jsonb_populate_record(null::stepgate.run_forks, p_fork);
  b stepgate.budgets;
  v_tokens bigint;
  v_usd_micros bigint;
begin
  insert into stepgate.run_forks (tenant_uid, run_uid, origin_run, origin_step, root_run)
  values (p_tenant, p_run, f.origin_run, f.origin_step, f.root_run);
  -- the root has ended; its row's lock keeps two forks of it apart
  select * into b from stepgate.budgets where tenant_uid = p_tenant and run_uid = f.root_run for update;
  if not found then
    return '{}';
  end if;
  select coalesce(sum(case when h.status in ('succeeded', 'failed', 'cancelled') then o.tokens_used else o.tokens_limit end), 0),
         coalesce(sum(case when h.status in ('succeeded', 'failed', 'cancelled') then o.usd_micros_used else o.usd_micros_limit end), 0)
    into v_tokens, v_usd_micros
    from stepgate.run_forks x
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (x.tenant_uid, x.run_uid)
    join stepgate.budgets o on (o.tenant_uid, o.run_uid) = (x.tenant_uid, x.run_uid)
   where x.tenant_uid = p_tenant and x.root_run = f.root_run;
  -- a limit that is not there stays none
  v_tokens := case when b.tokens_limit is not null then greatest(0, b.tokens_limit - b.tokens_used - b.tokens_reserved - v_tokens) end;
  v_usd_micros := case when b.usd_micros_limit is not null
                       then greatest(0, b.usd_micros_limit - b.usd_micros_used - b.usd_micros_reserved - v_usd_micros) end;
  insert into stepgate.budgets (tenant_uid, run_uid, tokens_limit, usd_micros_limit)
  values (p_tenant, p_run, v_tokens, v_usd_micros);
  return jsonb_build_object('budget', jsonb_strip_nulls(jsonb_build_object('tokens', v_tokens, 'usd_micros', v_usd_micros)));
end $$;
