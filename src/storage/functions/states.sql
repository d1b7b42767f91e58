-- Every transition of a step, a run and a ready row that the database allows (spec 00); all others are refused.

-- Every allowed step transition; the same table as core/state.ts, compared by a test. In PL/pgSQL, as the next: a function of
-- SQL would be written into the conditions of triggers anew with each statement, which took longer than the update.
create or replace function stepgate.step_may_move(p_from text, p_to text) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return case p_from
    when 'blocked' then p_to in ('queued', 'skipped', 'cancelled')
    when 'queued' then p_to in ('leased', 'failed', 'skipped', 'cancelled')
    when 'leased' then p_to in ('queued', 'held', 'failed', 'running', 'cancelled')
    when 'running' then p_to in ('waiting', 'succeeded', 'failed', 'queued', 'cancelled')
    when 'held' then p_to in ('queued', 'failed', 'skipped', 'cancelled')
    when 'waiting' then p_to in ('queued', 'succeeded', 'failed', 'cancelled')
    when 'failed' then p_to in ('queued')
    else false
  end;
end $$;

create or replace function stepgate.run_may_move(p_from text, p_to text) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return case p_from
    when 'pending' then p_to in ('running', 'paused_at_step', 'cancelling', 'failed', 'cancelled')
    when 'running' then p_to in ('succeeded', 'failed', 'compensating', 'paused_at_step', 'cancelling', 'pending')
    when 'paused_at_step' then p_to in ('pending', 'running', 'compensating', 'cancelling', 'succeeded', 'failed')
    when 'cancelling' then p_to in ('compensating', 'cancelled')
    when 'compensating' then p_to in ('failed', 'cancelled', 'paused_at_step')
    else false
  end;
end $$;

create or replace function stepgate.refuse_transition(p_what text, p_from text, p_to text) returns void
language plpgsql as $$
begin
  raise exception '% may not move from % to %', p_what, p_from, p_to using errcode = 'SG001';
end $$;

-- The state of a step: queued in its row covers what its row in the queue says more exactly.
create or replace function stepgate.live_state(p_tenant uuid, p_run uuid, p_step text, p_status text) returns text
language plpgsql as $$
declare
  v_state text;
begin
  if p_status = 'queued' then
    select r.state into v_state from stepgate.ready_steps r where (r.tenant_uid, r.run_uid, r.step_id) = (p_tenant, p_run, p_step);
  end if;
  return coalesce(v_state, p_status);
end $$;

create or replace function stepgate.step_row_may_move(p_tenant uuid, p_run uuid, p_step text, p_from text, p_to text) returns boolean
language plpgsql as $$
begin
  return stepgate.step_may_move(stepgate.live_state(p_tenant, p_run, p_step, p_from), p_to);
end $$;

create or replace function stepgate.guard_step_status() returns trigger
language plpgsql as $$
begin
  perform stepgate.refuse_transition('step', stepgate.live_state(old.tenant_uid, old.run_uid, old.step_id, old.status), new.status);
  return null;
end $$;

-- Here, since its condition is a function of these files: a move that is allowed makes no rows into a trigger's records.
create or replace trigger steps_status_guard before update of status on stepgate.steps for each row
  when (old.status <> new.status and not stepgate.step_row_may_move(old.tenant_uid, old.run_uid, old.step_id, old.status, new.status))
  execute function stepgate.guard_step_status();

create or replace function stepgate.guard_new_step() returns trigger
language plpgsql as $$
begin
  if new.status not in ('queued', 'blocked') then
    perform stepgate.refuse_transition('step', '(new)', new.status);
  end if;
  return new;
end $$;

create or replace function stepgate.guard_ready_state() returns trigger
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

create or replace function stepgate.guard_run_status() returns trigger
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

-- Records, attempts, ledger and audit rows are only ever added.
create or replace function stepgate.refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception 'rows of % are only ever added', tg_table_name using errcode = 'SG003';
end $$;
