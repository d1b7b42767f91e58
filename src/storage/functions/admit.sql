-- The transaction before the effect: fence, reserve, record, start; a whole batch in one call. A step that may not pass
-- drops out of its batch alone.

-- Admits a batch. p_batch is the signed statement over all admission records of the batch; a step that drops out leaves
-- the digest of its never stored record among the leaves and nothing else.
-- Outcome per step: started · stale (lease lost) · changed (decide anew) · run_stopped · caller_revoked · quota_wait ·
-- quota_exceeded · budget_exceeded, with detail.
create or replace function stepgate.admit_steps(p_worker text, p_items jsonb, p_batch jsonb)
returns table (ordinal integer, outcome text, detail jsonb) language plpgsql as $$
declare
  i stepgate.admission;
  h stepgate.run_heads;
  v_step record;
  v_outcome text;
  v_detail jsonb;
  v_started integer := 0;
begin
  perform stepgate.lock_batch(p_items);
  -- the batch row must stand before records can point at it; it is taken back below when nothing was admitted
  perform stepgate.insert_batch(p_batch);
  for i in select * from jsonb_populate_recordset(null::stepgate.admission, p_items) a
            order by a.tenant_uid, a.run_uid, a.ordinal
  loop
    v_detail := null;
    select * into h from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (i.tenant_uid, i.run_uid);
    select r.state, s.is_target into v_step from stepgate.ready_steps r
      join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (r.tenant_uid, r.run_uid, r.step_id)
     where (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
       and r.lease_epoch = i.lease_epoch and r.lease_owner = p_worker and r.state = 'leased';
    if not found then
      v_outcome := 'stale';
    elsif not exists (select 1 from stepgate.workers w where w.worker_id = p_worker and w.lease_until > clock_timestamp()) then
      v_outcome := 'stale';
    elsif h.is_cancelled and not v_step.is_target or h.status not in ('pending', 'running', 'compensating', 'paused_at_step')
       or (h.fail_fast and h.failed_steps > 0 and not v_step.is_target) then
      v_outcome := 'run_stopped';
    elsif not exists (select 1 from stepgate.tenants t where t.tenant_uid = i.tenant_uid and t.authority_version = i.authority_version) then
      v_outcome := 'changed';
    elsif not exists (select 1 from stepgate.api_keys k where k.key_id = i.caller_key_id and k.revoked_at is null
                         and (k.tenant_uid is null or k.tenant_uid = i.tenant_uid)) then
      v_outcome := 'caller_revoked';
    else
      v_outcome := 'started';
      if i.approval_id is not null then
        update stepgate.approvals a set state = 'consumed'
         where (a.tenant_uid, a.approval_id) = (i.tenant_uid, i.approval_id) and a.state = 'approved'
           and a.run_uid = i.run_uid and a.step_id = i.step_id and a.expires_at > clock_timestamp();
        if not found then
          v_outcome := 'changed';
        end if;
      end if;
    end if;
    if v_outcome = 'started' then
      -- budget first, quota second: a refused budget leaves no quota row touched, and neither writes on refusal
      v_detail := stepgate.reserve_budget(i.tenant_uid, i.run_uid, i.tokens, i.usd_micros, v_step.is_target,
                                          coalesce(i.is_metered, true));
      if v_detail is not null then
        v_outcome := 'budget_exceeded';
      else
        v_detail := stepgate.reserve_quotas(i.tenant_uid, i.tokens, i.usd_micros);
        if v_detail is not null then
          v_outcome := case when (v_detail ->> 'waits')::boolean then 'quota_wait' else 'quota_exceeded' end;
          perform stepgate.unreserve_budget(i.tenant_uid, i.run_uid, i.tokens, i.usd_micros);
        end if;
      end if;
      if v_outcome <> 'started' and i.approval_id is not null then
        -- not used after all: the approval is still good for the next try
        update stepgate.approvals a set state = 'approved' where (a.tenant_uid, a.approval_id) = (i.tenant_uid, i.approval_id);
      end if;
    end if;
    if v_outcome = 'started' then
      v_started := v_started + 1;
      h := stepgate.start_step(h, i, p_batch ->> 'batch_id');
      perform stepgate.save_head(h);
    end if;
    ordinal := i.ordinal;
    outcome := v_outcome;
    detail := v_detail;
    return next;
  end loop;
  if v_started = 0 then
    delete from stepgate.record_batches where batch_id = (p_batch ->> 'batch_id')::uuid;
  end if;
end $$;

-- The writes of one admitted step: record, evaluations, redaction, step_started, running.
create or replace function stepgate.start_step(h stepgate.run_heads, i stepgate.admission, p_batch_id text) returns stepgate.run_heads
language plpgsql as $$
begin
  insert into stepgate.records (tenant_uid, record_id, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
  values (i.tenant_uid, i.admission_record, i.run_uid, i.step_id, i.attempt, 'admission', i.statement, p_batch_id::uuid, i.leaf_index);
  perform stepgate.insert_blobs(i.tenant_uid, i.run_uid, i.blobs);
  insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
  values (i.tenant_uid, i.run_uid, i.step_id, i.lease_epoch, 'before', i.admission_record, i.evaluations -> 'body',
          (i.evaluations ->> 'details_blob')::uuid, (i.evaluations ->> 'input_blob')::uuid);
  if h.status = 'pending' then
    h := stepgate.append_event(h, 'run_started', null, '{}');
    h.status := 'running';
    update stepgate.runs set started_at = now() where (tenant_uid, run_uid) = (i.tenant_uid, i.run_uid);
  end if;
  if h.paused_from = 'pending' then
    h := stepgate.append_event(h, 'run_started', null, '{}');
    h.paused_from := 'running';
    update stepgate.runs set started_at = now() where (tenant_uid, run_uid) = (i.tenant_uid, i.run_uid);
  end if;
  if i.redaction is not null then
    h := stepgate.append_event(h, 'step_input_redacted', i.step_id, i.redaction -> 'event');
    update stepgate.steps set input_blob = (i.redaction ->> 'new_blob')::uuid
     where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
    -- deleting the wrapped key with the row is the erasure of the original
    delete from stepgate.blobs where tenant_uid = i.tenant_uid and blob_id = (i.redaction ->> 'old_blob')::uuid;
  end if;
  h := stepgate.append_event(h, 'step_started', i.step_id, i.started);
  update stepgate.ready_steps
     set state = 'running', started_at = now(), attempts_made = i.attempt, reserved_tokens = i.tokens,
         reserved_usd_micros = i.usd_micros, admission_record = i.admission_record, jti = i.jti
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  return h;
end $$;
