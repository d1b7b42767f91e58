-- What callers do to runs: cancel, pause, resume; and what the reaper does for the dead. Submitting them: submit.sql.

create or replace function stepgate.lock_run(p_tenant uuid, p_run uuid) returns stepgate.run_heads language plpgsql as $$
declare
  h stepgate.run_heads;
begin
  select * into h from stepgate.run_heads where tenant_uid = p_tenant and run_uid = p_run for update;
  perform 1 from stepgate.ready_steps where tenant_uid = p_tenant and run_uid = p_run order by step_id for update;
  return h;
end $$;

-- True when this started a cancellation, or one is under way with a step still running (spec 05, cancel).
create or replace function stepgate.cancel_run(p_tenant uuid, p_run uuid, p_actor text) returns boolean language plpgsql as $$
declare
  h stepgate.run_heads := stepgate.lock_run(p_tenant, p_run);
  v_step text;
begin
  if h.run_uid is null or h.status in ('succeeded', 'failed', 'cancelled', 'compensating') then
    return false;
  end if;
  if h.is_cancelled then
    return exists (select 1 from stepgate.ready_steps where tenant_uid = p_tenant and run_uid = p_run and state = 'running');
  end if;
  if h.status = 'paused_at_step' and h.paused_from = 'compensating' then
    return false;
  end if;
  h := stepgate.append_event(h, 'run_cancel_requested', null, jsonb_build_object('by', p_actor));
  h.status := 'cancelling';
  h.paused_from := null;
  h.paused_step := null;
  h.paused_at := null;
  h.is_cancelled := true;
  -- written at once: what follows may end the run, and only from cancelling may it end cancelled
  perform stepgate.save_head(h);
  for v_step in
    select s.step_id from stepgate.steps s
     where s.tenant_uid = p_tenant and s.run_uid = p_run and not s.is_target and s.status in ('blocked', 'queued', 'held', 'waiting')
       and not exists (select 1 from stepgate.ready_steps q where (q.tenant_uid, q.run_uid, q.step_id) =
                         (s.tenant_uid, s.run_uid, s.step_id) and q.state <> 'queued')
     order by s.idx desc
  loop
    h := stepgate.cancel_step(h, v_step);
  end loop;
  perform stepgate.append_audit(p_tenant, p_actor, 'run.cancel', format('{"run_id":"%s"}', p_run));
  h := stepgate.finish_run(h);
  perform stepgate.save_head(h);
  return true;
end $$;

create or replace function stepgate.pause_run(p_tenant uuid, p_run uuid, p_actor text) returns boolean language plpgsql as $$
declare
  h stepgate.run_heads := stepgate.lock_run(p_tenant, p_run);
begin
  if h.run_uid is null or h.status not in ('pending', 'running', 'compensating') then
    return false;
  end if;
  h.paused_from := h.status;
  h.status := 'paused_at_step';
  h.paused_at := now();
  h := stepgate.append_event(h, 'run_paused', null, jsonb_build_object('reason', 'operator'));
  perform stepgate.append_audit(p_tenant, p_actor, 'run.pause', format('{"run_id":"%s"}', p_run));
  perform stepgate.save_head(h);
  return true;
end $$;

create or replace function stepgate.resume_run(p_tenant uuid, p_run uuid, p_actor text) returns boolean language plpgsql as $$
declare
  h stepgate.run_heads := stepgate.lock_run(p_tenant, p_run);
begin
  if h.run_uid is null or h.status <> 'paused_at_step' then
    return false;
  end if;
  -- time spent paused does not count against deadlines (spec 01, stage deadline); what became ready meanwhile has waited
  -- since then only
  update stepgate.steps set deadline_at = deadline_at + (now() - greatest(h.paused_at, first_ready_at))
   where tenant_uid = p_tenant and run_uid = p_run and status = 'queued' and deadline_at is not null;
  h.status := h.paused_from;
  h.paused_from := null;
  h.paused_step := null;
  h.paused_at := null;
  h := stepgate.append_event(h, 'run_resumed', null, jsonb_build_object('by', p_actor));
  perform stepgate.append_audit(p_tenant, p_actor, 'run.resume', format('{"run_id":"%s"}', p_run));
  h := stepgate.finish_run(h);
  perform stepgate.save_head(h);
  return true;
end $$;

create or replace function stepgate.change_breakpoint(p_tenant uuid, p_run uuid, p_target text, p_value text, p_is_set boolean, p_actor text)
returns boolean language plpgsql as $$
declare
  h stepgate.run_heads := stepgate.lock_run(p_tenant, p_run);
begin
  if h.run_uid is null or h.status in ('succeeded', 'failed', 'cancelled') then
    return false;
  end if;
  if p_is_set then
    insert into stepgate.breakpoints (tenant_uid, run_uid, target, value) values (p_tenant, p_run, p_target, p_value)
      on conflict do nothing;
  else
    delete from stepgate.breakpoints where tenant_uid = p_tenant and run_uid = p_run and target = p_target and value = p_value;
  end if;
  if not found then
    return not p_is_set;
  end if;
  h := stepgate.append_event(h, case when p_is_set then 'breakpoint_set' else 'breakpoint_removed' end, null,
    jsonb_build_object('target', p_target, 'value', p_value));
  perform stepgate.append_audit(p_tenant, p_actor, case when p_is_set then 'debug.breakpoints.set' else 'debug.breakpoints.remove' end,
    format('{"run_id":"%s","target":%s,"value":%s}', p_run, to_json(p_target), to_json(p_value)));
  perform stepgate.save_head(h);
  return true;
end $$;

-- Cancelled runs whose leased steps a dead worker left behind: nobody claims from them, so nobody else would end them.
create or replace function stepgate.finish_cancelling(p_limit integer) returns void language plpgsql as $$
declare
  r record;
  h stepgate.run_heads;
  v_step text;
begin
  for r in
    select c.tenant_uid, c.run_uid from stepgate.run_heads c
     where c.status = 'cancelling' and exists (select 1 from stepgate.ready_steps q
             where q.tenant_uid = c.tenant_uid and q.run_uid = c.run_uid and q.state <> 'running' and not exists
               (select 1 from stepgate.workers w where w.worker_id = q.lease_owner and w.lease_until > clock_timestamp()))
     order by c.tenant_uid, c.run_uid limit p_limit for update of c skip locked
  loop
    h := stepgate.lock_run(r.tenant_uid, r.run_uid);
    continue when h.status <> 'cancelling';
    for v_step in
      update stepgate.ready_steps q set state = 'queued', lease_owner = null
       where q.tenant_uid = r.tenant_uid and q.run_uid = r.run_uid and q.state <> 'running' and not exists
         (select 1 from stepgate.workers w where w.worker_id = q.lease_owner and w.lease_until > clock_timestamp())
      returning q.step_id
    loop
      h := stepgate.cancel_step(h, v_step);
    end loop;
    h := stepgate.finish_run(h);
    perform stepgate.save_head(h);
  end loop;
end $$;

-- Gives up one step of a living worker that met a failure of our own: what was not started waits a moment and is claimed
-- again, what was is nobody's and is closed as lost by the reaper (spec 00, error kinds).
create or replace function stepgate.abandon_step(p_worker text, p_tenant uuid, p_run uuid, p_step text, p_epoch bigint, p_delay_ms bigint)
returns boolean language plpgsql as $$
begin
  update stepgate.ready_steps
     set state = case state when 'leased' then 'queued' else state end,
         lease_owner = case state when 'leased' then null else p_worker || '/abandoned' end,
         deferred_for = null, deferred_by = null,
         not_before = case state when 'leased' then clock_timestamp() + p_delay_ms * interval '1 millisecond' else not_before end
   where (tenant_uid, run_uid, step_id) = (p_tenant, p_run, p_step)
     and lease_owner = p_worker and lease_epoch = p_epoch and state <> 'queued';
  return found;
end $$;

-- Steps that a dead worker had leased and never started go back to the queue; nothing was made, nothing is charged.
create or replace function stepgate.release_lapsed(p_limit integer) returns integer language plpgsql as $$
declare
  v_count integer;
begin
  perform stepgate.finish_cancelling(p_limit);
  with lapsed as (
    select r.tenant_uid, r.run_uid, r.step_id from stepgate.ready_steps r
     where r.state = 'leased' and r.lease_owner is not null and not exists
       (select 1 from stepgate.workers w where w.worker_id = r.lease_owner and w.lease_until > clock_timestamp())
     order by r.tenant_uid, r.run_uid, r.step_id limit p_limit for update of r skip locked)
  update stepgate.ready_steps r set state = 'queued', lease_owner = null
    from lapsed l where (r.tenant_uid, r.run_uid, r.step_id) = (l.tenant_uid, l.run_uid, l.step_id);
  get diagnostics v_count = row_count;
  delete from stepgate.workers w where w.lease_until < clock_timestamp() - interval '1 minute'
     and not exists (select 1 from stepgate.ready_steps r where r.lease_owner = w.worker_id);
  return v_count;
end $$;
