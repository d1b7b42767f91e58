-- The state machines of spec 00, stated once more where nobody can pass them by.

-- Every allowed step transition; the same table as core/state.ts, compared by a test.
create function stepgate.step_may_move(p_from text, p_to text) returns boolean
language sql immutable parallel safe as $$
  select case p_from
    when 'blocked' then p_to in ('queued', 'skipped', 'cancelled')
    when 'queued' then p_to in ('leased', 'failed', 'skipped', 'cancelled')
    when 'leased' then p_to in ('queued', 'held', 'failed', 'running', 'cancelled')
    when 'running' then p_to in ('waiting', 'succeeded', 'failed', 'queued', 'cancelled')
    when 'held' then p_to in ('queued', 'failed', 'skipped', 'cancelled')
    when 'waiting' then p_to in ('queued', 'succeeded', 'failed', 'cancelled')
    when 'failed' then p_to in ('queued')
    else false
  end
$$;

create function stepgate.run_may_move(p_from text, p_to text) returns boolean
language sql immutable parallel safe as $$
  select case p_from
    when 'pending' then p_to in ('running', 'paused_at_step', 'cancelling', 'failed', 'cancelled')
    when 'running' then p_to in ('succeeded', 'failed', 'compensating', 'paused_at_step', 'cancelling', 'pending')
    when 'paused_at_step' then p_to in ('pending', 'running', 'compensating', 'cancelling', 'succeeded', 'failed')
    when 'cancelling' then p_to in ('compensating', 'cancelled')
    when 'compensating' then p_to in ('failed', 'cancelled', 'paused_at_step')
    else false
  end
$$;

create function stepgate.refuse_transition(p_what text, p_from text, p_to text) returns void
language plpgsql as $$
begin
  raise exception '% may not move from % to %', p_what, p_from, p_to using errcode = 'SG001';
end $$;

create function stepgate.guard_step_status() returns trigger
language plpgsql as $$
declare
  v_from text := old.status;
begin
  if new.status = old.status then
    return new;
  end if;
  if old.status = 'queued' then
    -- queued in this table covers what the ready row says more exactly
    select state into v_from from stepgate.ready_steps
     where (tenant_uid, run_uid, step_id) = (old.tenant_uid, old.run_uid, old.step_id);
    v_from := coalesce(v_from, 'queued');
  end if;
  if not stepgate.step_may_move(v_from, new.status) then
    perform stepgate.refuse_transition('step', v_from, new.status);
  end if;
  return new;
end $$;
create trigger steps_status_guard before update of status on stepgate.steps
  for each row execute function stepgate.guard_step_status();

create function stepgate.guard_new_step() returns trigger
language plpgsql as $$
begin
  if new.status not in ('queued', 'blocked') then
    perform stepgate.refuse_transition('step', '(new)', new.status);
  end if;
  return new;
end $$;
create trigger steps_insert_guard before insert on stepgate.steps
  for each row execute function stepgate.guard_new_step();

create function stepgate.guard_ready_state() returns trigger
language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'queued' then
      perform stepgate.refuse_transition('step', '(new)', new.state);
    end if;
  elsif new.state <> old.state and not stepgate.step_may_move(old.state, new.state) then
    perform stepgate.refuse_transition('step', old.state, new.state);
  end if;
  return new;
end $$;
create trigger ready_steps_state_guard before insert or update of state on stepgate.ready_steps
  for each row execute function stepgate.guard_ready_state();

create function stepgate.guard_run_status() returns trigger
language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' then
      perform stepgate.refuse_transition('run', '(new)', new.status);
    end if;
  elsif new.status <> old.status and not stepgate.run_may_move(old.status, new.status) then
    perform stepgate.refuse_transition('run', old.status, new.status);
  end if;
  return new;
end $$;
create trigger run_heads_status_guard before insert or update of status on stepgate.run_heads
  for each row execute function stepgate.guard_run_status();

-- The word of spec 00 for each step.
create view stepgate.step_states as
  select s.tenant_uid, s.run_uid, s.step_id, coalesce(r.state, s.status) as state
    from stepgate.steps s
    left join stepgate.ready_steps r on s.status = 'queued'
     and (r.tenant_uid, r.run_uid, r.step_id) = (s.tenant_uid, s.run_uid, s.step_id);

-- Records, attempts, ledger and audit rows are only ever added.
create function stepgate.refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception 'rows of % are only ever added', tg_table_name using errcode = 'SG003';
end $$;
create trigger records_append_only before update on stepgate.records
  for each row execute function stepgate.refuse_change();
create trigger record_batches_append_only before update on stepgate.record_batches
  for each row execute function stepgate.refuse_change();
create trigger step_attempts_append_only before update on stepgate.step_attempts
  for each row execute function stepgate.refuse_change();
create trigger cost_ledger_append_only before update on stepgate.cost_ledger
  for each row execute function stepgate.refuse_change();
create trigger audit_log_append_only before update or delete on stepgate.audit_log
  for each row execute function stepgate.refuse_change();
create trigger run_events_append_only before update on stepgate.run_events
  for each row execute function stepgate.refuse_change();
