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
  p_phases text[], p_evaluation_records text[], p_evaluations jsonb[], p_details uuid[], p_inputs uuid[],
  p_artifacts text[], p_artifact_kinds text[], p_artifact_types text[], p_artifact_metadata jsonb[], p_artifact_bytes bytea[],
  p_artifact_batches uuid[], p_artifact_leaves integer[],
  p_record_items integer[], p_records text[], p_record_kinds text[], p_statements text[], p_record_batches uuid[], p_record_leaves integer[],
  p_event_items integer[], p_event_types text[], p_event_data jsonb[],
  p_blob_items integer[], p_blob_ids uuid[], p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[])
returns table (ordinal integer, outcome text, run_status text) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  -- stale · plain (a success that nothing hangs on but its successors) · single (everything else)
  v_ways text[];
  v_batch jsonb;
begin
  perform stepgate.lock_batch(p_tenants, p_runs, p_steps);
  v_ways := stepgate.judge_settlements(p_worker, p_is_reaping, p_kinds, p_tenants, p_runs, p_steps, p_epochs, p_event_items);
  if not v_ways <@ '{stale}' then
    for v_batch in select * from jsonb_array_elements(p_batches) loop
      perform stepgate.insert_batch(v_batch);
    end loop;
    insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
    select p_tenants[r.item], r.record_id, p_runs[r.item], p_runs[r.item], p_steps[r.item], p_attempts[r.item], r.kind, r.statement, r.batch_id, r.leaf_index
      from unnest(p_record_items, p_records, p_record_kinds, p_statements, p_record_batches, p_record_leaves)
        as r (item, record_id, kind, statement, batch_id, leaf_index)
     where v_ways[r.item] <> 'stale';
    insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
    select p_tenants[b.item], b.blob_id, p_runs[b.item], p_steps[b.item], b.field, b.key_id, b.wrapped_key, b.sealed
      from unnest(p_blob_items, p_blob_ids, p_blob_fields, p_blob_keys, p_blob_wrapped, p_blob_sealed)
        as b (item, blob_id, field, key_id, wrapped_key, sealed)
     where v_ways[b.item] <> 'stale';
    insert into stepgate.evaluations (tenant_uid, run_uid, step_id, lease_epoch, phase, record_id, body, details_blob, input_blob)
    select i.tenant_uid, i.run_uid, i.step_id, i.epoch, i.phase, i.record_id, i.body, i.details_blob, i.input_blob
      from unnest(p_tenants, p_runs, p_steps, p_epochs, p_phases, p_evaluation_records, p_evaluations, p_details, p_inputs, v_ways)
        as i (tenant_uid, run_uid, step_id, epoch, phase, record_id, body, details_blob, input_blob, way)
     where i.way <> 'stale' and i.phase is not null;
    insert into stepgate.artifacts (tenant_uid, artifact_id, kind, media_type, size_bytes, run_uid, step_id, metadata, bytes,
                                    batch_id, leaf_index)
    select i.tenant_uid, i.artifact_id, i.kind, i.media_type, octet_length(i.bytes), i.run_uid, i.step_id, i.metadata, i.bytes,
           i.batch_id, i.leaf_index
      from unnest(p_tenants, p_runs, p_steps, p_artifacts, p_artifact_kinds, p_artifact_types, p_artifact_metadata, p_artifact_bytes,
                  p_artifact_batches, p_artifact_leaves, v_ways)
        as i (tenant_uid, run_uid, step_id, artifact_id, kind, media_type, metadata, bytes, batch_id, leaf_index, way)
     where i.way <> 'stale' and i.artifact_id is not null
        on conflict (tenant_uid, artifact_id, run_uid) do nothing;
    perform stepgate.apply_redactions(p_tenants, p_runs, p_steps,
      array(select case when v_ways[n] <> 'stale' then nullif(p_items[n] -> 'redaction', 'null') end
              from generate_subscripts(p_steps, 1) n order by n));
    perform stepgate.close_attempts(v_ways, p_items, p_kinds, p_tenants, p_runs, p_steps, p_epochs, p_attempts, p_outcome_records, p_outputs,
      p_errors, p_checkpoints, p_tokens, p_usd_micros, p_usage_sources, p_providers, p_provider_versions, p_isolations, p_tool_events);
    perform stepgate.lock_audits(p_tenants);
    perform stepgate.append_audits(p_tenants, p_audit_actors,
      array(select case when v_ways[n] <> 'stale' then p_audit_actions[n] end from generate_subscripts(p_steps, 1) n order by n),
      p_audit_resources);
    perform stepgate.end_plain_steps(v_ways, p_tenants, p_runs, p_steps, p_attempts, p_outcome_records, p_outputs, p_output_digests,
      p_checkpoints, p_tokens, p_usd_micros, p_providers, p_provider_versions, p_artifacts, p_event_items, p_event_data);
    perform stepgate.settle_singles(v_ways, p_items, p_kinds, p_tenants, p_runs, p_steps, p_epochs, p_attempts, p_outcome_records, p_outputs,
      p_output_digests, p_errors, p_checkpoints, p_tokens, p_usd_micros, p_providers, p_provider_versions, p_artifacts,
      p_event_items, p_event_types, p_event_data);
    perform stepgate.move_runs(v_ways, p_tenants, p_runs, p_steps);
  end if;
  return query
    select i.ord::integer, case i.way when 'stale' then 'stale' else 'settled' end, h.status
      from unnest(p_tenants, p_runs, v_ways) with ordinality as i (tenant_uid, run_uid, way, ord)
      left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (i.tenant_uid, i.run_uid) order by i.ord;
end $$;

-- How each item is settled. Rows are locked by lock_batch.
create or replace function stepgate.judge_settlements(p_worker text, p_is_reaping boolean, p_kinds text[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_epochs bigint[], p_event_items integer[]) returns text[] language plpgsql as $$
declare
  -- a living worker settles its own, the reaper those of a dead one
  v_may_settle boolean := stepgate.is_live(p_worker) <> p_is_reaping;
begin
  return array(
    select case when r.step_id is null or not v_may_settle then 'stale'
                when i.kind = 'succeeded' and s.compensation_step is null and not s.is_target and not h.is_cancelled
                 and (select count(*) from unnest(p_event_items) e where e = i.ord) = 1 then 'plain'
                else 'single' end
      from unnest(p_kinds, p_tenants, p_runs, p_steps, p_epochs) with ordinality as i (kind, tenant_uid, run_uid, step_id, epoch, ord)
      left join stepgate.ready_steps r on (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
       and r.lease_epoch = i.epoch and r.lease_owner = p_worker
       and r.state = case when i.kind in ('refused', 'held', 'paused', 'deferred') then 'leased' else 'running' end
      left join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
      left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (i.tenant_uid, i.run_uid)
     order by i.ord);
end $$;

-- The attempt rows, the ledger rows, the reconciliation and the bill of all attempts that end; a refusal's ledger row.
create or replace function stepgate.close_attempts(p_ways text[], p_items jsonb[], p_kinds text[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_epochs bigint[], p_attempts integer[], p_outcome_records text[], p_outputs uuid[], p_errors uuid[], p_checkpoints uuid[],
  p_tokens bigint[], p_usd_micros bigint[], p_usage_sources text[], p_providers text[], p_provider_versions text[], p_isolations text[],
  p_tool_events integer[]) returns void language plpgsql as $$
declare
  v_words text[] := array(
    select case when p_ways[n] = 'stale' or p_kinds[n] not in ('succeeded', 'failed', 'cancelled', 'retry') then null
                when (p_items[n] ->> 'is_lost')::boolean then 'lost' when p_kinds[n] = 'retry' then 'retry_scheduled' else p_kinds[n] end
      from generate_subscripts(p_kinds, 1) n order by n);
  v record;
begin
  insert into stepgate.step_attempts (tenant_uid, run_uid, step_id, lease_epoch, attempt, status, error_kind, worker_id,
    worker_pid, started_at, reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros, usage_source, isolation,
    provider, provider_version, admission_record, outcome_record, output_blob, error_blob, checkpoint_blob, tool_events)
  select i.tenant_uid, i.run_uid, i.step_id, i.epoch, i.attempt, i.word, i.item ->> 'error_kind', q.lease_owner, w.pid, q.started_at,
         q.reserved_tokens, q.reserved_usd_micros, i.tokens, i.usd_micros, i.usage_source, i.isolation, i.provider, i.provider_version,
         q.admission_record, i.outcome_record, i.output, i.error, i.checkpoint, coalesce(i.tool_events, 0)
    from unnest(v_words, p_items, p_tenants, p_runs, p_steps, p_epochs, p_attempts, p_tokens, p_usd_micros, p_usage_sources, p_isolations,
                p_providers, p_provider_versions, p_outcome_records, p_outputs, p_errors, p_checkpoints, p_tool_events)
      as i (word, item, tenant_uid, run_uid, step_id, epoch, attempt, tokens, usd_micros, usage_source, isolation,
            provider, provider_version, outcome_record, output, error, checkpoint, tool_events)
    join stepgate.ready_steps q on (q.tenant_uid, q.run_uid, q.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
    left join stepgate.workers w on w.worker_id = q.lease_owner
   where i.word is not null;
  insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
    actual_tokens, actual_usd_micros, usage_source)
  select i.tenant_uid, i.run_uid, i.step_id, i.epoch, coalesce(i.word, 'refused'),
         case when i.word is null then 0 else q.reserved_tokens end, case when i.word is null then 0 else q.reserved_usd_micros end,
         coalesce(i.tokens, 0), coalesce(i.usd_micros, 0), coalesce(i.usage_source, 'none')
    from unnest(p_ways, p_kinds, v_words, p_tenants, p_runs, p_steps, p_epochs, p_tokens, p_usd_micros, p_usage_sources)
      as i (way, kind, word, tenant_uid, run_uid, step_id, epoch, tokens, usd_micros, usage_source)
    join stepgate.ready_steps q on (q.tenant_uid, q.run_uid, q.step_id) = (i.tenant_uid, i.run_uid, i.step_id)
   where i.word is not null or i.way <> 'stale' and i.kind = 'refused';
  -- in the order in which their events are written: plain ones come first
  select array_agg(i.tenant_uid order by o.place) as tenants, array_agg(i.run_uid order by o.place) as runs,
         array_agg(q.started_at order by o.place) as started, array_agg(q.reserved_tokens order by o.place) as reserved_tokens,
         array_agg(q.reserved_usd_micros order by o.place) as reserved_usd_micros,
         array_agg(i.tokens order by o.place) as tokens, array_agg(i.usd_micros order by o.place) as usd_micros
    into v
    from unnest(p_ways, v_words, p_tenants, p_runs, p_steps, p_tokens, p_usd_micros) with ordinality
      as i (way, word, tenant_uid, run_uid, step_id, tokens, usd_micros, ord)
    join stepgate.ready_steps q on (q.tenant_uid, q.run_uid, q.step_id) = (i.tenant_uid, i.run_uid, i.step_id),
         lateral (select i.ord + case i.way when 'plain' then 0 else 1000 end) o (place)
   where i.word is not null;
  if v.tenants is null then
    return;
  end if;
  perform stepgate.reconcile_together(v.tenants, v.runs, v.started, v.reserved_tokens, v.reserved_usd_micros, v.tokens, v.usd_micros);
  perform stepgate.warn_of_budgets(v.tenants, v.runs, v.started, v.tokens, v.usd_micros);
  insert into stepgate.billing_usage as b (tenant_uid, day, attempts, tokens, usd_micros)
  select x.tenant_uid, (now() at time zone 'UTC')::date, count(*), sum(x.tokens), sum(x.usd_micros)
    from unnest(v.tenants, v.tokens, v.usd_micros) as x (tenant_uid, tokens, usd_micros) group by x.tenant_uid order by x.tenant_uid
  on conflict (tenant_uid, day) do update set attempts = b.attempts + excluded.attempts, tokens = b.tokens + excluded.tokens,
    usd_micros = b.usd_micros + excluded.usd_micros;
end $$;

-- Plain successes: the event, the step and the queue row of each; what they free and what follows is move_runs' to do.
create or replace function stepgate.end_plain_steps(p_ways text[], p_tenants uuid[], p_runs uuid[], p_steps text[], p_attempts integer[],
  p_outcome_records text[], p_outputs uuid[], p_output_digests text[], p_checkpoints uuid[], p_tokens bigint[], p_usd_micros bigint[],
  p_providers text[], p_provider_versions text[], p_artifacts text[], p_event_items integer[], p_event_data jsonb[]) returns void
language plpgsql as $$
declare
  v_seqs bigint[] := array(
    select case i.way when 'plain' then h.head_seq + count(*) filter (where i.way = 'plain')
             over (partition by i.tenant_uid, i.run_uid order by i.ord) end
      from unnest(p_ways, p_tenants, p_runs) with ordinality as i (way, tenant_uid, run_uid, ord)
      left join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (i.tenant_uid, i.run_uid) order by i.ord);
begin
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select p_tenants[e.item], p_runs[e.item], v_seqs[e.item], 'step_succeeded', p_steps[e.item], e.data
    from unnest(p_event_items, p_event_data) as e (item, data) where p_ways[e.item] = 'plain';
  update stepgate.steps s
     set status = 'succeeded', attempts_made = i.attempt, output_blob = i.output, output_digest = i.output_digest,
         checkpoint_blob = coalesce(i.checkpoint, s.checkpoint_blob), error_blob = null, error_kind = null, reasons = '{}',
         provider = coalesce(i.provider, s.provider), provider_version = coalesce(i.provider_version, s.provider_version),
         actual_tokens = s.actual_tokens + i.tokens, actual_usd_micros = s.actual_usd_micros + i.usd_micros,
         last_record = i.outcome_record, decision_artifact = coalesce(i.artifact, s.decision_artifact), ended_at = now(), ended_seq = i.seq
    from unnest(p_ways, p_tenants, p_runs, p_steps, p_attempts, p_outputs, p_output_digests, p_checkpoints, p_providers, p_provider_versions,
                p_tokens, p_usd_micros, p_outcome_records, p_artifacts, v_seqs)
      as i (way, tenant_uid, run_uid, step_id, attempt, output, output_digest, checkpoint, provider, provider_version,
            tokens, usd_micros, outcome_record, artifact, seq)
   where (s.tenant_uid, s.run_uid, s.step_id) = (i.tenant_uid, i.run_uid, i.step_id) and i.way = 'plain';
  delete from stepgate.ready_steps r using unnest(p_ways, p_tenants, p_runs, p_steps) as i (way, tenant_uid, run_uid, step_id)
   where (r.tenant_uid, r.run_uid, r.step_id) = (i.tenant_uid, i.run_uid, i.step_id) and i.way = 'plain';
  update stepgate.run_heads h
     set head_seq = h.head_seq + x.steps, open_steps = h.open_steps - x.steps, ready_rows = h.ready_rows - x.steps
    from (select i.tenant_uid, i.run_uid, count(*) as steps from unnest(p_ways, p_tenants, p_runs) as i (way, tenant_uid, run_uid)
           where i.way = 'plain' group by 1, 2) x
   where (h.tenant_uid, h.run_uid) = (x.tenant_uid, x.run_uid);
end $$;

-- Everything that is no plain success, one by one, in the order given.
create or replace function stepgate.settle_singles(p_ways text[], p_items jsonb[], p_kinds text[], p_tenants uuid[], p_runs uuid[],
  p_steps text[], p_epochs bigint[], p_attempts integer[], p_outcome_records text[], p_outputs uuid[], p_output_digests text[],
  p_errors uuid[], p_checkpoints uuid[], p_tokens bigint[], p_usd_micros bigint[], p_providers text[], p_provider_versions text[],
  p_artifacts text[], p_event_items integer[], p_event_types text[], p_event_data jsonb[]) returns void language plpgsql as $$
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
      h := stepgate.append_event(h, p_event_types[v_event], i.step_id, p_event_data[v_event]);
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

-- Ends the runs of plain successes in which nothing else is left to do, all at once; returns their uids. What has targets,
-- failed, is paused or is being cancelled goes the long way (move_runs).
create or replace function stepgate.end_plain_runs(p_ways text[], p_tenants uuid[], p_runs uuid[]) returns uuid[] language plpgsql as $$
declare
  v record;
begin
  select array_agg(h.tenant_uid order by h.tenant_uid, h.run_uid) as tenants, array_agg(h.run_uid order by h.tenant_uid, h.run_uid) as runs,
         array_agg(h.head_seq + 1 order by h.tenant_uid, h.run_uid) as seqs,
         array_agg(stepgate.snapshot_id(h.tenant_uid, h.run_uid) order by h.tenant_uid, h.run_uid) as snapshots
    into v
    from (select distinct i.tenant_uid, i.run_uid from unnest(p_ways, p_tenants, p_runs) as i (way, tenant_uid, run_uid)
           where i.way = 'plain') i
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (i.tenant_uid, i.run_uid)
   where h.open_steps = 0 and h.status = 'running' and h.failed_steps = 0 and not h.is_cancelled
     and not exists (select 1 from stepgate.steps s where s.tenant_uid = h.tenant_uid and s.run_uid = h.run_uid and s.is_target);
  if v.runs is null then
    return '{}';
  end if;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select e.tenant_uid, e.run_uid, e.seq, 'run_succeeded', null, jsonb_build_object('final_snapshot_id', e.snapshot)
    from unnest(v.tenants, v.runs, v.seqs, v.snapshots) as e (tenant_uid, run_uid, seq, snapshot);
  update stepgate.run_heads h set head_seq = e.seq, status = 'succeeded'
    from unnest(v.tenants, v.runs, v.seqs) as e (tenant_uid, run_uid, seq)
   where (h.tenant_uid, h.run_uid) = (e.tenant_uid, e.run_uid);
  update stepgate.runs u set ended_at = now(), final_snapshot_id = e.snapshot
    from unnest(v.tenants, v.runs, v.snapshots) as e (tenant_uid, run_uid, snapshot)
   where (u.tenant_uid, u.run_uid) = (e.tenant_uid, e.run_uid);
  insert into stepgate.jobs (tenant_uid, run_uid, kind)
  select e.tenant_uid, e.run_uid, 'seal' from unnest(v.tenants, v.runs) as e (tenant_uid, run_uid);
  perform stepgate.append_audits(v.tenants, array_fill('scheduler'::text, array[cardinality(v.runs)]),
    array_fill('run.succeeded'::text, array[cardinality(v.runs)]),
    array(select format('{"run_id":"%s"}', r) from unnest(v.runs) with ordinality as e (r, ord) order by e.ord));
  return v.runs;
end $$;

-- What follows for the runs of plain successes, once each: places in the queue that became free, successors whose
-- dependencies are met, the end of the run.
create or replace function stepgate.move_runs(p_ways text[], p_tenants uuid[], p_runs uuid[], p_steps text[]) returns void
language plpgsql as $$
declare
  v_ended uuid[] := stepgate.end_plain_runs(p_ways, p_tenants, p_runs);
  r record;
  h stepgate.run_heads;
  v_next text;
begin
  for r in
    select i.tenant_uid, i.run_uid, array_agg(i.step_id order by i.ord) as steps
      from unnest(p_ways, p_tenants, p_runs, p_steps) with ordinality as i (way, tenant_uid, run_uid, step_id, ord)
     where i.way = 'plain' and i.run_uid <> all (v_ended) group by 1, 2 order by 1, 2
  loop
    select * into h from stepgate.run_heads x where (x.tenant_uid, x.run_uid) = (r.tenant_uid, r.run_uid);
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
    perform stepgate.save_head(h);
  end loop;
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
