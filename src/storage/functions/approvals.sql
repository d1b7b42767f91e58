-- Approvals: opened beside a held step, decided or expired together with the step's move, under the run's lock.

-- The row of a step that is held now. What was shown before is not what would run now: it is void.
create or replace function stepgate.open_approval(h stepgate.run_heads, i stepgate.settlement) returns void language plpgsql as $$
begin
  perform stepgate.void_approvals(h, i.step_id);
  insert into stepgate.approvals (tenant_uid, approval_id, run_uid, step_id, hold_record, shown_digest, shown_blob, role,
                                  lease_epoch, held_since, expires_at)
  select i.tenant_uid, a.approval_id, i.run_uid, i.step_id, a.hold_record, a.shown_digest, a.shown_blob, a.role, i.lease_epoch,
         case when h.status = 'paused_at_step' then h.paused_at else now() end, to_timestamp(a.expires_at_ms / 1000.0)
    from jsonb_to_record(i.approval) as a (approval_id uuid, hold_record text, shown_digest text, shown_blob uuid, role text,
                                           expires_at_ms bigint);
end $$;

-- A step that ended, or is held anew, leaves no approval behind that somebody could still give or use.
create or replace function stepgate.void_approvals(h stepgate.run_heads, p_step text) returns void language sql as $$
  update stepgate.approvals set state = 'void'
   where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step) and state in ('open', 'approved')
$$;

-- Whether an owner, who has these keys, submitted or resumed the run, or one that it was forked from: nobody approves what is
-- partly their own.
create or replace function stepgate.is_own_run(p_tenant uuid, p_run uuid, p_owner text, p_keys jsonb) returns boolean language sql stable as $$
  with recursive line (run_uid) as (
    select p_run
    union
    select f.origin_run from line l join stepgate.run_forks f on f.tenant_uid = p_tenant and f.run_uid = l.run_uid)
  select exists (select 1 from line l join stepgate.runs r on r.tenant_uid = p_tenant and r.run_uid = l.run_uid
                  where r.caller_owner = p_owner)
      or exists (select 1 from line l
                   join stepgate.run_events e on e.tenant_uid = p_tenant and e.run_uid = l.run_uid and e.type = 'run_resumed'
                  where p_keys ? substr(e.data ->> 'by', length('key:') + 1))
$$;

-- Ends one open approval with p_end: verdict approved, rejected or expired, who, records, events, the failed step's end.
-- Result: decided · same (so before) · other (otherwise before) · own · expired · void · missing; all but the first change
-- nothing. The clock is asked under the lock, so that a decision and the reaper cannot both be in time.
create or replace function stepgate.end_approval(p_tenant uuid, p_approval uuid, p_end jsonb, p_batches jsonb) returns text
language plpgsql as $$
declare
  a stepgate.approvals;
  h stepgate.run_heads;
  v_verdict text := p_end ->> 'verdict';
  v_outcome text;
begin
  select * into a from stepgate.approvals where tenant_uid = p_tenant and approval_id = p_approval;
  h := stepgate.lock_run(p_tenant, a.run_uid);
  if h.run_uid is null then
    return 'missing';
  end if;
  select * into a from stepgate.approvals where tenant_uid = p_tenant and approval_id = p_approval for update;
  v_outcome := stepgate.approval_outcome(a, v_verdict, p_end ->> 'owner', p_end -> 'keys');
  if v_outcome <> 'decided' then
    return v_outcome;
  end if;
  perform stepgate.insert_batches(p_batches);
  perform stepgate.insert_blobs(p_tenant, a.run_uid, p_end -> 'blobs');
  update stepgate.approvals
     set state = v_verdict, approval_record = p_end -> 'record' ->> 'record_id', decided_by = p_end ->> 'key_id',
         decided_owner = p_end ->> 'owner', reason_blob = (p_end ->> 'reason_blob')::uuid, decided_at = now()
   where tenant_uid = p_tenant and approval_id = p_approval;
  if v_verdict <> 'expired' then
    insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
    select p_tenant, r.record_id, a.run_uid, a.run_uid, a.step_id, null, 'approval', r.statement, r.batch_id, r.leaf_index
      from jsonb_to_record(p_end -> 'record') as r (record_id text, statement text, batch_id uuid, leaf_index integer);
    h := stepgate.append_event(h, case v_verdict when 'approved' then 'approval_granted' else 'approval_rejected' end, a.step_id,
                               p_end -> 'event');
  end if;
  perform stepgate.append_audit(p_tenant, p_end ->> 'actor', p_end ->> 'action', p_end ->> 'resource');
  if v_verdict = 'approved' then
    h := stepgate.release_held(h, a);
  else
    h := stepgate.fail_held(h, a, p_end -> 'step_end');
  end if;
  perform stepgate.save_head(h);
  return 'decided';
end $$;

create or replace function stepgate.approval_outcome(a stepgate.approvals, p_verdict text, p_owner text, p_keys jsonb) returns text
language plpgsql as $$
begin
  if stepgate.is_own_run(a.tenant_uid, a.run_uid, p_owner, p_keys) then
    return 'own';
  end if;
  if a.state in ('expired', 'void') then
    return a.state;
  end if;
  if a.state <> 'open' then
    return case when p_verdict = (case when a.state = 'consumed' then 'approved' else a.state end) then 'same' else 'other' end;
  end if;
  if p_verdict <> 'expired' and a.expires_at <= clock_timestamp() then
    return 'expired';
  end if;
  -- only the hold that the step is in now: a row opened again by hand decides nothing
  if not exists (select 1 from stepgate.steps s where (s.tenant_uid, s.run_uid, s.step_id) = (a.tenant_uid, a.run_uid, a.step_id)
                   and s.status = 'held' and s.last_record = a.hold_record) then
    return 'void';
  end if;
  return 'decided';
end $$;

-- held → queued. The deadline did not run meanwhile; while the run is paused, its resume adds the rest (resume_run).
create or replace function stepgate.release_held(h stepgate.run_heads, a stepgate.approvals) returns stepgate.run_heads
language plpgsql as $$
begin
  update stepgate.steps
     set deadline_at = deadline_at + (case when h.status = 'paused_at_step' then greatest(h.paused_at, a.held_since) else now() end
                                      - a.held_since)
   where (tenant_uid, run_uid, step_id) = (a.tenant_uid, a.run_uid, a.step_id) and deadline_at is not null;
  return stepgate.queue_step(h, a.step_id, 'approved');
end $$;

-- held → failed, with everything that follows from the end of a step. A held step has no queue row to give up.
create or replace function stepgate.fail_held(h stepgate.run_heads, a stepgate.approvals, p_end jsonb) returns stepgate.run_heads
language plpgsql as $$
declare
  s stepgate.steps;
begin
  insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, kind, statement, batch_id, leaf_index)
  select a.tenant_uid, r.record_id, a.run_uid, a.run_uid, a.step_id, 'refusal', r.statement, r.batch_id, r.leaf_index
    from jsonb_to_record(p_end -> 'record') as r (record_id text, statement text, batch_id uuid, leaf_index integer);
  insert into stepgate.artifacts (tenant_uid, artifact_id, kind, media_type, size_bytes, run_uid, step_id, metadata, bytes,
                                  batch_id, leaf_index)
  select a.tenant_uid, r.artifact_id, r.kind, r.media_type, octet_length(convert_to(r.body, 'UTF8')), a.run_uid, a.step_id,
         r.metadata, convert_to(r.body, 'UTF8'), r.batch_id, 0
    from jsonb_to_record(p_end -> 'artifact') as r (artifact_id text, kind text, media_type text, metadata jsonb, body text,
                                                    batch_id uuid)
  on conflict (tenant_uid, artifact_id, run_uid) do nothing;
  h := stepgate.append_event(h, 'step_refused', a.step_id, p_end -> 'event');
  insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
                                    actual_tokens, actual_usd_micros, usage_source)
  values (a.tenant_uid, a.run_uid, a.step_id, a.lease_epoch, 'refused', 0, 0, 0, 0, 'none');
  update stepgate.steps
     set status = 'failed', error_kind = p_end ->> 'error_kind', reasons = array[p_end ->> 'error_kind'],
         last_record = p_end -> 'record' ->> 'record_id', decision_artifact = p_end -> 'artifact' ->> 'artifact_id',
         ended_at = now(), ended_seq = h.head_seq
   where (tenant_uid, run_uid, step_id) = (a.tenant_uid, a.run_uid, a.step_id) returning * into s;
  if not s.is_target then
    h.open_steps := h.open_steps - 1;
    h.failed_steps := h.failed_steps + 1;
  end if;
  perform stepgate.append_audit(a.tenant_uid, p_end -> 'audit' ->> 'actor', 'step.failed', p_end -> 'audit' ->> 'resource');
  return stepgate.after_step(h, a.step_id, a.lease_epoch);
end $$;
