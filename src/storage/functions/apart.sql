-- What stands apart from what a claim walks over: steps of paused runs, and steps whose not_before has not come. However many
-- there are, no claim looks at them. The marks are kept by triggers, whoever writes what they go by; a trigger needs its
-- function, and so stands beside it.

-- Of a row of the queue whose not_before is written: whether it has come.
create or replace function stepgate.mark_later() returns trigger language plpgsql as $$
begin
  new.is_later := new.not_before > clock_timestamp();
  return new;
end $$;
create or replace trigger ready_steps_later before insert or update of not_before on stepgate.ready_steps
  for each row when (new.is_later is distinct from (new.not_before > clock_timestamp())) execute function stepgate.mark_later();

-- Takes back what came due, the earliest first: so many that one call stays short (5 ms), and the next claim takes more.
create or replace function stepgate.take_back_due(p_tenant uuid, p_now timestamptz) returns void language plpgsql as $$
begin
  update stepgate.ready_steps r set is_later = false from (
    select q.tenant_uid, q.run_uid, q.step_id from stepgate.ready_steps q
     where q.tenant_uid = p_tenant and q.lease_owner is null and q.is_later and not q.is_stopped and q.not_before <= p_now
     order by q.not_before limit 512 for update skip locked) l
   where (r.tenant_uid, r.run_uid, r.step_id) = (l.tenant_uid, l.run_uid, l.step_id);
end $$;

-- Of a run that is paused, or is no longer: its rows of the queue, as many as max_parallel at most, and its steps that have a
-- deadline, which stands still meanwhile. What gets a row, or is queued, while the run is paused is marked with that.
create or replace function stepgate.mark_stopped() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  update stepgate.ready_steps r set is_stopped = (new.status = 'paused_at_step')
   where r.tenant_uid = new.tenant_uid and r.run_uid = new.run_uid and r.is_stopped <> (new.status = 'paused_at_step');
  if new.status = 'paused_at_step' then
    update stepgate.steps s set is_stopped = true
     where s.tenant_uid = new.tenant_uid and s.run_uid = new.run_uid and s.status = 'queued' and s.deadline_at is not null;
  else
    update stepgate.steps s set is_stopped = false
     where s.tenant_uid = new.tenant_uid and s.run_uid = new.run_uid and s.is_stopped;
  end if;
  return null;
end $$;
create or replace trigger run_heads_stopped after update of status on stepgate.run_heads
  for each row when ((old.status = 'paused_at_step') <> (new.status = 'paused_at_step')) execute function stepgate.mark_stopped();
