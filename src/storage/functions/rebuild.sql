-- A run's projection put back from its log (spec 00, one log per run). The states are walked to, not written: the guards
-- of states.sql hold here too, and a state that no life leads to is refused.

-- Replaces steps, edges, queue rows, breakpoints, budget and head of one run with p_rows, made of events 1 … p_expected_seq,
-- and makes good what the log owes (p_owed): steps to skip or to cancel, compensations to schedule, the run's end.
-- Result: rebuilt (audited) · conflict (the log has grown) · missing. Attempts, ledger, records and approvals are facts and
-- stay.
create or replace function stepgate.rebuild_run(p_tenant uuid, p_run uuid, p_expected_seq bigint, p_rows jsonb, p_owed jsonb,
  p_actor text) returns text
language plpgsql as $$
declare
  h stepgate.run_heads;
  v_new stepgate.run_heads := jsonb_populate_record(null::stepgate.run_heads, p_rows -> 'head');
begin
  -- whatever appends holds the head's lock; where the head is gone, the run's own row stands in for it
  h := stepgate.lock_run(p_tenant, p_run);
  perform 1 from stepgate.runs where tenant_uid = p_tenant and run_uid = p_run for update;
  if not found then
    return 'missing';
  end if;
  if (select max(seq) from stepgate.run_events where tenant_uid = p_tenant and run_uid = p_run) is distinct from p_expected_seq then
    return 'conflict';
  end if;
  delete from stepgate.ready_steps where tenant_uid = p_tenant and run_uid = p_run;
  delete from stepgate.steps where tenant_uid = p_tenant and run_uid = p_run;
  delete from stepgate.step_edges where tenant_uid = p_tenant and run_uid = p_run;
  delete from stepgate.breakpoints where tenant_uid = p_tenant and run_uid = p_run;
  delete from stepgate.budgets where tenant_uid = p_tenant and run_uid = p_run;
  perform stepgate.rebuild_steps(p_tenant, p_run, p_rows);
  insert into stepgate.step_edges (tenant_uid, run_uid, from_step, to_step)
  select p_tenant, p_run, e ->> 0, e ->> 1 from jsonb_array_elements(p_rows -> 'edges') e;
  insert into stepgate.breakpoints (tenant_uid, run_uid, target, value)
  select p_tenant, p_run, b.target, b.value from jsonb_to_recordset(p_rows -> 'breakpoints') as b (target text, value text);
  insert into stepgate.budgets select (b).* from jsonb_populate_recordset(null::stepgate.budgets, p_rows -> 'budgets') b;
  update stepgate.runs u set started_at = r.started_at, ended_at = r.ended_at, final_snapshot_id = r.final_snapshot_id
    from jsonb_to_record(p_rows -> 'run') as r (started_at timestamptz, ended_at timestamptz, final_snapshot_id text)
   where u.tenant_uid = p_tenant and u.run_uid = p_run;
  perform stepgate.rebuild_head(h, v_new);
  if v_new.status in ('succeeded', 'failed', 'cancelled')
     and not exists (select 1 from stepgate.records where tenant_uid = p_tenant and run_uid = p_run and window_uid = p_run and kind = 'seal') then
    insert into stepgate.jobs (tenant_uid, run_uid, kind) values (p_tenant, p_run, 'seal') on conflict do nothing;
  elsif v_new.status not in ('succeeded', 'failed', 'cancelled') then
    perform stepgate.make_good(p_tenant, p_run, p_owed);
  end if;
  perform stepgate.append_audit(p_tenant, p_actor, 'run.rebuild', format('{"run_id":"%s","seq":%s}', p_run, p_expected_seq));
  return 'rebuilt';
end $$;

-- What whoever wrote the log's last line would have written next, in plan order (runs/resume.ts): nothing, for a log that was
-- written here, since a settlement and all that follows from it are one transaction.
create or replace function stepgate.make_good(p_tenant uuid, p_run uuid, p_owed jsonb) returns void language plpgsql as $$
declare
  h stepgate.run_heads := stepgate.lock_run(p_tenant, p_run);
  a record;
begin
  for a in
    select e.value ->> 'step' as step, e.value ->> 'kind' as kind, e.value ->> 'reason' as reason,
           o as origin,
           coalesce((select max(t.lease_epoch) from stepgate.step_attempts t
                      where (t.tenant_uid, t.run_uid, t.step_id) = (o.tenant_uid, o.run_uid, o.step_id)), 0) as lease_epoch
      from jsonb_array_elements(p_owed) with ordinality e (value, place)
      left join stepgate.steps o on (o.tenant_uid, o.run_uid, o.step_id) = (p_tenant, p_run, e.value ->> 'origin')
     order by e.place
  loop
    case a.kind
      when 'skip' then h := stepgate.skip_step(h, a.step, a.reason);
      when 'cancel' then h := stepgate.cancel_step(h, a.step);
      when 'schedule_compensation' then h := stepgate.schedule_compensation(h, a.origin, a.lease_epoch);
    end case;
  end loop;
  h := stepgate.finish_run(h);
  perform stepgate.save_head(h);
end $$;

-- The head as it should be. One that is there in the right state is changed in place: whoever waits for its lock finds it.
create or replace function stepgate.rebuild_head(p_old stepgate.run_heads, p_new stepgate.run_heads) returns void
language plpgsql as $$
declare
  v_status text;
  v_path text[] := case when p_new.status in ('succeeded', 'compensating') then array['running', p_new.status]
                        else array[p_new.status] end;
begin
  if p_old.status is distinct from p_new.status then
    delete from stepgate.run_heads where tenant_uid = p_new.tenant_uid and run_uid = p_new.run_uid;
    insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, max_parallel)
    values (p_new.tenant_uid, p_new.run_uid, 'pending', p_new.open_steps, p_new.max_parallel);
    foreach v_status in array v_path loop
      update stepgate.run_heads
         set status = v_status, paused_from = case when v_status = 'paused_at_step' then p_new.paused_from end
       where tenant_uid = p_new.tenant_uid and run_uid = p_new.run_uid;
    end loop;
  end if;
  perform stepgate.save_head(p_new);
  update stepgate.run_heads h set max_parallel = p_new.max_parallel, fail_fast = p_new.fail_fast, time_limit_at = u.time_limit_at
    from stepgate.runs u
   where (h.tenant_uid, h.run_uid) = (p_new.tenant_uid, p_new.run_uid) and (u.tenant_uid, u.run_uid) = (h.tenant_uid, h.run_uid);
end $$;

-- Steps begin blocked or queued and are led to their state: skipped from blocked, held from leased, what was started from
-- running, all others from queued. Queue rows that nobody needs any more go again.
create or replace function stepgate.rebuild_steps(p_tenant uuid, p_run uuid, p_rows jsonb) returns void language plpgsql as $$
declare
  v_steps stepgate.steps[] := array(select s from jsonb_populate_recordset(null::stepgate.steps, p_rows -> 'steps') s);
  v_states jsonb := p_rows -> 'states';
  v_is_stopped boolean := p_rows -> 'head' ->> 'status' = 'paused_at_step';
  v_row stepgate.ready_steps;
begin
  v_row.is_stopped := v_is_stopped;
  insert into stepgate.steps
  select (jsonb_populate_record(s, jsonb_build_object('ended_at', null,
            'is_stopped', v_is_stopped and s.status = 'queued' and s.deadline_at is not null,
            'status', case when s.status in ('blocked', 'skipped') then 'blocked' else 'queued' end))).*
    from unnest(v_steps) s;
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before,
                                    attempts_made)
  select p_tenant, p_run, s.step_id, s.type, false, 'infinity', 0, now(), now(), 0 from unnest(v_steps) s
   where v_states ->> s.step_id in ('held', 'waiting', 'succeeded', 'running');
  update stepgate.ready_steps set state = 'leased', lease_owner = 'rebuild', lease_epoch = 0
   where tenant_uid = p_tenant and run_uid = p_run;
  update stepgate.ready_steps set state = 'running', started_at = now()
   where tenant_uid = p_tenant and run_uid = p_run and v_states ->> step_id <> 'held';
  update stepgate.steps t set status = s.status, ended_at = s.ended_at
    from unnest(v_steps) s
   where t.tenant_uid = p_tenant and t.run_uid = p_run and t.step_id = s.step_id and s.status not in ('blocked', 'queued');
  delete from stepgate.ready_steps where tenant_uid = p_tenant and run_uid = p_run and v_states ->> step_id <> 'running';
  update stepgate.ready_steps q
     set is_contracted = r.is_contracted, breach_at = r.breach_at, priority = r.priority, ready_at = r.ready_at,
         not_before = r.not_before, attempts_made = r.attempts_made, is_alone = r.is_alone, lease_owner = r.lease_owner,
         lease_epoch = r.lease_epoch, started_at = r.started_at, reserved_tokens = r.reserved_tokens,
         reserved_usd_micros = r.reserved_usd_micros, admission_record = r.admission_record, jti = r.jti,
         is_stopped = v_is_stopped
    from jsonb_populate_recordset(null::stepgate.ready_steps, p_rows -> 'ready') r
   where q.tenant_uid = p_tenant and q.run_uid = p_run and q.step_id = r.step_id;
  insert into stepgate.ready_steps select (r).* from jsonb_populate_recordset(v_row, p_rows -> 'ready') r
   where r.state = 'queued';
end $$;
