-- The transaction after the effect: outcome, ledger, next steps; a whole batch in one call, locked as admit locks.

-- Settles a batch, given as columns (functions/batches.sql). Kinds: succeeded, failed, retry, cancelled, lost (an attempt was
-- made) · refused, held, paused, deferred (none was). A stale item changes nothing: another epoch, or a worker whose lease
-- has lapsed. The reaper settles in the name of the dead worker, and only once its lease has lapsed. p_batches: the signed
-- batches of this call. p_items holds what only kinds other than a plain success have, null for that.
-- Every row is found by its key: a plan made for a table that was empty then would scan it once it is not.
create or replace function stepgate.settle_steps(p_worker text, p_is_reaping boolean, p_batches jsonb, p_items jsonb[], p_kinds text[],
  p_tenants uuid[], p_runs uuid[], p_steps text[], p_epochs bigint[], p_attempts integer[], p_outcome_records text[],
  p_outputs uuid[], p_output_digests text[], p_errors uuid[], p_checkpoints uuid[], p_tokens bigint[], p_usd_micros bigint[],
  p_usage_sources text[], p_providers text[], p_provider_versions text[], p_isolations text[], p_tool_events integer[],
  p_audit_actors text[], p_audit_actions text[], p_audit_resources text[],
  p_phases text[], p_evaluation_records text[], p_evaluations json[], p_details uuid[], p_inputs uuid[],
  p_artifacts text[], p_artifact_kinds text[], p_artifact_types text[], p_artifact_metadata json[], p_artifact_bytes bytea[],
  p_artifact_batches uuid[], p_artifact_leaves integer[],
  p_record_items integer[], p_records text[], p_record_kinds text[], p_statements text[], p_record_batches uuid[], p_record_leaves integer[],
  p_event_items integer[], p_event_types text[], p_event_data json[],
  p_blob_items integer[], p_blob_ids uuid[], p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[])
returns table (ordinal integer, outcome text, run_status text) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_held record;
  v record;
  v_ways text[];
  v_places integer[];
  v_n integer;
  v_has_plain boolean;
  v_has_singles boolean;
  -- places of the plain steps with which a run ended, those runs, and places of plain steps whose runs go on
  v_enders integer[] := '{}';
  v_ended uuid[] := '{}';
  v_movers integer[];
begin
  v_places := stepgate.lock_heads(p_tenants, p_runs);
  v := stepgate.judge_settlements(p_worker, p_is_reaping, p_items, p_kinds, p_tenants, p_runs, p_steps, p_epochs, p_event_items);
  v_held := stepgate.lock_reserves(v_places, p_tenants, p_runs, p_steps);
  v_ways := v.ways;
  v_has_plain := v.plain <> '{}';
  v_has_singles := 'single' = any (v_ways);
  v_movers := v.plain;
  if v_has_plain or v_has_singles then
    if jsonb_array_length(p_batches) > 0 then
      v_n := stepgate.insert_batches(p_batches);
    end if;
    if cardinality(p_records) > 0 then
      insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
      select p_tenants[i], p_records[r], p_runs[i], p_runs[i], p_steps[i], p_attempts[i], p_record_kinds[r], p_statements[r],
             p_record_batches[r], p_record_leaves[r]
        from (select r, p_record_items[r] as i from generate_subscripts(p_records, 1) r) x where v_ways[i] <> 'stale';
    end if;
    if cardinality(p_blob_ids) > 0 then
      insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
      select p_tenants[i], p_blob_ids[b], p_runs[i], p_steps[i], p_blob_fields[b], p_blob_keys[b], p_blob_wrapped[b], p_blob_sealed[b]
        from (select b, p_blob_items[b] as i from generate_subscripts(p_blob_ids, 1) b) x where v_ways[i] <> 'stale';
    end if;
    if array_remove(p_phases, null) <> '{}' then
      insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
      select p_tenants[n], p_runs[n], p_steps[n], p_epochs[n], p_phases[n], p_evaluation_records[n], p_evaluations[n], p_details[n], p_inputs[n]
        from generate_subscripts(p_phases, 1) n where v_ways[n] <> 'stale' and p_phases[n] is not null;
    end if;
    if array_remove(p_artifacts, null) <> '{}' then
      insert into stepgate.artifacts (tenant_uid, artifact_id, kind, media_type, size_bytes, run_uid, step_id, metadata, bytes,
                                      batch_id, leaf_index)
      select p_tenants[n], p_artifacts[n], p_artifact_kinds[n], p_artifact_types[n], octet_length(p_artifact_bytes[n]), p_runs[n],
             p_steps[n], p_artifact_metadata[n], p_artifact_bytes[n], p_artifact_batches[n], p_artifact_leaves[n]
        from generate_subscripts(p_artifacts, 1) n where v_ways[n] <> 'stale' and p_artifacts[n] is not null
          on conflict (tenant_uid, artifact_id, run_uid) do nothing;
    end if;
    if array_remove(p_items, null) <> '{}' then
      perform stepgate.apply_redactions(p_tenants, p_runs, p_steps,
        array(select case when v_ways[n] <> 'stale' then nullif(p_items[n] -> 'redaction', 'null') end
                from generate_subscripts(p_steps, 1) n order by n));
    end if;
    if stepgate.close_attempts(v_ways, v.words, v.pid, v_held.has_budgets, v_held.has_quotas, p_worker, p_items, p_kinds, p_tenants,
         p_runs, p_steps, p_epochs, p_attempts, p_outcome_records, p_outputs, p_errors, p_checkpoints, p_tokens, p_usd_micros,
         p_usage_sources, p_providers, p_provider_versions, p_isolations, p_tool_events,
         v.started, v.reserved_tokens, v.reserved_usd_micros, v.admissions) then
      v.seqs := stepgate.plain_seqs(v_ways, p_tenants, p_runs);
    end if;
    -- one tenant's head is locked by its first link
    if v_has_singles or not p_tenants[1] = all (p_tenants) then
      perform stepgate.lock_audits(p_tenants);
    end if;
    if 'stale' = any (v_ways) then
      p_audit_actions := stepgate.only_settled(v_ways, p_audit_actions);
    end if;
    if v_has_singles then
      v_n := stepgate.append_audits(p_tenants, p_audit_actors, p_audit_actions, p_audit_resources);
      p_audit_actions := array_fill(null::text, array[cardinality(p_steps)]);
    end if;
    if v_has_plain then
      v_enders := stepgate.end_plain_steps(v.plain, v.seqs, v.enders, p_tenants, p_runs, p_steps, p_attempts, p_outcome_records, p_outputs,
        p_output_digests, p_checkpoints, p_tokens, p_usd_micros, p_providers, p_provider_versions, p_artifacts, p_event_items, p_event_data);
    end if;
    if v_has_singles then
      perform stepgate.settle_singles(v_ways, p_items, p_kinds, p_tenants, p_runs, p_steps, p_epochs, p_attempts, p_outcome_records, p_outputs,
        p_output_digests, p_errors, p_checkpoints, p_tokens, p_usd_micros, p_providers, p_provider_versions, p_artifacts,
        p_event_items, p_event_types, p_event_data);
    end if;
    if v_has_plain then
      foreach v_n in array v_enders loop
        p_tenants := p_tenants || p_tenants[v_n];
        p_audit_actors := p_audit_actors || 'scheduler'::text;
        p_audit_actions := p_audit_actions || 'run.succeeded'::text;
        p_audit_resources := p_audit_resources || format('{"run_id":"%s"}', p_runs[v_n]);
        v_ended := v_ended || p_runs[v_n];
      end loop;
      v_n := stepgate.append_audits(p_tenants, p_audit_actors, p_audit_actions, p_audit_resources);
      v_movers := array(select n from unnest(v.plain) n where p_runs[n] <> all (v_ended) order by n);
      if v_movers <> '{}' then
        v_n := stepgate.move_runs(v_movers, p_tenants, p_runs, p_steps);
      end if;
    end if;
  end if;
  -- most batches end the runs that they are of
  if v_movers = '{}' and cardinality(v.plain) = cardinality(p_steps) then
    return query select n, 'settled', 'succeeded' from generate_subscripts(p_steps, 1) n order by n;
  else
    return query
      select n, case v_ways[n] when 'stale' then 'stale' else 'settled' end, h.status
        from generate_subscripts(p_steps, 1) n
        left join lateral (select x.status from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (p_tenants[n], p_runs[n]) offset 0) h on true
       order by n;
  end if;
end $$;

-- How each item is settled: stale · plain (a success that nothing hangs on but its successors) · single (everything else); of an
-- attempt that ends the word for its end, and what its admission left in the queue's row; the worker's process. Of plain items
-- their places, those with which nothing is left to do in their runs, and the number of each one's event. Locks the rows of the
-- queue that the batch has, in their order: heads are locked, and what else is read of a run changes with its head only. Each
-- row is sought by its key, item by item: a join may be planned to try each of the batch against all there are.
create or replace function stepgate.judge_settlements(p_worker text, p_is_reaping boolean, p_items jsonb[], p_kinds text[],
  p_tenants uuid[], p_runs uuid[], p_steps text[], p_epochs bigint[], p_event_items integer[], out ways text[], out words text[],
  out started timestamptz[], out reserved_tokens bigint[], out reserved_usd_micros bigint[], out admissions text[],
  out seqs bigint[], out plain integer[], out enders integer[], out pid integer)
language plpgsql as $$
declare
  v_is_live boolean;
begin
  select w.pid, w.lease_until > clock_timestamp() into pid, v_is_live from stepgate.workers w where w.worker_id = p_worker;
  -- a living worker settles its own, the reaper those of a dead one
  if coalesce(v_is_live, false) = p_is_reaping then
    ways := array_fill('stale'::text, array[cardinality(p_steps)]);
    words := array_fill(null::text, array[cardinality(p_steps)]);
    plain := '{}';
    return;
  end if;
  select array_agg(x.way), array_agg(x.word), array_agg(x.started_at), array_agg(x.reserved_tokens), array_agg(x.reserved_usd_micros),
         array_agg(x.admission_record), array_agg(x.head_seq + x.place), coalesce(array_agg(x.n) filter (where x.place > 0), '{}'),
         coalesce(array_agg(x.n) filter (where x.place = x.left_open), '{}')
    into ways, words, started, reserved_tokens, reserved_usd_micros, admissions, seqs, plain, enders
    from (select j.*,
                 case when j.way = 'stale' then null when p_kinds[j.n] = 'succeeded' then 'succeeded'
                      when p_kinds[j.n] in ('failed', 'cancelled', 'retry') then
                        case when (p_items[j.n] ->> 'is_lost')::boolean then 'lost' when p_kinds[j.n] = 'retry' then 'retry_scheduled'
                             else p_kinds[j.n] end end as word,
                 case j.way when 'plain' then count(*) filter (where j.way = 'plain') over run end as place
            from (select i.n, r.started_at, r.reserved_tokens, r.reserved_usd_micros, r.admission_record, h.head_seq,
                         case when h.status = 'running' and h.failed_steps = 0 then h.open_steps end as left_open,
                         case when (r.lease_epoch, r.lease_owner, r.state) is distinct from (p_epochs[i.n], p_worker,
                                case when p_kinds[i.n] in ('refused', 'held', 'paused', 'deferred') then 'leased' else 'running' end) then 'stale'
                              when p_kinds[i.n] = 'succeeded' and s.compensation_step is null and not s.is_target and not h.is_cancelled
                               and cardinality(array_positions(p_event_items, i.n)) = 1 then 'plain'
                              else 'single' end as way
                    from (select n from generate_subscripts(p_steps, 1) n order by p_tenants[n], p_runs[n], p_steps[n]) i
                    left join lateral (
                      select q.* from stepgate.ready_steps q
                       where (q.tenant_uid, q.run_uid, q.step_id) = (p_tenants[i.n], p_runs[i.n], p_steps[i.n]) for update) r on true
                    left join lateral (
                      select t.compensation_step, t.is_target from stepgate.steps t
                       where (t.tenant_uid, t.run_uid, t.step_id) = (p_tenants[i.n], p_runs[i.n], p_steps[i.n]) offset 0) s on true
                    left join lateral (
                      select u.* from stepgate.run_heads u where (u.tenant_uid, u.run_uid) = (p_tenants[i.n], p_runs[i.n]) offset 0) h on true) j
          window run as (partition by p_tenants[j.n], p_runs[j.n] order by j.n)
           order by j.n) x;
end $$;

-- The numbers of plain items' events where others were written meanwhile.
create or replace function stepgate.plain_seqs(p_ways text[], p_tenants uuid[], p_runs uuid[]) returns bigint[] language plpgsql as $$
begin
  return array(
    select case p_ways[n] when 'plain' then h.head_seq + count(*) filter (where p_ways[n] = 'plain')
             over (partition by h.tenant_uid, h.run_uid order by n) end
      from generate_subscripts(p_ways, 1) n
      left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (p_tenants[n], p_runs[n]) order by n);
end $$;

-- What is said of items that are not stale; null for the others.
create or replace function stepgate.only_settled(p_ways text[], p_texts text[]) returns text[] language plpgsql immutable as $$
begin
  for v_n in 1 .. cardinality(p_ways) loop
    if p_ways[v_n] = 'stale' then
      p_texts[v_n] := null;
    end if;
  end loop;
  return p_texts;
end $$;

-- The attempt rows, the ledger rows, the reconciliation and the bill of all attempts that end; a refusal's ledger row.
-- True where that wrote warnings into logs.
create or replace function stepgate.close_attempts(p_ways text[], p_words text[], p_pid integer, p_has_budgets boolean, p_has_quotas boolean,
  p_worker text, p_items jsonb[], p_kinds text[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_epochs bigint[], p_attempts integer[], p_outcome_records text[], p_outputs uuid[], p_errors uuid[], p_checkpoints uuid[],
  p_tokens bigint[], p_usd_micros bigint[], p_usage_sources text[], p_providers text[], p_provider_versions text[], p_isolations text[],
  p_tool_events integer[], p_started timestamptz[], p_reserved_tokens bigint[], p_reserved_usd_micros bigint[], p_admissions text[])
returns boolean language plpgsql as $$
declare
  v_count integer := cardinality(array_remove(p_words, null));
  v_is_held boolean;
  v_has_warned boolean := false;
  v record;
begin
  if v_count > 0 then
    insert into stepgate.step_attempts (tenant_uid, run_uid, step_id, lease_epoch, attempt, status, error_kind, worker_id,
      worker_pid, started_at, reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros, usage_source, isolation,
      provider, provider_version, admission_record, outcome_record, output_blob, error_blob, checkpoint_blob, tool_events)
    select p_tenants[n], p_runs[n], p_steps[n], p_epochs[n], p_attempts[n], p_words[n], p_items[n] ->> 'error_kind', p_worker,
           p_pid, p_started[n], p_reserved_tokens[n], p_reserved_usd_micros[n], p_tokens[n], p_usd_micros[n], p_usage_sources[n],
           p_isolations[n], p_providers[n], p_provider_versions[n], p_admissions[n], p_outcome_records[n], p_outputs[n], p_errors[n],
           p_checkpoints[n], coalesce(p_tool_events[n], 0)
      from generate_subscripts(p_words, 1) n where p_words[n] is not null;
  end if;
  if v_count > 0 or 'refused' = any (p_kinds) then
    insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
      actual_tokens, actual_usd_micros, usage_source)
    select p_tenants[n], p_runs[n], p_steps[n], p_epochs[n], coalesce(p_words[n], 'refused'),
           case when p_words[n] is null then 0 else p_reserved_tokens[n] end,
           case when p_words[n] is null then 0 else p_reserved_usd_micros[n] end,
           coalesce(p_tokens[n], 0), coalesce(p_usd_micros[n], 0), coalesce(p_usage_sources[n], 'none')
      from generate_subscripts(p_words, 1) n where p_words[n] is not null or p_ways[n] <> 'stale' and p_kinds[n] = 'refused';
  end if;
  if v_count = 0 then
    return false;
  end if;
  if p_has_budgets or p_has_quotas then
    if v_count = cardinality(p_words) and not 'single' = any (p_ways) then
      v_is_held := stepgate.reconcile_together(p_tenants, p_runs, p_started, p_reserved_tokens, p_reserved_usd_micros, p_tokens, p_usd_micros,
                                               p_has_budgets, p_has_quotas);
      v_has_warned := stepgate.warn_of_budgets(p_tenants, p_runs, p_started, p_tokens, p_usd_micros);
    else
      -- in the order in which their events are written: plain ones come first
      select array_agg(p_tenants[n] order by o.place) as tenants, array_agg(p_runs[n] order by o.place) as runs,
             array_agg(p_started[n] order by o.place) as started, array_agg(p_reserved_tokens[n] order by o.place) as reserved_tokens,
             array_agg(p_reserved_usd_micros[n] order by o.place) as reserved_usd_micros,
             array_agg(p_tokens[n] order by o.place) as tokens, array_agg(p_usd_micros[n] order by o.place) as usd_micros
        into v
        from generate_subscripts(p_words, 1) n, lateral (select n + case p_ways[n] when 'plain' then 0 else 1000 end) o (place)
       where p_words[n] is not null;
      v_is_held := stepgate.reconcile_together(v.tenants, v.runs, v.started, v.reserved_tokens, v.reserved_usd_micros, v.tokens,
                                               v.usd_micros, p_has_budgets, p_has_quotas);
      v_has_warned := stepgate.warn_of_budgets(v.tenants, v.runs, v.started, v.tokens, v.usd_micros);
    end if;
  end if;
  insert into stepgate.billing_usage as b (tenant_uid, day, attempts, tokens, usd_micros)
  select p_tenants[n], (now() at time zone 'UTC')::date, count(*), sum(p_tokens[n]), sum(p_usd_micros[n])
    from generate_subscripts(p_words, 1) n where p_words[n] is not null group by 1 order by 1
  on conflict (tenant_uid, day) do update set attempts = b.attempts + excluded.attempts, tokens = b.tokens + excluded.tokens,
    usd_micros = b.usd_micros + excluded.usd_micros;
  return v_has_warned;
end $$;

-- Plain successes, by place: the step, the queue row and the event of each, and the ends of runs in which nothing else is left to
-- do (p_enders: the place of each one's last). What they free and what follows is move_runs' to do. A run that has targets goes
-- the long way too: returned are the places of those that ended their runs.
create or replace function stepgate.end_plain_steps(p_plain integer[], p_seqs bigint[], p_enders integer[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_attempts integer[], p_outcome_records text[], p_outputs uuid[], p_output_digests text[], p_checkpoints uuid[],
  p_tokens bigint[], p_usd_micros bigint[], p_providers text[], p_provider_versions text[], p_artifacts text[],
  p_event_items integer[], p_event_data json[]) returns integer[] language plpgsql as $$
declare
  v_enders integer[] := '{}';
  v_snapshots text[] := '{}';
begin
  update stepgate.steps s
     set status = 'succeeded', attempts_made = p_attempts[n], output_blob = p_outputs[n], output_digest = p_output_digests[n],
         checkpoint_blob = coalesce(p_checkpoints[n], s.checkpoint_blob), error_blob = null, error_kind = null, reasons = '{}',
         provider = coalesce(p_providers[n], s.provider), provider_version = coalesce(p_provider_versions[n], s.provider_version),
         actual_tokens = s.actual_tokens + p_tokens[n], actual_usd_micros = s.actual_usd_micros + p_usd_micros[n],
         last_record = p_outcome_records[n], decision_artifact = coalesce(p_artifacts[n], s.decision_artifact), ended_at = now(),
         ended_seq = p_seqs[n]
    from unnest(p_plain) n
   where (s.tenant_uid, s.run_uid, s.step_id) = (p_tenants[n], p_runs[n], p_steps[n]);
  delete from stepgate.ready_steps r using unnest(p_plain) n
   where (r.tenant_uid, r.run_uid, r.step_id) = (p_tenants[n], p_runs[n], p_steps[n]);
  if p_enders <> '{}' then
    -- a value for each run, and no join, which might be walked from the steps
    select coalesce(array_agg(x.n), '{}'), coalesce(array_agg(stepgate.snapshot_id(p_tenants[x.n], p_runs[x.n])), '{}')
      into v_enders, v_snapshots
      from (select n from unnest(p_enders) n order by p_tenants[n], p_runs[n]) x
     where not (select bool_or(s.is_target) from stepgate.steps s where s.tenant_uid = p_tenants[x.n] and s.run_uid = p_runs[x.n]);
  end if;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select p_tenants[n], p_runs[n], p_seqs[n], 'step_succeeded', p_steps[n], p_event_data[e]
    from (select e, p_event_items[e] as n from generate_subscripts(p_event_items, 1) e) x where n = any (p_plain)
  union all
  select p_tenants[v_enders[e]], p_runs[v_enders[e]], p_seqs[v_enders[e]] + 1, 'run_succeeded', null,
         jsonb_build_object('final_snapshot_id', v_snapshots[e])::json
    from generate_subscripts(v_enders, 1) e;
  update stepgate.run_heads h
     set head_seq = x.seq, open_steps = h.open_steps - x.steps, ready_rows = h.ready_rows - x.steps,
         status = case when x.has_ended then 'succeeded' else h.status end
    from (select p_tenants[n] as tenant_uid, p_runs[n] as run_uid, count(*) as steps, bool_or(n = any (v_enders)) as has_ended,
                 max(p_seqs[n]) + max(case when n = any (v_enders) then 1 else 0 end) as seq
            from unnest(p_plain) n group by 1, 2) x
   where (h.tenant_uid, h.run_uid) = (x.tenant_uid, x.run_uid);
  if v_enders <> '{}' then
    update stepgate.runs u set ended_at = now(), final_snapshot_id = v_snapshots[e] from generate_subscripts(v_enders, 1) e
     where (u.tenant_uid, u.run_uid) = (p_tenants[v_enders[e]], p_runs[v_enders[e]]);
    insert into stepgate.jobs (tenant_uid, run_uid, kind) select p_tenants[n], p_runs[n], 'seal' from unnest(v_enders) n;
  end if;
  return v_enders;
end $$;

-- Everything that is no plain success, one by one, in the order given.
create or replace function stepgate.settle_singles(p_ways text[], p_items jsonb[], p_kinds text[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_epochs bigint[], p_attempts integer[], p_outcome_records text[], p_outputs uuid[], p_output_digests text[],
  p_errors uuid[], p_checkpoints uuid[], p_tokens bigint[], p_usd_micros bigint[], p_providers text[], p_provider_versions text[],
  p_artifacts text[], p_event_items integer[], p_event_types text[], p_event_data json[]) returns void language plpgsql as $$
declare
  i stepgate.settlement;
  h stepgate.run_heads;
  v_n integer;
  v_event integer;
begin
  for v_n in select n from generate_subscripts(p_ways, 1) n where p_ways[n] = 'single' order by p_tenants[n], p_runs[n], n loop
    i := jsonb_populate_record(null::stepgate.settlement, coalesce(p_items[v_n], '{}'));
    i.kind := p_kinds[v_n];
    i.tenant_uid := p_tenants[v_n];
    i.run_uid := p_runs[v_n];
    i.step_id := p_steps[v_n];
    i.lease_epoch := p_epochs[v_n];
    i.attempt := p_attempts[v_n];
    i.outcome_record := p_outcome_records[v_n];
    i.output_blob := p_outputs[v_n];
    i.output_digest := p_output_digests[v_n];
    i.error_blob := p_errors[v_n];
    i.checkpoint_blob := p_checkpoints[v_n];
    i.actual_tokens := p_tokens[v_n];
    i.actual_usd_micros := p_usd_micros[v_n];
    i.provider := p_providers[v_n];
    i.provider_version := p_provider_versions[v_n];
    i.artifact_id := p_artifacts[v_n];
    select * into h from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (i.tenant_uid, i.run_uid);
    foreach v_event in array array_positions(p_event_items, v_n) loop
      h := stepgate.append_event(h, p_event_types[v_event], i.step_id, p_event_data[v_event]::jsonb);
    end loop;
    case
      when i.kind = 'deferred' then
        h := stepgate.put_back(h, i);
      when i.kind = 'paused' then
        h := stepgate.pause_at(h, i);
      when i.kind = 'held' then
        h := stepgate.hold_step(h, i);
      when i.kind = 'retry' then
        perform stepgate.note_attempt(i);
        h := stepgate.requeue_step(h, i);
      when i.kind in ('succeeded', 'failed', 'cancelled', 'refused') then
        if i.kind <> 'refused' then
          perform stepgate.note_attempt(i);
        end if;
        h := stepgate.end_step(h, i);
        h := stepgate.after_step(h, i.step_id, i.lease_epoch);
    end case;
    perform stepgate.save_head(h);
  end loop;
end $$;

-- What follows for the runs of plain successes that have not ended, once each: places in the queue that became free, successors
-- whose dependencies are met, the end of the run. Returns how many runs that were.
create or replace function stepgate.move_runs(p_movers integer[], p_tenants uuid[], p_runs uuid[], p_steps text[]) returns integer
language plpgsql as $$
declare
  v_count integer := 0;
  r record;
  h stepgate.run_heads;
  v_found stepgate.run_heads;
  v_next text;
begin
  for r in
    select p_tenants[n] as tenant_uid, p_runs[n] as run_uid, array_agg(p_steps[n] order by n) as steps
      from unnest(p_movers) n group by 1, 2 order by 1, 2
  loop
    v_count := v_count + 1;
    select * into h from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (r.tenant_uid, r.run_uid);
    v_found := h;
    if h.unplaced_steps > 0 and h.ready_rows < h.max_parallel then
      h := stepgate.place_next(h, least(h.unplaced_steps, h.max_parallel - h.ready_rows));
    end if;
    for v_next in
      with met as (
        select e.to_step, count(*)::integer as dependencies, min(array_position(r.steps, e.from_step)) as place from stepgate.step_edges e
         where e.tenant_uid = r.tenant_uid and e.run_uid = r.run_uid and e.from_step = any (r.steps) group by e.to_step),
      counted as (
        update stepgate.steps n set pending_dependencies = n.pending_dependencies - m.dependencies from met m
         where n.tenant_uid = r.tenant_uid and n.run_uid = r.run_uid and n.step_id = m.to_step
        returning n.step_id, n.pending_dependencies, n.status, m.place, n.idx)
      select c.step_id from counted c where c.pending_dependencies = 0 and c.status = 'blocked' order by c.place, c.idx
    loop
      h := stepgate.queue_step(h, v_next, 'dependencies_satisfied');
    end loop;
    if h.open_steps = 0 then
      h := stepgate.finish_run(h);
    end if;
    if h is distinct from v_found then
      perform stepgate.save_head(h);
    end if;
  end loop;
  return v_count;
end $$;

-- What the step's own row keeps of an attempt.
create or replace function stepgate.note_attempt(i stepgate.settlement) returns void language plpgsql as $$
begin
  update stepgate.steps
     set attempts_made = i.attempt,
         error_attempts = error_attempts + case when i.is_lost or i.kind = 'succeeded' then 0 else 1 end,
         lost_attempts = lost_attempts + case when i.is_lost then 1 else 0 end,
         checkpoint_blob = coalesce(i.checkpoint_blob, checkpoint_blob), error_blob = i.error_blob,
         provider = coalesce(i.provider, provider), provider_version = coalesce(i.provider_version, provider_version),
         actual_tokens = actual_tokens + i.actual_tokens, actual_usd_micros = actual_usd_micros + i.actual_usd_micros,
         last_record = i.outcome_record
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
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
         decision_artifact = coalesce(i.artifact_id, decision_artifact), ended_at = now(), ended_seq = h.head_seq
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
  v_target_ms integer;
begin
  update stepgate.steps
     set not_before = v_not_before, error_kind = null,
         decision_artifact = coalesce(i.artifact_id, decision_artifact)
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id) returning queue_target_ms into v_target_ms;
  update stepgate.ready_steps
     set state = 'queued', lease_owner = null, started_at = null, reserved_tokens = 0, reserved_usd_micros = 0,
         admission_record = null, jti = null, not_before = v_not_before, ready_at = v_not_before,
         -- its wait begins anew, and so does what its contract says of it
         breach_at = coalesce(v_not_before + v_target_ms * interval '1 millisecond', 'infinity'),
         deferred_for = 'retry', deferred_by = null,
         is_alone = is_alone or i.is_lost
   where (tenant_uid, run_uid, step_id) = (i.tenant_uid, i.run_uid, i.step_id);
  return stepgate.stop_step(h, i);
end $$;

-- leased → queued without an attempt: pressure, a short quota, a change of what the decision rested on, shutdown.
create or replace function stepgate.put_back(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
begin
  update stepgate.ready_steps
     set state = 'queued', lease_owner = null, deferred_for = i.defer_reason, deferred_by = i.deferred_by,
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
  perform stepgate.open_approval(h, i);
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
