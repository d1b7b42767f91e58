-- The transaction after the effect: outcome, ledger, next steps; a whole batch in one call, locked as admit locks.

-- Settles a batch. Kinds: succeeded, failed, retry, cancelled, lost (an attempt was made) · refused, held, paused, deferred
-- (none was). A stale item changes nothing: another epoch, or a worker whose lease has lapsed. The reaper settles in the
-- name of the dead worker, and only once its lease has lapsed. p_batches: the signed batches of this call.
create or replace function stepgate.settle_steps(p_worker text, p_is_reaping boolean, p_items jsonb, p_batches jsonb)
returns table (ordinal integer, outcome text, run_status text) language plpgsql as $$
declare
  i stepgate.settlement;
  h stepgate.run_heads;
  q stepgate.ready_steps;
  v_batch jsonb;
  v_is_live boolean;
begin
  perform stepgate.lock_batch(p_items);
  v_is_live := exists (select 1 from stepgate.workers w where w.worker_id = p_worker and w.lease_until > clock_timestamp());
  for v_batch in select * from jsonb_array_elements(p_batches) loop
    perform stepgate.insert_batch(v_batch);
  end loop;
  for i in select * from jsonb_populate_recordset(null::stepgate.settlement, p_items) a
            order by a.tenant_uid, a.run_uid, a.ordinal
  loop
    ordinal := i.ordinal;
    select * into h from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (i.tenant_uid, i.run_uid);
    select * into q from stepgate.ready_steps r
     where (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
       and r.lease_epoch = i.lease_epoch and r.lease_owner = p_worker
       and r.state = case when i.kind in ('refused', 'held', 'paused', 'deferred') then 'leased' else 'running' end;
    if not found or v_is_live = p_is_reaping then
      outcome := 'stale';
      run_status := h.status;
      return next;
      continue;
    end if;
    perform stepgate.store_evidence(i);
    h := stepgate.append_events(h, i);
    case
      when i.kind = 'deferred' then
        h := stepgate.put_back(h, i);
      when i.kind = 'paused' then
        h := stepgate.pause_at(h, i);
      when i.kind = 'held' then
        h := stepgate.hold_step(h, i);
      when i.kind = 'retry' then
        h := stepgate.close_attempt(h, i, q);
        h := stepgate.requeue_step(h, i);
      when i.kind in ('succeeded', 'failed', 'cancelled', 'refused') then
        if i.kind <> 'refused' then
          h := stepgate.close_attempt(h, i, q);
        else
          insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens,
            reserved_usd_micros, actual_tokens, actual_usd_micros, usage_source)
          values (i.tenant_uid, i.run_uid, i.step_id, i.lease_epoch, 'refused', 0, 0, 0, 0, 'none');
        end if;
        h := stepgate.end_step(h, i);
        h := stepgate.after_step(h, i.step_id, i.lease_epoch);
    end case;
    perform stepgate.save_head(h);
    outcome := 'settled';
    run_status := h.status;
    return next;
  end loop;
  -- batches whose every item was stale hold no record
  delete from stepgate.record_batches b
   where b.batch_id in (select (x ->> 'batch_id')::uuid from jsonb_array_elements(p_batches) x)
     and not exists (select 1 from stepgate.records r where r.batch_id = b.batch_id)
     and not exists (select 1 from stepgate.artifacts r where r.batch_id = b.batch_id);
end $$;

create or replace function stepgate.store_evidence(i stepgate.settlement) returns void language plpgsql as $$
begin
  insert into stepgate.records (tenant_uid, record_id, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
  select i.tenant_uid, r.record_id, i.run_uid, i.step_id, r.attempt, r.kind, r.statement, r.batch_id, r.leaf_index
    from jsonb_to_recordset(coalesce(i.records, '[]'))
      as r (record_id text, attempt integer, kind text, statement text, batch_id uuid, leaf_index integer);
  perform stepgate.insert_blobs(i.tenant_uid, i.run_uid, coalesce(i.blobs, '[]'));
  if i.evaluations is not null then
    insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
    values (i.tenant_uid, i.run_uid, i.step_id, i.lease_epoch, i.evaluations ->> 'phase', i.evaluations ->> 'record_id',
            i.evaluations -> 'body', (i.evaluations ->> 'details_blob')::uuid, (i.evaluations ->> 'input_blob')::uuid);
  end if;
  if i.artifact is not null then
    insert into stepgate.artifacts (tenant_uid, artifact_id, kind, media_type, size_bytes, run_uid, step_id, metadata, bytes,
                                    batch_id, leaf_index)
    select i.tenant_uid, a.artifact_id, a.kind, a.media_type, octet_length(convert_to(a.body, 'UTF8')), i.run_uid, i.step_id,
           a.metadata, convert_to(a.body, 'UTF8'), a.batch_id, a.leaf_index
      from jsonb_to_record(i.artifact) as a (artifact_id text, kind text, media_type text, metadata jsonb, body text,
                                             batch_id uuid, leaf_index integer)
    on conflict (tenant_uid, artifact_id) do nothing;
  end if;
  if i.redaction is not null then
    update stepgate.steps set input_blob = (i.redaction ->> 'new_blob')::uuid
     where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
    delete from stepgate.blobs where tenant_uid = i.tenant_uid and blob_id = (i.redaction ->> 'old_blob')::uuid;
  end if;
  if i.audit is not null then
    perform stepgate.append_audit(i.tenant_uid, i.audit ->> 'actor', i.audit ->> 'action', i.audit ->> 'resource');
  end if;
end $$;

-- The attempt row, the ledger row, the reconciliation and the bill of one ended attempt.
create or replace function stepgate.close_attempt(h stepgate.run_heads, i stepgate.settlement, q stepgate.ready_steps)
returns stepgate.run_heads language plpgsql as $$
declare
  v_ledger_kind text := case when i.is_lost then 'lost' when i.kind = 'retry' then 'retry_scheduled' else i.kind end;
begin
  insert into stepgate.step_attempts (tenant_uid, run_uid, step_id, lease_epoch, attempt, status, error_kind, worker_id,
    worker_pid, started_at, reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros, usage_source, isolation,
    provider, provider_version, admission_record, outcome_record, output_blob, error_blob, checkpoint_blob, tool_events)
  values (i.tenant_uid, i.run_uid, i.step_id, i.lease_epoch, i.attempt, v_ledger_kind, i.error_kind, q.lease_owner,
    (select w.pid from stepgate.workers w where w.worker_id = q.lease_owner), q.started_at, q.reserved_tokens,
    q.reserved_usd_micros, i.actual_tokens, i.actual_usd_micros, i.usage_source, i.isolation, i.provider, i.provider_version,
    q.admission_record, i.outcome_record, i.output_blob, i.error_blob, i.checkpoint_blob, coalesce(i.tool_events, 0));
  insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
    actual_tokens, actual_usd_micros, usage_source)
  values (i.tenant_uid, i.run_uid, i.step_id, i.lease_epoch, v_ledger_kind, q.reserved_tokens, q.reserved_usd_micros,
    i.actual_tokens, i.actual_usd_micros, i.usage_source);
  perform stepgate.reconcile(i.tenant_uid, i.run_uid, q.started_at, q.reserved_tokens, q.reserved_usd_micros,
    i.actual_tokens, i.actual_usd_micros);
  insert into stepgate.billing_usage as b (tenant_uid, day, attempts, tokens, usd_micros)
  values (i.tenant_uid, (now() at time zone 'UTC')::date, 1, i.actual_tokens, i.actual_usd_micros)
  on conflict (tenant_uid, day) do update
    set attempts = b.attempts + 1, tokens = b.tokens + excluded.tokens, usd_micros = b.usd_micros + excluded.usd_micros;
  update stepgate.steps
     set attempts_made = i.attempt,
         error_attempts = error_attempts + case when i.is_lost or i.kind = 'succeeded' then 0 else 1 end,
         lost_attempts = lost_attempts + case when i.is_lost then 1 else 0 end,
         checkpoint_blob = coalesce(i.checkpoint_blob, checkpoint_blob), error_blob = i.error_blob,
         provider = coalesce(i.provider, provider), provider_version = coalesce(i.provider_version, provider_version),
         actual_tokens = actual_tokens + i.actual_tokens, actual_usd_micros = actual_usd_micros + i.actual_usd_micros,
         last_record = i.outcome_record
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  return h;
end $$;

create or replace function stepgate.end_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
declare
  s stepgate.steps;
begin
  update stepgate.steps
     set status = case when i.kind = 'refused' then 'failed' else i.kind end, output_blob = i.output_blob,
         output_digest = i.output_digest, error_kind = i.error_kind, reasons = coalesce(i.reasons, '{}'),
         last_record = coalesce(i.outcome_record, last_record),
         decision_artifact = coalesce(i.artifact ->> 'artifact_id', decision_artifact), ended_at = now(), ended_seq = h.head_seq
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id) returning * into s;
  h := stepgate.drop_ready(h, i.step_id);
  if not s.is_target then
    h.open_steps := h.open_steps - 1;
    if s.status = 'failed' then
      h.failed_steps := h.failed_steps + 1;
    end if;
  end if;
  return h;
end $$;

-- running → queued: the row stays, a later claim takes it with a new epoch.
create or replace function stepgate.requeue_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
declare
  v_not_before timestamptz := to_timestamp(i.not_before_ms / 1000.0);
begin
  update stepgate.steps
     set not_before = v_not_before, error_kind = null,
         decision_artifact = coalesce(i.artifact ->> 'artifact_id', decision_artifact)
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  update stepgate.ready_steps
     set state = 'queued', lease_owner = null, started_at = null, reserved_tokens = 0, reserved_usd_micros = 0,
         admission_record = null, jti = null, not_before = v_not_before, ready_at = v_not_before,
         is_alone = is_alone or i.is_lost
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  return stepgate.stop_step(h, i);
end $$;

-- leased → queued without an attempt: pressure, a short quota, a change of what the decision rested on, shutdown.
create or replace function stepgate.put_back(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
begin
  update stepgate.ready_steps
     set state = 'queued', lease_owner = null,
         not_before = case when i.not_before_ms is not null then to_timestamp(i.not_before_ms / 1000.0)
                           else clock_timestamp() + coalesce(i.delay_ms, 0) * interval '1 millisecond' end
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  if stepgate.is_stopped(h, i.step_id) then
    return stepgate.stop_step(h, i);
  end if;
  -- information for people, once per wait: the first deferral only
  if i.defer_reason is not null and not exists (
       select 1 from stepgate.run_events e where e.tenant_uid = i.tenant_uid and e.run_uid = i.run_uid and e.step_id = i.step_id
          and e.type = 'step_queued' and e.data ->> 'reason' = i.defer_reason) then
    h := stepgate.append_event(h, 'step_queued', i.step_id, jsonb_build_object('reason', i.defer_reason));
  end if;
  return h;
end $$;

create or replace function stepgate.pause_at(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
begin
  update stepgate.ready_steps set state = 'queued', lease_owner = null
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  if stepgate.is_stopped(h, i.step_id) then
    return stepgate.stop_step(h, i);
  end if;
  -- a breakpoint met while the run is paused already only puts the step back, and stays
  if h.status = 'paused_at_step' then
    return h;
  end if;
  delete from stepgate.breakpoints where tenant_uid = i.tenant_uid and run_uid = i.run_uid
     and target = i.breakpoint ->> 'target' and value = i.breakpoint ->> 'value';
  h.paused_from := h.status;
  h.status := 'paused_at_step';
  h.paused_step := i.step_id;
  h.paused_at := now();
  perform stepgate.append_audit(i.tenant_uid, 'scheduler', 'debug.breakpoints.pause',
    format('{"run_id":"%s","step_id":%s}', i.run_uid, to_json(i.step_id)));
  return stepgate.append_event(h, 'run_paused', i.step_id,
    jsonb_build_object('step_id', i.step_id, 'reason', 'breakpoint') || coalesce(i.breakpoint -> 'event', '{}'));
end $$;

create or replace function stepgate.hold_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
begin
  update stepgate.steps set status = 'held', last_record = i.approval ->> 'hold_record'
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  insert into stepgate.approvals (tenant_uid, approval_id, run_uid, step_id, hold_record, shown_digest, role, expires_at)
  select i.tenant_uid, a.approval_id, i.run_uid, i.step_id, a.hold_record, a.shown_digest, a.role,
         clock_timestamp() + a.ttl_seconds * interval '1 second'
    from jsonb_to_record(i.approval) as a (approval_id uuid, hold_record text, shown_digest text, role text, ttl_seconds integer);
  return stepgate.stop_step(stepgate.drop_ready(h, i.step_id), i);
end $$;

-- Whether a step that was handed back may not go on: its run is cancelled or has failed fast. Targets still run.
create or replace function stepgate.is_stopped(h stepgate.run_heads, p_step text) returns boolean language sql stable as $$
  select (h.is_cancelled or h.fail_fast and h.failed_steps > 0) and not s.is_target from stepgate.steps s
   where (s.tenant_uid, s.run_uid, s.step_id) = (h.tenant_uid, h.run_uid, p_step)
$$;

-- Ends a step that just came back to a stopped run; nothing else would, since stopped runs are not claimed from.
create or replace function stepgate.stop_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
begin
  if not stepgate.is_stopped(h, i.step_id) then
    return h;
  end if;
  if h.is_cancelled then
    return stepgate.finish_run(stepgate.cancel_step(h, i.step_id));
  end if;
  h := stepgate.skip_step(h, i.step_id, 'fail_fast');
  h := stepgate.settle_target_of(h, i.step_id, i.lease_epoch);
  return stepgate.finish_run(h);
end $$;

-- Cancels one open step that nobody is executing.
create or replace function stepgate.cancel_step(h stepgate.run_heads, p_step text) returns stepgate.run_heads language plpgsql as $$
declare
  s stepgate.steps;
  v_was text;
begin
  h := stepgate.append_event(h, 'step_cancelled', p_step, '{}');
  select status into v_was from stepgate.steps
   where (tenant_uid, run_uid, step_id) = (h.tenant_uid, h.run_uid, p_step);
  update stepgate.steps set status = 'cancelled', error_kind = 'cancelled', ended_at = now(), ended_seq = h.head_seq
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
