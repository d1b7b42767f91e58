-- The two transactions of a step: admit (fence, reserve, record, start) and settle (outcome, ledger, next steps).
-- Each takes a whole batch in one call. Locks are taken first and in one fixed order in both: run_heads, ready_steps,
-- budgets, quota_usage; unordered, two batches deadlocked at once. A step that may not pass drops out of its batch alone.

create function stepgate.window_start(p_window text, p_at timestamptz) returns timestamptz
language sql immutable as $$
  select case p_window when 'lifetime' then '-infinity'::timestamptz
    else date_trunc(p_window, p_at at time zone 'UTC') at time zone 'UTC' end
$$;

create function stepgate.window_end(p_window text, p_at timestamptz) returns timestamptz
language sql immutable as $$
  select case p_window when 'lifetime' then null
    else (date_trunc(p_window, p_at at time zone 'UTC') + ('1 ' || p_window)::interval) at time zone 'UTC' end
$$;

create function stepgate.lock_batch(p_items jsonb) returns void language plpgsql as $$
declare
  v_oldest timestamptz;
begin
  perform 1 from stepgate.run_heads h
   where (h.tenant_uid, h.run_uid) in (select tenant_uid, run_uid from jsonb_to_recordset(p_items) as i (tenant_uid uuid, run_uid uuid))
   order by h.tenant_uid, h.run_uid for update of h;
  perform 1 from stepgate.ready_steps r
   where (r.tenant_uid, r.run_uid, r.step_id) in (select tenant_uid, run_uid, step_id
           from jsonb_to_recordset(p_items) as i (tenant_uid uuid, run_uid uuid, step_id text))
   order by r.tenant_uid, r.run_uid, r.step_id for update of r;
  perform 1 from stepgate.budgets b
   where (b.tenant_uid, b.run_uid) in (select tenant_uid, run_uid from jsonb_to_recordset(p_items) as i (tenant_uid uuid, run_uid uuid))
   order by b.tenant_uid, b.run_uid for update of b;
  -- the rows of windows that begin now must exist before they can be locked in order
  insert into stepgate.quota_usage (tenant_uid, quota_id, window_start, quota_limit)
  select q.tenant_uid, q.quota_id, stepgate.window_start(q.quota_window, now()), q.quota_limit
    from stepgate.quotas q where q.unit <> 'runs'
     and q.tenant_uid in (select tenant_uid from jsonb_to_recordset(p_items) as i (tenant_uid uuid))
   order by q.tenant_uid, q.quota_id
      on conflict (tenant_uid, quota_id, window_start) do nothing;
  -- only windows that this batch can touch, back to its oldest reservation: past ones pile up, a row a minute
  v_oldest := (select least(now(), min(r.started_at)) from stepgate.ready_steps r
                where (r.tenant_uid, r.run_uid, r.step_id) in (select tenant_uid, run_uid, step_id
                        from jsonb_to_recordset(p_items) as i (tenant_uid uuid, run_uid uuid, step_id text)));
  perform 1 from stepgate.quotas q
    join stepgate.quota_usage a on a.tenant_uid = q.tenant_uid and a.quota_id = q.quota_id
     and a.window_start >= stepgate.window_start(q.quota_window, v_oldest)
   where q.unit <> 'runs'
     and q.tenant_uid in (select tenant_uid from jsonb_to_recordset(p_items) as i (tenant_uid uuid))
   order by a.tenant_uid, a.quota_id, a.window_start for update of a;
end $$;

create function stepgate.insert_blobs(p_tenant uuid, p_run uuid, p_blobs jsonb) returns void language sql as $$
  insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
  select p_tenant, b.blob_id, p_run, b.step_id, b.field, b.key_id, decode(b.wrapped_key, 'base64'), decode(b.sealed, 'base64')
    from jsonb_to_recordset(p_blobs) as b (blob_id uuid, step_id text, field text, key_id text, wrapped_key text, sealed text)
$$;

create function stepgate.insert_batch(p_batch jsonb) returns void language sql as $$
  insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
  select b.batch_id, b.kid, b.size, decode(b.leaves, 'base64'), b.statement, decode(b.signature, 'base64')
    from jsonb_to_record(p_batch) as b (batch_id uuid, kid text, size integer, leaves text, statement text, signature text)
$$;

-- Reserves in every quota of the tenant, or says which one does not allow it. Rows are locked by lock_batch.
-- Result: null (granted) or {quota, unit, limit, used, reserved, requested, resets_at_ms, waits}.
create function stepgate.reserve_quotas(p_tenant uuid, p_tokens bigint, p_usd_micros bigint) returns jsonb
language plpgsql as $$
declare
  q record;
  v_request bigint;
begin
  for q in
    select n.quota_id, n.unit, n.quota_window, n.quota_limit, a.used, a.reserved, a.window_start
      from stepgate.quotas n
      join stepgate.quota_usage a on a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
       and a.window_start = stepgate.window_start(n.quota_window, now())
     where n.tenant_uid = p_tenant and n.unit <> 'runs' order by n.quota_id
  loop
    v_request := case q.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end;
    if v_request > 0 and q.used + q.reserved + v_request > q.quota_limit then
      return jsonb_build_object('quota', q.quota_id, 'unit', q.unit, 'limit', q.quota_limit, 'used', q.used,
        'reserved', q.reserved, 'requested', v_request,
        'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())),
        -- short windows and what runs at the same time are waited for, unless the request never fits (spec 02)
        'waits', v_request <= q.quota_limit and (q.quota_window = 'minute' or q.unit = 'concurrent_steps'));
    end if;
  end loop;
  -- the row may have been made under another limit, while that was being changed
  update stepgate.quota_usage a
     set reserved = a.reserved + x.request, quota_limit = n.quota_limit,
         overrun = greatest(a.overrun, a.used + a.reserved + x.request - n.quota_limit)
    from stepgate.quotas n,
         lateral (select case n.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end) as x (request)
   where n.tenant_uid = p_tenant and n.unit <> 'runs' and a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
     and a.window_start = stepgate.window_start(n.quota_window, now());
  return null;
end $$;

-- Reserves in the run's budget. A compensation may overdraw it by its own declared hint, shown as overrun (spec 02).
-- Result: null (granted or untracked) or {which, limit, used, reserved, requested}.
create function stepgate.reserve_budget(p_tenant uuid, p_run uuid, p_tokens bigint, p_usd_micros bigint, p_may_overdraw boolean)
returns jsonb language plpgsql as $$
declare
  b stepgate.budgets;
begin
  select * into b from stepgate.budgets where tenant_uid = p_tenant and run_uid = p_run;
  if not found then
    return null;
  end if;
  if not p_may_overdraw then
    if b.tokens_limit is not null and p_tokens > 0 and b.tokens_used + b.tokens_reserved + p_tokens > b.tokens_limit then
      return jsonb_build_object('which', 'tokens', 'limit', b.tokens_limit, 'used', b.tokens_used,
        'reserved', b.tokens_reserved, 'requested', p_tokens);
    end if;
    if b.usd_micros_limit is not null and p_usd_micros > 0
       and b.usd_micros_used + b.usd_micros_reserved + p_usd_micros > b.usd_micros_limit then
      return jsonb_build_object('which', 'usd_micros', 'limit', b.usd_micros_limit, 'used', b.usd_micros_used,
        'reserved', b.usd_micros_reserved, 'requested', p_usd_micros);
    end if;
  end if;
  update stepgate.budgets
     set tokens_reserved = tokens_reserved + p_tokens,
         tokens_overrun = greatest(tokens_overrun, tokens_used + tokens_reserved + p_tokens - coalesce(tokens_limit, 0)
                                   - case when tokens_limit is null then tokens_used + tokens_reserved + p_tokens else 0 end),
         usd_micros_reserved = usd_micros_reserved + p_usd_micros,
         usd_micros_overrun = greatest(usd_micros_overrun, usd_micros_used + usd_micros_reserved + p_usd_micros
                                   - coalesce(usd_micros_limit, 0)
                                   - case when usd_micros_limit is null then usd_micros_used + usd_micros_reserved + p_usd_micros else 0 end)
   where tenant_uid = p_tenant and run_uid = p_run;
  return null;
end $$;

-- Turns a reservation into what was used, in the windows in which it was made; gives the rest back.
create function stepgate.reconcile(p_tenant uuid, p_run uuid, p_reserved_at timestamptz, p_reserved_tokens bigint,
  p_reserved_usd_micros bigint, p_actual_tokens bigint, p_actual_usd_micros bigint) returns void
language plpgsql as $$
begin
  update stepgate.budgets
     set tokens_reserved = tokens_reserved - p_reserved_tokens,
         tokens_used = tokens_used + p_actual_tokens,
         tokens_overrun = case when tokens_limit is null then 0
           else greatest(tokens_overrun, tokens_used + p_actual_tokens + tokens_reserved - p_reserved_tokens - tokens_limit) end,
         usd_micros_reserved = usd_micros_reserved - p_reserved_usd_micros,
         usd_micros_used = usd_micros_used + p_actual_usd_micros,
         usd_micros_overrun = case when usd_micros_limit is null then 0
           else greatest(usd_micros_overrun,
             usd_micros_used + p_actual_usd_micros + usd_micros_reserved - p_reserved_usd_micros - usd_micros_limit) end
   where tenant_uid = p_tenant and run_uid = p_run;
  update stepgate.quota_usage a
     set reserved = greatest(a.reserved - x.reserved, 0), used = a.used + x.actual,
         overrun = greatest(a.overrun, a.used + x.actual + greatest(a.reserved - x.reserved, 0) - a.quota_limit)
    from stepgate.quotas n,
         lateral (select case n.unit when 'tokens' then p_reserved_tokens when 'usd_micros' then p_reserved_usd_micros else 1 end,
                         case n.unit when 'tokens' then p_actual_tokens when 'usd_micros' then p_actual_usd_micros else 0 end)
           as x (reserved, actual)
   where n.tenant_uid = p_tenant and n.unit <> 'runs' and a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
     and a.window_start = stepgate.window_start(n.quota_window, p_reserved_at)
     and n.holds_since <= p_reserved_at;
end $$;

create type stepgate.admission as (
  ordinal integer, tenant_uid uuid, run_uid uuid, step_id text, lease_epoch bigint, authority_version bigint,
  caller_key_id text, tokens bigint, usd_micros bigint, attempt integer, admission_record text, statement text,
  leaf_index integer, jti text, started jsonb, evaluations jsonb, blobs jsonb, redaction jsonb, approval_id uuid
);

-- Admits a batch. p_batch is the signed statement over all admission records of the batch; a step that drops out leaves
-- the digest of its never stored record among the leaves and nothing else.
-- Outcome per step: started · stale (lease lost) · changed (decide anew) · run_stopped · caller_revoked · quota_wait ·
-- quota_exceeded · budget_exceeded, with detail.
create function stepgate.admit_steps(p_worker text, p_items jsonb, p_batch jsonb)
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
      v_detail := stepgate.reserve_budget(i.tenant_uid, i.run_uid, i.tokens, i.usd_micros, v_step.is_target);
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

create function stepgate.unreserve_budget(p_tenant uuid, p_run uuid, p_tokens bigint, p_usd_micros bigint) returns void
language sql as $$
  update stepgate.budgets set tokens_reserved = tokens_reserved - p_tokens, usd_micros_reserved = usd_micros_reserved - p_usd_micros
   where tenant_uid = p_tenant and run_uid = p_run
$$;

-- The writes of one admitted step: record, evaluations, redaction, step_started, running.
create function stepgate.start_step(h stepgate.run_heads, i stepgate.admission, p_batch_id text) returns stepgate.run_heads
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

create type stepgate.settlement as (
  ordinal integer, kind text, tenant_uid uuid, run_uid uuid, step_id text, lease_epoch bigint, attempt integer,
  events jsonb, records jsonb, artifact jsonb, evaluations jsonb, blobs jsonb, redaction jsonb,
  output_blob uuid, output_digest text, error_blob uuid, checkpoint_blob uuid,
  actual_tokens bigint, actual_usd_micros bigint, usage_source text, error_kind text, reasons text[],
  not_before_ms bigint, delay_ms bigint, provider text, provider_version text, isolation text, tool_events integer,
  outcome_record text, is_lost boolean, approval jsonb, breakpoint jsonb, defer_reason text, audit jsonb
);

-- Settles a batch. Kinds: succeeded, failed, retry, cancelled, lost (an attempt was made) · refused, held, paused, deferred
-- (none was). A stale item changes nothing: another epoch, or a worker whose lease has lapsed. The reaper settles in the
-- name of the dead worker, and only once its lease has lapsed. p_batches: the signed batches of this call.
create function stepgate.settle_steps(p_worker text, p_is_reaping boolean, p_items jsonb, p_batches jsonb)
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

create function stepgate.append_events(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
declare
  e record;
begin
  for e in select x.type, x.data from jsonb_to_recordset(coalesce(i.events, '[]')) as x (type text, data jsonb) loop
    h := stepgate.append_event(h, e.type, i.step_id, e.data);
  end loop;
  return h;
end $$;

create function stepgate.store_evidence(i stepgate.settlement) returns void language plpgsql as $$
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
create function stepgate.close_attempt(h stepgate.run_heads, i stepgate.settlement, q stepgate.ready_steps)
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

create function stepgate.end_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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
create function stepgate.requeue_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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
create function stepgate.put_back(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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

create function stepgate.pause_at(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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

create function stepgate.hold_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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
create function stepgate.is_stopped(h stepgate.run_heads, p_step text) returns boolean language sql stable as $$
  select (h.is_cancelled or h.fail_fast and h.failed_steps > 0) and not s.is_target from stepgate.steps s
   where (s.tenant_uid, s.run_uid, s.step_id) = (h.tenant_uid, h.run_uid, p_step)
$$;

-- Ends a step that just came back to a stopped run; nothing else would, since stopped runs are not claimed from.
create function stepgate.stop_step(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
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
create function stepgate.cancel_step(h stepgate.run_heads, p_step text) returns stepgate.run_heads language plpgsql as $$
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
