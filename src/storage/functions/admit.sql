-- The transaction before the effect: fence, reserve, record, start; a whole batch in one call. A step that may not pass
-- drops out of its batch alone.

-- Admits a batch, given as columns (functions/batches.sql). p_batch is the signed statement over all admission records of
-- the batch; a step that drops out leaves the digest of its never stored record among the leaves and nothing else.
-- Outcome per step: started · stale (lease lost) · changed (decide anew) · run_stopped · caller_revoked · concurrency_wait ·
-- quota_wait · quota_exceeded · budget_exceeded, with detail; with started the run's budget, null where it has none.
-- Every row is found by its key: a plan made for a table that was empty then would scan it once it is not.
create or replace function stepgate.admit_steps(p_worker text, p_batch jsonb, p_tenants uuid[], p_runs uuid[], p_steps text[],
  p_epochs bigint[], p_attempts integer[], p_authorities bigint[], p_callers text[], p_tokens bigint[], p_usd_micros bigint[],
  p_meters_tokens boolean[], p_meters_usd_micros boolean[], p_approvals uuid[], p_records text[], p_statements text[], p_jtis text[], p_started jsonb[],
  p_evaluations jsonb[], p_details uuid[], p_inputs uuid[], p_redactions jsonb[], p_blob_items integer[], p_blob_ids uuid[],
  p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[])
returns table (ordinal integer, outcome text, detail jsonb) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_outcomes text[];
  v_details jsonb[];
  v_alone boolean[];
  v_batch uuid := (p_batch ->> 'batch_id')::uuid;
  v_n integer;
  v_one record;
begin
  perform stepgate.lock_batch(p_tenants, p_runs, p_steps);
  select array_agg(j.outcome order by j.ord), array_agg(j.is_target or p_approvals[j.ord] is not null order by j.ord)
    into v_outcomes, v_alone
    from stepgate.judge_admissions(p_worker, p_tenants, p_runs, p_steps, p_epochs, p_authorities, p_callers) j;
  -- a place first: it is taken by running, so what is refused below has taken nothing
  select k.outcomes, k.details into v_outcomes, v_details
    from stepgate.take_concurrency_keys(p_tenants, p_runs, p_steps, p_started, v_outcomes) k;
  v_outcomes := stepgate.reserve_together(p_tenants, p_runs, p_tokens, p_usd_micros, p_meters_tokens, p_meters_usd_micros,
                                          v_alone, v_outcomes);
  for v_n in select n from generate_subscripts(p_steps, 1) n where v_outcomes[n] is null order by p_tenants[n], p_runs[n], n loop
    v_one := stepgate.reserve_step(p_tenants[v_n], p_runs[v_n], p_steps[v_n], p_tokens[v_n], p_usd_micros[v_n],
                                   coalesce(p_meters_tokens[v_n], true), coalesce(p_meters_usd_micros[v_n], true), p_approvals[v_n]);
    v_outcomes[v_n] := v_one.outcome;
    v_details[v_n] := v_one.detail;
  end loop;
  if 'started' = any (v_outcomes) then
    perform stepgate.insert_batch(p_batch);
    insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
    select i.tenant_uid, i.record_id, i.run_uid, i.run_uid, i.step_id, i.attempt, 'admission', i.statement, v_batch, i.ord - 1
      from unnest(p_tenants, p_runs, p_steps, p_attempts, p_records, p_statements, v_outcomes) with ordinality
        as i (tenant_uid, run_uid, step_id, attempt, record_id, statement, outcome, ord)
     where i.outcome = 'started';
    insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
    select p_tenants[b.item], b.blob_id, p_runs[b.item], p_steps[b.item], b.field, b.key_id, b.wrapped_key, b.sealed
      from unnest(p_blob_items, p_blob_ids, p_blob_fields, p_blob_keys, p_blob_wrapped, p_blob_sealed)
        as b (item, blob_id, field, key_id, wrapped_key, sealed)
     where v_outcomes[b.item] = 'started';
    insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
    select i.tenant_uid, i.run_uid, i.step_id, i.epoch, 'before', i.record_id, i.body, i.details_blob, i.input_blob
      from unnest(p_tenants, p_runs, p_steps, p_epochs, p_records, p_evaluations, p_details, p_inputs, v_outcomes)
        as i (tenant_uid, run_uid, step_id, epoch, record_id, body, details_blob, input_blob, outcome)
     where i.outcome = 'started';
    perform stepgate.apply_redactions(p_tenants, p_runs, p_steps,
      array(select case when v_outcomes[n] = 'started' then p_redactions[n] end from generate_subscripts(p_steps, 1) n order by n));
    perform stepgate.append_starts(p_tenants, p_runs, p_steps, p_started, p_redactions, v_outcomes);
    update stepgate.ready_steps r
       set state = 'running', started_at = now(), attempts_made = i.attempt, reserved_tokens = i.tokens,
           reserved_usd_micros = i.usd_micros, admission_record = i.record_id, jti = i.jti
      from unnest(p_tenants, p_runs, p_steps, p_attempts, p_tokens, p_usd_micros, p_records, p_jtis, v_outcomes)
        as i (tenant_uid, run_uid, step_id, attempt, tokens, usd_micros, record_id, jti, outcome)
     where (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id) and i.outcome = 'started';
  end if;
  -- with what started comes its run's budget as this batch left it
  return query select i.ord::integer, i.outcome, coalesce(i.detail, stepgate.budget_json(b))
                 from unnest(p_tenants, p_runs, v_outcomes, v_details) with ordinality as i (tenant_uid, run_uid, outcome, detail, ord)
                 left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (i.tenant_uid, i.run_uid) and i.outcome = 'started'
                order by i.ord;
end $$;

create or replace function stepgate.budget_json(b stepgate.budgets) returns jsonb language sql immutable as $$
  select case when b.run_uid is not null then jsonb_build_object(
    'tokens', jsonb_build_object('limit', b.tokens_limit, 'used', b.tokens_used, 'reserved', b.tokens_reserved),
    'usd_micros', jsonb_build_object('limit', b.usd_micros_limit, 'used', b.usd_micros_used, 'reserved', b.usd_micros_reserved)) end
$$;

-- What stands against each admission, in the order of the columns; null where nothing does. Rows are locked by lock_batch.
create or replace function stepgate.judge_admissions(p_worker text, p_tenants uuid[], p_runs uuid[], p_steps text[], p_epochs bigint[],
  p_authorities bigint[], p_callers text[])
returns table (ord integer, outcome text, is_target boolean) language plpgsql as $$
declare
  v_is_live boolean := stepgate.is_live(p_worker);
begin
  return query
    select i.ord::integer,
           case when r.step_id is null or not v_is_live then 'stale'
                when h.is_cancelled and not s.is_target or h.status not in ('pending', 'running', 'compensating', 'paused_at_step')
                  or h.fail_fast and h.failed_steps > 0 and not s.is_target then 'run_stopped'
                when t.tenant_uid is null then 'changed'
                when k.key_id is null then 'caller_revoked' end,
           coalesce(s.is_target, false)
      from unnest(p_tenants, p_runs, p_steps, p_epochs, p_authorities, p_callers) with ordinality
        as i (tenant_uid, run_uid, step_id, epoch, authority, caller, ord)
      left join stepgate.ready_steps r on (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
       and r.lease_epoch = i.epoch and r.lease_owner = p_worker and r.state = 'leased'
      left join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
      left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (i.tenant_uid, i.run_uid)
      left join stepgate.tenants t on t.tenant_uid = i.tenant_uid and t.authority_version = i.authority
      left join stepgate.api_keys k on k.key_id = i.caller and k.revoked_at is null
       and (k.tenant_uid is null or k.tenant_uid = i.tenant_uid);
end $$;

-- Reserves for one step: its approval is used up, its tenant's quotas and its budget are held, or nothing is changed.
create or replace function stepgate.reserve_step(p_tenant uuid, p_run uuid, p_step text, p_tokens bigint, p_usd_micros bigint,
  p_meters_tokens boolean, p_meters_usd_micros boolean, p_approval uuid, out outcome text, out detail jsonb) language plpgsql as $$
declare
  v_hint jsonb;
begin
  outcome := 'started';
  if p_approval is not null then
    update stepgate.approvals a set state = 'consumed'
     where (a.tenant_uid, a.approval_id) = (p_tenant, p_approval) and a.state = 'approved'
       and a.run_uid = p_run and a.step_id = p_step and a.expires_at > clock_timestamp();
    if not found then
      outcome := 'changed';
      return;
    end if;
  end if;
  -- quotas first (spec 03): where both refuse, the quota is what the step waits for, or what ends it
  detail := stepgate.find_full_quota(p_tenant, p_tokens, p_usd_micros, p_meters_tokens, p_meters_usd_micros);
  if detail is not null then
    outcome := case when detail ? 'reason' then 'budget_exceeded' when (detail ->> 'waits')::boolean then 'quota_wait'
                    else 'quota_exceeded' end;
  else
    -- what a compensation declared itself, checked when it was submitted; a tenant's default is no such thing
    v_hint := (select s.spec #> '{execution,cost_hint}' from stepgate.steps s
                where (s.tenant_uid, s.run_uid, s.step_id) = (p_tenant, p_run, p_step) and s.is_target);
    detail := stepgate.reserve_budget(p_tenant, p_run, p_tokens, p_usd_micros, (v_hint ->> 'tokens')::bigint,
                                      (v_hint ->> 'usd_micros')::bigint, p_meters_tokens, p_meters_usd_micros);
    if detail is null then
      perform stepgate.hold_quotas(p_tenant, p_tokens, p_usd_micros);
    else
      outcome := 'budget_exceeded';
    end if;
  end if;
  if outcome <> 'started' and p_approval is not null then
    -- not used after all: the approval is still good for the next try
    update stepgate.approvals a set state = 'approved' where (a.tenant_uid, a.approval_id) = (p_tenant, p_approval);
  end if;
end $$;

-- The events of what starts, run by run: run_started with the first step of a run, step_input_redacted before its step.
create or replace function stepgate.append_starts(p_tenants uuid[], p_runs uuid[], p_steps text[], p_started jsonb[],
  p_redactions jsonb[], p_outcomes text[]) returns void language plpgsql as $$
begin
  with started as (
    select * from unnest(p_tenants, p_runs, p_steps, p_started, p_redactions, p_outcomes) with ordinality
      as i (tenant_uid, run_uid, step_id, started, redaction, outcome, ord) where i.outcome = 'started'),
  begun as (
    select h.tenant_uid, h.run_uid from (select distinct s.tenant_uid, s.run_uid from started s) s
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (s.tenant_uid, s.run_uid)
     where 'pending' in (h.status, h.paused_from)),
  news as (
    select b.tenant_uid, b.run_uid, 0 as ord, 0 as part, 'run_started' as type, null as step_id, '{}'::jsonb as data from begun b
    union all select s.tenant_uid, s.run_uid, s.ord, 0, 'step_input_redacted', s.step_id, s.redaction -> 'event'
                from started s where s.redaction is not null
    union all select s.tenant_uid, s.run_uid, s.ord, 1, 'step_started', s.step_id, s.started from started s),
  written as (
    insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
    select n.tenant_uid, n.run_uid,
           h.head_seq + row_number() over (partition by n.tenant_uid, n.run_uid order by n.ord, n.part), n.type, n.step_id, n.data
      from news n join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (n.tenant_uid, n.run_uid)
    returning tenant_uid, run_uid, seq),
  opened as (
    update stepgate.runs u set started_at = now() from begun b where (u.tenant_uid, u.run_uid) = (b.tenant_uid, b.run_uid))
  update stepgate.run_heads h
     set head_seq = w.seq, status = case when h.status = 'pending' then 'running' else h.status end,
         paused_from = case when h.paused_from = 'pending' then 'running' else h.paused_from end
    from (select tenant_uid, run_uid, max(seq) as seq from written group by 1, 2) w
   where (h.tenant_uid, h.run_uid) = (w.tenant_uid, w.run_uid);
end $$;
