-- How a run moves when something in it ends. Each function takes the run's locked head row and returns it changed;
-- the caller writes it once at the end (save_head), so a transaction updates that row once however much happened.

create or replace function stepgate.append_event(h stepgate.run_heads, p_type text, p_step text, p_data jsonb)
returns stepgate.run_heads language plpgsql as $$
begin
  h.head_seq := h.head_seq + 1;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  values (h.tenant_uid, h.run_uid, h.head_seq, p_type, p_step, p_data);
  return h;
end $$;

create or replace function stepgate.save_head(h stepgate.run_heads) returns void language plpgsql as $$
begin
  update stepgate.run_heads
     set status = h.status, paused_from = h.paused_from, paused_step = h.paused_step, paused_at = h.paused_at,
         is_cancelled = h.is_cancelled, head_seq = h.head_seq, open_steps = h.open_steps, failed_steps = h.failed_steps,
         ready_rows = h.ready_rows, unplaced_steps = h.unplaced_steps
   where tenant_uid = h.tenant_uid and run_uid = h.run_uid;
end $$;

-- The head of the tenant's audit chain, locked; made with the tenant's first row.
create or replace function stepgate.lock_audit(p_tenant uuid) returns stepgate.audit_heads language plpgsql as $$
declare
  v_head stepgate.audit_heads;
begin
  select * into v_head from stepgate.audit_heads where tenant_uid = p_tenant for update;
  if not found then
    insert into stepgate.audit_heads (tenant_uid, seq, hash) values (p_tenant, 0, decode(repeat('00', 32), 'hex'))
      on conflict (tenant_uid) do nothing;
    select * into v_head from stepgate.audit_heads where tenant_uid = p_tenant for update;
  end if;
  return v_head;
end $$;

-- One link of the tenant's audit chain: hash = SHA-256(0x00 ‖ canonical JSON of the row without its hash).
create or replace function stepgate.audit_hash(p_actor text, p_action text, p_at_ms bigint, p_prev bytea, p_resource text, p_seq bigint)
returns bytea language sql stable as $$
  select sha256('\x00'::bytea || convert_to(format(
    '{"action":%s,"actor":%s,"at_ms":%s,"prev":"%s","resource":%s,"seq":%s}',
    to_json(p_action), to_json(p_actor), p_at_ms, encode(p_prev, 'hex'), p_resource, p_seq), 'UTF8'))
$$;

create or replace function stepgate.append_audit(p_tenant uuid, p_actor text, p_action text, p_resource text) returns void
language sql as $$
  select stepgate.append_audits(array[p_tenant], array[p_actor], array[p_action], array[p_resource])
$$;

-- Gives a queued step its row in the hot queue; its place in the order is written here, once (spec 02, order).
create or replace function stepgate.place_step(h stepgate.run_heads, s stepgate.steps) returns stepgate.run_heads
language plpgsql as $$
begin
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at,
                                    not_before, attempts_made, is_alone, is_stopped)
  values (s.tenant_uid, s.run_uid, s.step_id, s.type, s.queue_target_ms is not null,
          coalesce(s.first_ready_at + s.queue_target_ms * interval '1 millisecond', 'infinity'), s.priority,
          s.first_ready_at, s.first_ready_at, s.attempts_made, s.lost_attempts > 0, h.status = 'paused_at_step');
  h.ready_rows := h.ready_rows + 1;
  return h;
end $$;

-- A blocked or held step becomes queued, with a row while the run has room for one.
create or replace function stepgate.queue_step(h stepgate.run_heads, p_step text, p_reason text)
returns stepgate.run_heads language plpgsql as $$
declare
  s stepgate.steps;
begin
  update stepgate.steps u
     set status = 'queued', first_ready_at = coalesce(u.first_ready_at, now()),
         deadline_at = coalesce(u.deadline_at,
           case when u.deadline_ms > 0 then now() + u.deadline_ms * interval '1 millisecond' end),
         is_stopped = h.status = 'paused_at_step' and u.deadline_ms > 0
   where (u.tenant_uid, u.run_uid, u.step_id) = (h.tenant_uid, h.run_uid, p_step) returning * into s;
  if h.ready_rows < h.max_parallel then
    h := stepgate.place_step(h, s);
  else
    h.unplaced_steps := h.unplaced_steps + 1;
  end if;
  return stepgate.append_event(h, 'step_queued', p_step, jsonb_build_object('reason', p_reason));
end $$;

-- Takes a step out of the hot queue and lets the next one in, in plan order.
create or replace function stepgate.drop_ready(h stepgate.run_heads, p_step text) returns stepgate.run_heads
language plpgsql as $$
begin
  delete from stepgate.ready_steps where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step);
  if not found then
    h.unplaced_steps := greatest(h.unplaced_steps - 1, 0);
    return h;
  end if;
  h.ready_rows := h.ready_rows - 1;
  if h.unplaced_steps > 0 and h.ready_rows < h.max_parallel then
    h := stepgate.place_next(h, 1, p_step);
  end if;
  return h;
end $$;

-- Gives the next steps of a run, in plan order, the places in the queue that became free; p_but is leaving it. With
-- p_overdue_at only those whose time is up by then.
create or replace function stepgate.place_next(h stepgate.run_heads, p_places integer, p_but text default null,
  p_overdue_at timestamptz default null) returns stepgate.run_heads language plpgsql as $$
declare
  v_placed integer;
begin
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at,
                                    not_before, attempts_made, is_alone, is_stopped)
  select s.tenant_uid, s.run_uid, s.step_id, s.type, s.queue_target_ms is not null,
         coalesce(s.first_ready_at + s.queue_target_ms * interval '1 millisecond', 'infinity'), s.priority,
         s.first_ready_at, s.first_ready_at, s.attempts_made, s.lost_attempts > 0, h.status = 'paused_at_step'
    from stepgate.steps s
   where s.tenant_uid = h.tenant_uid and s.run_uid = h.run_uid and s.status = 'queued' and s.step_id is distinct from p_but
     and not exists (select 1 from stepgate.ready_steps q
                      where (q.tenant_uid, q.run_uid, q.step_id) = (s.tenant_uid, s.run_uid, s.step_id))
     and (p_overdue_at is null or s.deadline_at <= p_overdue_at
          or (h.time_limit_at <= p_overdue_at and h.status in ('pending', 'running') and not s.is_target))
   order by s.idx limit p_places;
  get diagnostics v_placed = row_count;
  h.unplaced_steps := h.unplaced_steps - v_placed;
  h.ready_rows := h.ready_rows + v_placed;
  return h;
end $$;

create or replace function stepgate.schedule_compensation(h stepgate.run_heads, p_origin stepgate.steps, p_epoch bigint)
returns stepgate.run_heads language plpgsql as $$
begin
  if p_origin.is_compensation_scheduled then
    return h;
  end if;
  update stepgate.steps set is_compensation_scheduled = true
   where tenant_uid = h.tenant_uid and run_uid = h.run_uid and step_id in (p_origin.step_id, p_origin.compensation_step);
  h := stepgate.append_event(h, 'compensation_scheduled', p_origin.step_id,
    jsonb_build_object('origin', p_origin.step_id, 'target', p_origin.compensation_step));
  insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
                                    actual_tokens, actual_usd_micros, usage_source)
  values (h.tenant_uid, h.run_uid, p_origin.step_id, p_epoch, 'compensation_scheduled', 0, 0, 0, 0, 'none');
  perform stepgate.append_audit(h.tenant_uid, 'scheduler', 'step.compensation', format(
    '{"compensation_step":%s,"run_id":"%s","step_id":%s}',
    to_json(p_origin.compensation_step), h.run_uid, to_json(p_origin.step_id)));
  return h;
end $$;

create or replace function stepgate.skip_step(h stepgate.run_heads, p_step text, p_reason text)
returns stepgate.run_heads language plpgsql as $$
declare
  s stepgate.steps;
  v_was text;
begin
  h := stepgate.append_event(h, 'step_skipped', p_step, jsonb_build_object('reason', p_reason));
  select status into v_was from stepgate.steps
   where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step);
  update stepgate.steps set status = 'skipped', reasons = array[p_reason], ended_at = now(), ended_seq = h.head_seq
   where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step) returning * into s;
  if v_was = 'queued' then
    h := stepgate.drop_ready(h, p_step);
  elsif v_was = 'held' then
    perform stepgate.void_approvals(h, p_step);
  end if;
  if not s.is_target then
    h.open_steps := h.open_steps - 1;
  end if;
  return h;
end $$;

-- The digest of what succeeded: canonical map step → keyed digest of its output (spec 08, snapshots).
create or replace function stepgate.snapshot_id(p_tenant uuid, p_run uuid) returns text language plpgsql as $$
begin
  return (select encode(sha256(convert_to('{' || coalesce(string_agg(to_json(s.step_id)::text || ':' || to_json(s.output_digest)::text, ','
            order by s.step_id collate "C"), '') || '}', 'UTF8')), 'hex')
    from stepgate.steps s where s.tenant_uid = p_tenant and s.run_uid = p_run and s.output_digest is not null);
end $$;

create or replace function stepgate.end_run(h stepgate.run_heads) returns stepgate.run_heads language plpgsql as $$
declare
  v_snapshot text := stepgate.snapshot_id(h.tenant_uid, h.run_uid);
  v_status text := case when h.is_cancelled then 'cancelled' when h.failed_steps > 0 then 'failed' else 'succeeded' end;
begin
  h := stepgate.append_event(h, 'run_' || v_status, null, jsonb_build_object('final_snapshot_id', v_snapshot));
  h.status := v_status;
  h.paused_from := null;
  h.paused_step := null;
  h.paused_at := null;
  update stepgate.runs set ended_at = now(), final_snapshot_id = v_snapshot
   where (tenant_uid, run_uid) = (h.tenant_uid, h.run_uid);
  insert into stepgate.jobs (tenant_uid, run_uid, kind) values (h.tenant_uid, h.run_uid, 'seal');
  perform stepgate.append_audit(h.tenant_uid, 'scheduler', 'run.' || v_status, format('{"run_id":"%s"}', h.run_uid));
  return h;
end $$;

-- No step but targets is open: schedule what is owed, then run the targets one after another, then end.
create or replace function stepgate.finish_run(h stepgate.run_heads) returns stepgate.run_heads language plpgsql as $$
declare
  s record;
  v_next text;
begin
  if h.status = 'paused_at_step' or h.open_steps > 0 then
    return h;
  end if;
  if h.status <> 'compensating' then
    for s in
      select t.step_id, o as origin, coalesce((select max(lease_epoch) from stepgate.step_attempts a
               where (a.tenant_uid, a.run_uid, a.step_id) = (o.tenant_uid, o.run_uid, o.step_id)), 0) as lease_epoch
        from stepgate.steps t
        join stepgate.steps o on (o.tenant_uid, o.run_uid, o.step_id) = (t.tenant_uid, t.run_uid, t.origin_step)
       where t.tenant_uid = h.tenant_uid and t.run_uid = h.run_uid and t.is_target and t.status = 'blocked'
         and not t.is_compensation_scheduled
       order by t.idx
    loop
      if (h.failed_steps > 0 or h.is_cancelled) and (s.origin).attempts_made > 0 then
        h := stepgate.schedule_compensation(h, s.origin, s.lease_epoch);
      else
        h := stepgate.skip_step(h, s.step_id, 'compensation_not_needed');
      end if;
    end loop;
  end if;
  if exists (select 1 from stepgate.steps where tenant_uid = h.tenant_uid and run_uid = h.run_uid and is_target
              and status in ('queued', 'held', 'waiting')) then
    return h;
  end if;
  -- reverse order of the origins' completion (spec 02, compensation)
  select t.step_id into v_next from stepgate.steps t
    join stepgate.steps o on (o.tenant_uid, o.run_uid, o.step_id) = (t.tenant_uid, t.run_uid, t.origin_step)
   where t.tenant_uid = h.tenant_uid and t.run_uid = h.run_uid and t.is_target and t.status = 'blocked'
   order by o.ended_seq desc limit 1;
  if v_next is null then
    return stepgate.end_run(h);
  end if;
  if h.status <> 'compensating' then
    h := stepgate.append_event(h, 'run_compensating', null, '{}');
    h.status := 'compensating';
  end if;
  return stepgate.queue_step(h, v_next, 'compensation');
end $$;

-- What follows from the end of one step: successors, skips, its compensation, and perhaps the end of the run.
create or replace function stepgate.after_step(h stepgate.run_heads, p_step text, p_epoch bigint)
returns stepgate.run_heads language plpgsql as $$
declare
  s stepgate.steps;
  v_next text;
begin
  select * into s from stepgate.steps where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step);
  if s.status = 'succeeded' then
    for v_next in
      update stepgate.steps n set pending_dependencies = n.pending_dependencies - 1
        from stepgate.step_edges e
       where e.tenant_uid = h.tenant_uid and e.run_uid = h.run_uid and e.from_step = p_step
         and n.tenant_uid = h.tenant_uid and n.run_uid = h.run_uid and n.step_id = e.to_step
      returning case when n.pending_dependencies = 0 and n.status = 'blocked' then n.step_id end
    loop
      if v_next is not null and not h.is_cancelled then
        h := stepgate.queue_step(h, v_next, 'dependencies_satisfied');
      end if;
    end loop;
  elsif not h.is_cancelled then
    for v_next in
      with recursive down (step_id) as (
        select e.to_step from stepgate.step_edges e
         where e.tenant_uid = h.tenant_uid and e.run_uid = h.run_uid and e.from_step = p_step
        union
        select e.to_step from down d join stepgate.step_edges e
            on e.tenant_uid = h.tenant_uid and e.run_uid = h.run_uid and e.from_step = d.step_id)
      select n.step_id from down d join stepgate.steps n
          on n.tenant_uid = h.tenant_uid and n.run_uid = h.run_uid and n.step_id = d.step_id
       where n.status = 'blocked' order by n.idx
    loop
      h := stepgate.skip_step(h, v_next, 'dependency_failed');
      h := stepgate.settle_target_of(h, v_next, p_epoch);
    end loop;
  end if;
  h := stepgate.settle_target_of(h, p_step, p_epoch);
  if s.status = 'failed' and h.fail_fast and not s.is_target and not h.is_cancelled then
    h := stepgate.skip_open_steps(h, p_epoch);
  end if;
  return stepgate.finish_run(h);
end $$;

-- Decides what becomes of a step's compensation target once the step has ended.
create or replace function stepgate.settle_target_of(h stepgate.run_heads, p_step text, p_epoch bigint)
returns stepgate.run_heads language plpgsql as $$
declare
  s stepgate.steps;
begin
  select * into s from stepgate.steps where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step);
  if s.compensation_step is null or s.is_compensation_scheduled then
    return h;
  end if;
  if s.attempts_made = 0 or (s.status = 'succeeded' and s.compensation_on = 'failure_of_step') then
    return stepgate.skip_step(h, s.compensation_step, 'compensation_not_needed');
  end if;
  if s.compensation_on = 'failure_of_step' then
    return stepgate.schedule_compensation(h, s, p_epoch);
  end if;
  return h;
end $$;

-- fail_fast: skips what has not been claimed; leased steps are handed back by admit and skipped then, running ones settle.
create or replace function stepgate.skip_open_steps(h stepgate.run_heads, p_epoch bigint) returns stepgate.run_heads
language plpgsql as $$
declare
  v_next text;
begin
  for v_next in
    select n.step_id from stepgate.steps n
     where n.tenant_uid = h.tenant_uid and n.run_uid = h.run_uid and not n.is_target
       and n.status in ('blocked', 'queued', 'held')
       and not exists (select 1 from stepgate.ready_steps q where (q.tenant_uid, q.run_uid, q.step_id) =
                         (n.tenant_uid, n.run_uid, n.step_id) and q.state <> 'queued')
     order by n.idx desc
  loop
    h := stepgate.skip_step(h, v_next, 'fail_fast');
    h := stepgate.settle_target_of(h, v_next, p_epoch);
  end loop;
  return h;
end $$;
