-- The transaction before the effect: fence, reserve, record, start; a whole batch in one call. A step that may not pass
-- drops out of its batch alone.

-- Admits a batch, given as columns (functions/batches.sql). p_batch is the signed statement over all admission records of
-- the batch; a step that drops out leaves the digest of its never stored record among the leaves and nothing else.
-- Outcome per step: started · stale (lease lost) · changed (decide anew) · run_stopped · caller_revoked · parallel_wait ·
-- concurrency_wait · quota_wait · quota_exceeded · budget_exceeded, with detail; with started the run's budget, null where it has none.
-- Every row is found by its key: a plan made for a table that was empty then would scan it once it is not.
create or replace function stepgate.admit_steps(p_worker text, p_batch jsonb, p_tenants uuid[], p_runs uuid[], p_steps text[],
  p_epochs bigint[], p_attempts integer[], p_authorities bigint[], p_callers text[], p_tokens bigint[], p_usd_micros bigint[],
  p_meters_tokens boolean[], p_meters_usd_micros boolean[], p_approvals uuid[], p_records text[], p_statements text[], p_jtis text[], p_started json[],
  p_concurrency_keys text[], p_evaluations json[], p_details uuid[], p_inputs uuid[], p_redactions jsonb[], p_blob_items integer[], p_blob_ids uuid[],
  p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[])
returns table (ordinal integer, outcome text, detail jsonb) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_outcomes text[];
  v_details jsonb[] := array_fill(null::jsonb, array[cardinality(p_steps)]);
  v_alone boolean[];
  v_seqs bigint[];
  v_pending boolean[];
  v_batch uuid := (p_batch ->> 'batch_id')::uuid;
  v_budget jsonb;
  v_held record;
  v_places integer[];
  v_n integer;
  v_one record;
begin
  v_n := stepgate.share_quotas(p_tenants);
  v_places := stepgate.lock_heads(p_tenants, p_runs);
  v_one := stepgate.judge_admissions(p_worker, p_tenants, p_runs, p_steps, p_epochs, p_authorities, p_callers, p_approvals);
  v_outcomes := v_one.outcomes;
  v_alone := v_one.alone;
  v_seqs := v_one.seqs;
  v_pending := v_one.pending;
  v_held := stepgate.lock_reserves(v_places, p_tenants, p_runs, p_steps);
  -- a place first: it is taken by running, so what is refused below has taken nothing
  if array_remove(p_concurrency_keys, null) <> '{}' then
    select k.outcomes, k.details into v_outcomes, v_details
      from stepgate.take_concurrency_keys(p_tenants, p_runs, p_steps, p_concurrency_keys, v_outcomes) k;
  end if;
  v_outcomes := stepgate.reserve_together(p_tenants, p_runs, p_tokens, p_usd_micros, p_meters_tokens, p_meters_usd_micros,
                                          v_alone, v_outcomes, v_held.has_budgets, v_held.has_quotas);
  if array_position(v_outcomes, null) is not null then
    for v_n in select n from generate_subscripts(p_steps, 1) n where v_outcomes[n] is null order by p_tenants[n], p_runs[n], n loop
      v_one := stepgate.reserve_step(p_tenants[v_n], p_runs[v_n], p_steps[v_n], p_tokens[v_n], p_usd_micros[v_n],
                                     coalesce(p_meters_tokens[v_n], true), coalesce(p_meters_usd_micros[v_n], true), p_approvals[v_n]);
      v_outcomes[v_n] := v_one.outcome;
      v_details[v_n] := v_one.detail;
    end loop;
  end if;
  if 'started' = any (v_outcomes) then
    v_n := stepgate.insert_batches(jsonb_build_array(p_batch));
    insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
    select p_tenants[n], p_records[n], p_runs[n], p_runs[n], p_steps[n], p_attempts[n], 'admission', p_statements[n], v_batch, n - 1
      from generate_subscripts(p_records, 1) n where v_outcomes[n] = 'started';
    if cardinality(p_blob_ids) > 0 then
      insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
      select p_tenants[p_blob_items[b]], p_blob_ids[b], p_runs[p_blob_items[b]], p_steps[p_blob_items[b]], p_blob_fields[b],
             p_blob_keys[b], p_blob_wrapped[b], p_blob_sealed[b]
        from generate_subscripts(p_blob_ids, 1) b where v_outcomes[p_blob_items[b]] = 'started';
    end if;
    insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
    select p_tenants[n], p_runs[n], p_steps[n], p_epochs[n], 'before', p_records[n], p_evaluations[n], p_details[n], p_inputs[n]
      from generate_subscripts(p_records, 1) n where v_outcomes[n] = 'started';
    if array_remove(p_redactions, null) <> '{}' then
      perform stepgate.apply_redactions(p_tenants, p_runs, p_steps,
        array(select case when v_outcomes[n] = 'started' then p_redactions[n] end from generate_subscripts(p_steps, 1) n order by n));
    end if;
    v_n := stepgate.append_starts(p_tenants, p_runs, p_steps, p_started, p_redactions, v_outcomes, v_seqs, v_pending);
    update stepgate.ready_steps r
       set state = 'running', started_at = now(), attempts_made = p_attempts[n], reserved_tokens = p_tokens[n],
           reserved_usd_micros = p_usd_micros[n], admission_record = p_records[n], jti = p_jtis[n]
      from unnest(array_positions(v_outcomes, 'started')) n
     where (r.tenant_uid, r.run_uid, r.step_id) = (p_tenants[n], p_runs[n], p_steps[n]);
  end if;
  -- with what started comes its run's budget as this batch left it
  if v_held.has_budgets and cardinality(v_places) = 1 then
    v_budget := (select stepgate.budget_json(b) from stepgate.budgets b where (b.tenant_uid, b.run_uid) = (p_tenants[1], p_runs[1]));
    return query
      select n, v_outcomes[n], coalesce(v_details[n], case when v_outcomes[n] = 'started' then v_budget end)
        from generate_subscripts(p_steps, 1) n order by n;
  elsif v_held.has_budgets then
    return query
      with budgets as materialized (
        select b.tenant_uid, b.run_uid, stepgate.budget_json(b) as budget
          from unnest(v_places) i join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (p_tenants[i], p_runs[i]))
      select n, v_outcomes[n], coalesce(v_details[n], case when v_outcomes[n] = 'started' then (
               select b.budget from budgets b where (b.tenant_uid, b.run_uid) = (p_tenants[n], p_runs[n])) end)
        from generate_subscripts(p_steps, 1) n order by n;
  else
    return query select n, v_outcomes[n], v_details[n] from generate_subscripts(p_steps, 1) n order by n;
  end if;
end $$;

-- Stable, as what it calls is: a function that says more is not written into the statement.
create or replace function stepgate.budget_json(b stepgate.budgets) returns jsonb language sql stable as $$
  select case when b.run_uid is not null then jsonb_build_object(
    'tokens', jsonb_build_object('limit', b.tokens_limit, 'used', b.tokens_used, 'reserved', b.tokens_reserved),
    'usd_micros', jsonb_build_object('limit', b.usd_micros_limit, 'used', b.usd_micros_used, 'reserved', b.usd_micros_reserved)) end
$$;

-- What stands against each admission, in the order of the columns, null where nothing does; which are reserved for alone:
-- compensations, and what was approved; where each one's run stands in its log, and whether it has not begun. Locks the rows
-- of the queue that the batch has, in their order: heads are locked, and what else is read of a run changes with its head only.
-- Each row is sought by its key, item by item: a join may be planned to try each of the batch against all there are.
create or replace function stepgate.judge_admissions(p_worker text, p_tenants uuid[], p_runs uuid[], p_steps text[], p_epochs bigint[],
  p_authorities bigint[], p_callers text[], p_approvals uuid[], out outcomes text[], out alone boolean[], out seqs bigint[],
  out pending boolean[]) language plpgsql as $$
declare
  v_places integer[] := array[cardinality(p_steps)];
begin
  if not stepgate.is_live(p_worker) then
    outcomes := array_fill('stale'::text, v_places);
    alone := array_fill(false, v_places);
    seqs := array_fill(null::bigint, v_places);
    pending := array_fill(false, v_places);
    return;
  end if;
  select array_agg(x.outcome), array_agg(x.is_alone), array_agg(x.head_seq), array_agg(x.is_pending) into outcomes, alone, seqs, pending
    from (select case
                   when (r.lease_epoch, r.lease_owner, r.state) is distinct from (p_epochs[i.n], p_worker, 'leased') then 'stale'
                   when h.is_cancelled and not s.is_target or h.status not in ('pending', 'running', 'compensating', 'paused_at_step')
                     or h.fail_fast and h.failed_steps > 0 and not s.is_target then 'run_stopped'
                   when t.tenant_uid is null then 'changed'
                   when k.key_id is null then 'caller_revoked'
                   -- a step was placed beyond that number to be refused, and its time is not up after all
                   when h.ready_rows > h.max_parallel and stepgate.is_run_full(p_tenants, p_runs, i.n, h.max_parallel) then 'parallel_wait'
                 end as outcome,
                 s.is_target is true or p_approvals[i.n] is not null as is_alone, h.head_seq, 'pending' in (h.status, h.paused_from) is true as is_pending
            from (select n from generate_subscripts(p_steps, 1) n order by p_tenants[n], p_runs[n], p_steps[n]) i
            left join lateral (
              select q.* from stepgate.ready_steps q
               where (q.tenant_uid, q.run_uid, q.step_id) = (p_tenants[i.n], p_runs[i.n], p_steps[i.n]) for update) r on true
            left join lateral (
              select y.is_target from stepgate.steps y
               where (y.tenant_uid, y.run_uid, y.step_id) = (p_tenants[i.n], p_runs[i.n], p_steps[i.n]) offset 0) s on true
            left join lateral (
              select u.* from stepgate.run_heads u where (u.tenant_uid, u.run_uid) = (p_tenants[i.n], p_runs[i.n]) offset 0) h on true
            left join stepgate.tenants t on t.tenant_uid = p_tenants[i.n] and t.authority_version = p_authorities[i.n]
            left join stepgate.api_keys k on k.key_id = p_callers[i.n] and k.revoked_at is null
             and (k.tenant_uid is null or k.tenant_uid = p_tenants[i.n])
           order by i.n) x;
end $$;

-- Whether as many steps of a run are at work as may be, those before this one in its batch among them.
create or replace function stepgate.is_run_full(p_tenants uuid[], p_runs uuid[], p_n integer, p_max integer) returns boolean
language plpgsql stable as $$
begin
  return (select count(*) from stepgate.ready_steps r
           where (r.tenant_uid, r.run_uid) = (p_tenants[p_n], p_runs[p_n]) and r.state = 'running')
         + (select count(*) from generate_subscripts(p_runs, 1) n
             where n < p_n and (p_tenants[n], p_runs[n]) = (p_tenants[p_n], p_runs[p_n])) >= p_max;
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
-- p_seqs, p_pending: where each one's run stands in its log, and whether it has not begun. Returns how many steps that were.
create or replace function stepgate.append_starts(p_tenants uuid[], p_runs uuid[], p_steps text[], p_started json[],
  p_redactions jsonb[], p_outcomes text[], p_seqs bigint[], p_pending boolean[]) returns integer language plpgsql as $$
declare
  -- of each step that starts the place of its event, and whether its run begins with it
  v_seqs bigint[];
  v_begins boolean[];
begin
  select array_agg(x.seq order by x.n), array_agg(x.seq is not null and p_pending[x.n] and x.place = 1 order by x.n) into v_seqs, v_begins
    from (select n, row_number() over run as place,
                 case when p_outcomes[n] = 'started' then p_seqs[n] + case when p_pending[n] then 1 else 0 end
                   + sum(case when p_redactions[n] is null then 1 else 2 end) over run end as seq
            from generate_subscripts(p_steps, 1) n
          window run as (partition by p_outcomes[n] = 'started', p_tenants[n], p_runs[n] order by n)) x;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select p_tenants[n], p_runs[n], v_seqs[n], 'step_started', p_steps[n], p_started[n]
    from generate_subscripts(v_seqs, 1) n where v_seqs[n] is not null
  union all
  select p_tenants[n], p_runs[n], p_seqs[n] + 1, 'run_started', null, '{}' from generate_subscripts(v_begins, 1) n where v_begins[n];
  if array_remove(p_redactions, null) <> '{}' then
    insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
    select p_tenants[n], p_runs[n], v_seqs[n] - 1, 'step_input_redacted', p_steps[n], (p_redactions[n] -> 'event')::json
      from generate_subscripts(v_seqs, 1) n where v_seqs[n] is not null and p_redactions[n] is not null;
  end if;
  if true = any (v_begins) then
    update stepgate.runs u set started_at = now() from unnest(array_positions(v_begins, true)) n
     where (u.tenant_uid, u.run_uid) = (p_tenants[n], p_runs[n]);
  end if;
  update stepgate.run_heads h
     set head_seq = x.seq, status = case when h.status = 'pending' then 'running' else h.status end,
         paused_from = case when h.paused_from = 'pending' then 'running' else h.paused_from end
    from (select p_tenants[n] as tenant_uid, p_runs[n] as run_uid, max(v_seqs[n]) as seq
            from generate_subscripts(v_seqs, 1) n where v_seqs[n] is not null group by 1, 2) x
   where (h.tenant_uid, h.run_uid) = (x.tenant_uid, x.run_uid);
  return cardinality(array_remove(v_seqs, null));
end $$;
