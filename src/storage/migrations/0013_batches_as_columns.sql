-- Batches of admissions and settlements come as columns and are written by statements over all of them, no longer item by
-- item through JSON.
drop function stepgate.admit_steps(text, jsonb, jsonb);
drop function stepgate.start_step(stepgate.run_heads, stepgate.admission, text);
drop function stepgate.settle_steps(text, boolean, jsonb, jsonb);
drop function stepgate.store_evidence(stepgate.settlement);
drop function stepgate.close_attempt(stepgate.run_heads, stepgate.settlement, stepgate.ready_steps);
drop function stepgate.append_events(stepgate.run_heads, stepgate.settlement);
drop function stepgate.lock_batch(jsonb);
drop type stepgate.admission;
alter type stepgate.settlement add attribute artifact_id text;

-- A record and its batch are written by one function in one transaction; the check of each row cost more than the row.
alter table stepgate.records drop constraint records_batch_id_fkey;
alter table stepgate.artifacts drop constraint artifacts_batch_id_fkey;

-- The state machines as conditions of their triggers: a move that is allowed calls nothing.
drop trigger ready_steps_state_guard on stepgate.ready_steps;
create trigger ready_steps_insert_guard before insert on stepgate.ready_steps
  for each row when (new.state <> 'queued') execute function stepgate.guard_ready_state();
create trigger ready_steps_state_guard before update of state on stepgate.ready_steps
  for each row when (old.state <> new.state and not stepgate.step_may_move(old.state, new.state))
  execute function stepgate.guard_ready_state();
drop trigger run_heads_status_guard on stepgate.run_heads;
create trigger run_heads_insert_guard before insert on stepgate.run_heads
  for each row when (new.status <> 'pending') execute function stepgate.guard_run_status();
create trigger run_heads_status_guard before update of status on stepgate.run_heads
  for each row when (old.status <> new.status and not stepgate.run_may_move(old.status, new.status))
  execute function stepgate.guard_run_status();
drop trigger steps_insert_guard on stepgate.steps;
create trigger steps_insert_guard before insert on stepgate.steps
  for each row when (new.status not in ('queued', 'blocked')) execute function stepgate.guard_new_step();
drop trigger steps_status_guard on stepgate.steps;
create trigger steps_status_guard before update of status on stepgate.steps
  for each row when (old.status <> new.status) execute function stepgate.guard_step_status();

-- What is sealed does not compress; what is written in the clear does, and faster with lz4 where the server has it.
alter table stepgate.blobs alter column sealed set storage external;
do $$
begin
  alter table stepgate.records alter column statement set compression lz4;
  alter table stepgate.artifacts alter column bytes set compression lz4, alter column metadata set compression lz4;
  alter table stepgate.evaluations alter column body set compression lz4;
  alter table stepgate.run_events alter column data set compression lz4;
  alter table stepgate.steps alter column spec set compression lz4;
exception when feature_not_supported then null;
end $$;
