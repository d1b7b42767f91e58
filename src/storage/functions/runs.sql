-- What callers do to runs: submit, cancel, pause, resume; and what the reaper does for the dead.

-- Stores a run with everything it needs, or finds the one that is there already (lookup before all else, spec 02).
-- Result: {outcome: created | exists | mismatch | rate_limited, run_uid, …}.
create or replace function stepgate.submit_run(p_run jsonb, p_steps jsonb, p_edges jsonb, p_blobs jsonb) returns jsonb
language plpgsql as $$
declare
  u stepgate.runs;
  v_found stepgate.runs;
  h stepgate.run_heads;
  q record;
begin
  u := jsonb_populate_record(null::stepgate.runs, p_run);
  select * into v_found from stepgate.runs r
   where r.tenant_uid = u.tenant_uid and (r.run_id = u.run_id or r.idempotency_key = u.idempotency_key)
   order by r.submitted_at limit 1;
  if found then
    return jsonb_build_object('run_uid', v_found.run_uid,
      'outcome', case when v_found.submission_digest = u.submission_digest then 'exists' else 'mismatch' end);
  end if;
  for q in select * from stepgate.quotas n where n.tenant_uid = u.tenant_uid and n.unit = 'runs' order by n.quota_id loop
    insert into stepgate.quota_usage as a (tenant_uid, quota_id, window_start, quota_limit, used)
    select u.tenant_uid, q.quota_id, stepgate.window_start(q.quota_window, now()), q.quota_limit, 1 where q.quota_limit >= 1
        on conflict (tenant_uid, quota_id, window_start) do update set used = a.used + 1, quota_limit = excluded.quota_limit
     where a.used + a.reserved + 1 <= excluded.quota_limit;
    if not found then
      raise exception 'quota' using errcode = 'SG004', detail = jsonb_build_object('quota', q.quota_id, 'limit', q.quota_limit,
        'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())))::text;
    end if;
  end loop;
  insert into stepgate.manifests (tenant_uid, manifest_id, body) values (u.tenant_uid, u.manifest_id, p_run ->> 'manifest')
    on conflict (tenant_uid, manifest_id) do nothing;
  insert into stepgate.runs (tenant_uid, run_uid, run_id, idempotency_key, submission_digest, kind, op_id, manifest_id, priority,
    seed, subject, labels_blob, caller_key_id, caller_owner, caller_roles, traceparent, tracestate, time_limit_at)
  values (u.tenant_uid, u.run_uid, u.run_id, u.idempotency_key, u.submission_digest, u.kind, u.op_id, u.manifest_id, u.priority,
    u.seed, u.subject, u.labels_blob, u.caller_key_id, u.caller_owner, u.caller_roles, u.traceparent, u.tracestate,
    case when p_run ? 'time_limit_ms' then now() + (p_run ->> 'time_limit_ms')::bigint * interval '1 millisecond' end);
  h := row(u.tenant_uid, u.run_uid, 'pending', null, null, null, false, 0, 0, 0, 0, 0, 0, false)::stepgate.run_heads;
  h.open_steps := (select count(*) from jsonb_populate_recordset(null::stepgate.submitted_step, p_steps) s where not s.is_target);
  h.max_parallel := (p_run ->> 'max_parallel')::integer;
  h.fail_fast := (p_run ->> 'fail_fast')::boolean;
  insert into stepgate.run_heads select (h).*;
  perform stepgate.insert_blobs(u.tenant_uid, u.run_uid, p_blobs);
  h := stepgate.append_event(h, 'run_submitted', null, (p_run -> 'submitted')
    || case when p_run ? 'fork' then stepgate.insert_fork(u.tenant_uid, u.run_uid, p_run -> 'fork') else '{}' end);
  insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, slug, status, spec, input_blob, refs, is_target, origin_step,
    compensation_step, compensation_on, pending_dependencies, total_dependencies, priority, queue_target_ms, deadline_ms,
    first_ready_at, deadline_at)
  select u.tenant_uid, u.run_uid, s.step_id, s.idx, s.type, s.slug, case when r.is_root then 'queued' else 'blocked' end, s.spec,
         s.input_blob, coalesce(s.refs, '{}'), s.is_target, s.origin_step, s.compensation_step, s.compensation_on,
         s.pending_dependencies, s.pending_dependencies, s.priority, s.queue_target_ms, s.deadline_ms,
         case when r.is_root then now() end,
         case when r.is_root and s.deadline_ms > 0 then now() + s.deadline_ms * interval '1 millisecond' end
    from jsonb_populate_recordset(null::stepgate.submitted_step, p_steps) s,
         lateral (select s.pending_dependencies = 0 and not s.is_target as is_root) r;
  insert into stepgate.step_edges (tenant_uid, run_uid, from_step, to_step)
  select u.tenant_uid, u.run_uid, e ->> 0, e ->> 1 from jsonb_array_elements(p_edges) e;
  if p_run -> 'budget' <> 'null' then
    insert into stepgate.budgets (tenant_uid, run_uid, tokens_limit, usd_micros_limit)
    values (u.tenant_uid, u.run_uid, (p_run -> 'budget' ->> 'tokens')::bigint, (p_run -> 'budget' ->> 'usd_micros')::bigint);
  end if;
  insert into stepgate.breakpoints (tenant_uid, run_uid, target, value)
  select u.tenant_uid, u.run_uid, b.target, b.value
    from jsonb_to_recordset(p_run -> 'breakpoints') as b (target text, value text) on conflict do nothing;
  insert into stepgate.tenant_shares (tenant_uid) values (u.tenant_uid) on conflict do nothing;
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before,
                                    attempts_made)
  select s.tenant_uid, s.run_uid, s.step_id, s.type, s.queue_target_ms is not null,
         coalesce(s.first_ready_at + s.queue_target_ms * interval '1 millisecond', 'infinity'), s.priority,
         s.first_ready_at, s.first_ready_at, 0
    from stepgate.steps s where s.tenant_uid = u.tenant_uid and s.run_uid = u.run_uid and s.status = 'queued'
   order by s.idx limit h.max_parallel;
  get diagnostics h.ready_rows = row_count;
  h.unplaced_steps := (select count(*) from stepgate.steps s
                        where s.tenant_uid = u.tenant_uid and s.run_uid = u.run_uid and s.status = 'queued') - h.ready_rows;
  perform stepgate.save_head(h);
  insert into stepgate.deliveries (tenant_uid, sink, run_uid)
  select s.tenant_uid, s.name, u.run_uid from stepgate.sinks s where s.tenant_uid = u.tenant_uid;
  return jsonb_build_object('outcome', 'created', 'run_uid', u.run_uid);
end $$;

-- Stores runs of one tenant, in the order given; results as of submit_run. Their audit rows come last, since the chain's head is
-- what all writers of a tenant share.
create or replace function stepgate.submit_runs(p_tenant uuid, p_runs jsonb[], p_steps jsonb[], p_edges jsonb[], p_blobs jsonb[])
returns setof jsonb language plpgsql as $$
declare
  v_results jsonb[] := '{}';
begin
  for v_n in 1 .. cardinality(p_runs) loop
    v_results := v_results || stepgate.submit_run(p_runs[v_n], p_steps[v_n], p_edges[v_n], p_blobs[v_n]);
  end loop;
  perform stepgate.append_audits(array_fill(p_tenant, array[cardinality(p_runs)]),
    array(select 'key:' || (r ->> 'caller_key_id') from unnest(p_runs) with ordinality as x (r, ord) order by x.ord),
    array(select case r ->> 'outcome' when 'created' then 'run.submit' end from unnest(v_results) with ordinality as x (r, ord) order by x.ord),
    array(select format('{"run_id":"%s"}', r ->> 'run_uid') from unnest(v_results) with ordinality as x (r, ord) order by x.ord));
  return query select r from unnest(v_results) with ordinality as x (r, ord) order by x.ord;
end $$;

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
  -- time spent paused does not count against deadlines (spec 01, stage deadline)
  update stepgate.steps set deadline_at = deadline_at + (now() - h.paused_at)
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
     where r.state = 'leased' and not exists
       (select 1 from stepgate.workers w where w.worker_id = r.lease_owner and w.lease_until > clock_timestamp())
     order by r.tenant_uid, r.run_uid, r.step_id limit p_limit for update of r skip locked)
  update stepgate.ready_steps r set state = 'queued', lease_owner = null
    from lapsed l where (r.tenant_uid, r.run_uid, r.step_id) = (l.tenant_uid, l.run_uid, l.step_id);
  get diagnostics v_count = row_count;
  delete from stepgate.workers w where w.lease_until < clock_timestamp() - interval '1 minute'
     and not exists (select 1 from stepgate.ready_steps r where r.lease_owner = w.worker_id and r.state <> 'queued');
  return v_count;
end $$;
