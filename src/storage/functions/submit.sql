-- What is submitted: runs of one tenant with all they need, stored together or found.

-- Stores runs of one tenant, or finds those that are there already (lookup before all else, spec 02), with the same result as
-- one after the other: where several have one id or key, the first is stored and the others find it. Runs come as columns, a
-- place each; their steps, edges and blobs as further columns, with the run's place, counted from 1. Roles, breakpoints, refs and
-- forks are JSON, null where there are none. Results in the order given: created | exists | mismatch, and of one that was found
-- whether by its id. Their audit rows come last, since the chain's head is what all writers of a tenant share.
create or replace function stepgate.submit_runs(p_tenant uuid, p_runs uuid[], p_ids text[], p_keys text[], p_digests text[], p_kinds text[],
  p_ops text[], p_manifest_ids text[], p_manifests text[], p_priorities integer[], p_seeds bigint[], p_subjects text[], p_labels uuid[],
  p_callers text[], p_owners text[], p_roles jsonb[], p_traceparents text[], p_tracestates text[], p_time_limits bigint[],
  p_max_parallel integer[], p_fail_fast boolean[], p_has_budget boolean[], p_token_limits bigint[], p_usd_micros_limits bigint[],
  p_breakpoints jsonb[], p_submitted json[], p_forks jsonb[],
  p_step_items integer[], p_steps text[], p_places integer[], p_types text[], p_slugs text[], p_specs jsonb[], p_inputs uuid[], p_refs jsonb[],
  p_are_targets boolean[], p_origins text[], p_compensations text[], p_compensated_on text[], p_dependencies integer[],
  p_ranks integer[], p_queue_targets integer[], p_deadlines bigint[],
  p_edge_items integer[], p_edges_from text[], p_edges_to text[],
  p_blob_items integer[], p_blob_ids uuid[], p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[],
  p_blob_steps text[])
returns table (outcome text, run_uid uuid, is_same_id boolean) language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  f record;
  v_count integer := cardinality(p_runs);
  -- without a name of its own none is found again, and no two are one
  v_are_named boolean := array_remove(p_ids, null) <> '{}' or array_remove(p_keys, null) <> '{}';
  v_outcomes text[] := array_fill(null::text, array[v_count]);
  v_found uuid[] := p_runs;
  v_same boolean[] := array_fill(false, array[v_count]);
  v_left integer[] := array(select n from generate_subscripts(p_runs, 1) n order by n);
  v_new integer[];
  v_actors text[] := '{}';
  v_actions text[] := '{}';
  v_resources text[] := '{}';
  v_n integer;
begin
  while v_left <> '{}' loop
    v_new := v_left;
    if v_are_named then
      for f in
        select l.n, r.run_uid, r.submission_digest, r.run_id = p_ids[l.n] as is_same_id from unnest(v_left) as l (n), lateral (
          select u.run_uid, u.run_id, u.submission_digest from stepgate.runs u
           where u.tenant_uid = p_tenant and (u.run_id = p_ids[l.n] or u.idempotency_key = p_keys[l.n])
           order by u.submitted_at limit 1) r
         where coalesce(p_ids[l.n], p_keys[l.n]) is not null
      loop
        v_outcomes[f.n] := case when p_digests[f.n] = f.submission_digest then 'exists' else 'mismatch' end;
        v_found[f.n] := f.run_uid;
        v_same[f.n] := coalesce(f.is_same_id, false);
      end loop;
      v_left := array(select n from unnest(v_left) n where v_outcomes[n] is null order by n);
      v_new := array(
        select x.n from (select n, case when p_ids[n] is not null then min(n) over (partition by p_ids[n]) else n end as first_of_id,
                                case when p_keys[n] is not null then min(n) over (partition by p_keys[n]) else n end as first_of_key
                           from unnest(v_left) n) x
         where x.n = x.first_of_id and x.n = x.first_of_key order by x.n);
      exit when v_new = '{}';
    end if;
    v_n := stepgate.store_runs(p_tenant, v_new, p_runs, p_ids, p_keys, p_digests, p_kinds, p_ops, p_manifest_ids, p_manifests, p_priorities,
      p_seeds, p_subjects, p_labels, p_callers, p_owners, p_roles, p_traceparents, p_tracestates, p_time_limits, p_max_parallel, p_fail_fast,
      p_has_budget, p_token_limits, p_usd_micros_limits, p_breakpoints, p_submitted, p_forks, p_step_items, p_steps, p_places, p_types,
      p_slugs, p_specs, p_inputs, p_refs, p_are_targets, p_origins, p_compensations, p_compensated_on, p_dependencies, p_ranks,
      p_queue_targets, p_deadlines, p_edge_items, p_edges_from, p_edges_to, p_blob_items, p_blob_ids, p_blob_fields, p_blob_keys,
      p_blob_wrapped, p_blob_sealed, p_blob_steps);
    foreach v_n in array v_new loop
      v_outcomes[v_n] := 'created';
    end loop;
    v_left := array(select n from unnest(v_left) n where n <> all (v_new) order by n);
  end loop;
  for v_n in 1 .. v_count loop
    v_actors := v_actors || ('key:' || p_callers[v_n]);
    v_actions := v_actions || case v_outcomes[v_n] when 'created' then 'run.submit' end;
    v_resources := v_resources || format('{"run_id":"%s"}', v_found[v_n]);
  end loop;
  v_n := stepgate.append_audits(array_fill(p_tenant, array[v_count]), v_actors, v_actions, v_resources);
  return query select v_outcomes[n], v_found[n], v_same[n] from generate_subscripts(p_runs, 1) n order by n;
end $$;

-- Stores new runs, those of places p_new, every kind of row once for all of them; returns how many. A quota on runs that cannot
-- take all of them refuses all: their submitters come again one by one.
create or replace function stepgate.store_runs(p_tenant uuid, p_new integer[], p_runs uuid[], p_ids text[], p_keys text[], p_digests text[],
  p_kinds text[], p_ops text[], p_manifest_ids text[], p_manifests text[], p_priorities integer[], p_seeds bigint[], p_subjects text[],
  p_labels uuid[], p_callers text[], p_owners text[], p_roles jsonb[], p_traceparents text[], p_tracestates text[], p_time_limits bigint[],
  p_max_parallel integer[], p_fail_fast boolean[], p_has_budget boolean[], p_token_limits bigint[], p_usd_micros_limits bigint[],
  p_breakpoints jsonb[], p_submitted json[], p_forks jsonb[],
  p_step_items integer[], p_steps text[], p_places integer[], p_types text[], p_slugs text[], p_specs jsonb[], p_inputs uuid[], p_refs jsonb[],
  p_are_targets boolean[], p_origins text[], p_compensations text[], p_compensated_on text[], p_dependencies integer[],
  p_ranks integer[], p_queue_targets integer[], p_deadlines bigint[],
  p_edge_items integer[], p_edges_from text[], p_edges_to text[],
  p_blob_items integer[], p_blob_ids uuid[], p_blob_fields text[], p_blob_keys text[], p_blob_wrapped bytea[], p_blob_sealed bytea[],
  p_blob_steps text[])
returns integer language plpgsql as $$
declare
  q record;
  f record;
  v_count integer := cardinality(p_new);
  v_head stepgate.run_heads;
  v_used bigint;
  v_warn_at bigint;
  -- by the run that passed the ratio
  v_warnings jsonb[] := '{}';
begin
  -- before any row: one that holds rows and waits here would wait for a sink that waits for it
  if not pg_try_advisory_xact_lock_shared(stepgate.sinks_key(p_tenant)) then
    perform pg_advisory_xact_lock_shared(stepgate.sinks_key(p_tenant));
  end if;
  for q in select * from stepgate.quotas n where n.tenant_uid = p_tenant and n.unit = 'runs' order by n.quota_id loop
    insert into stepgate.quota_usage as a (tenant_uid, quota_id, window_start, quota_limit, used)
    select p_tenant, q.quota_id, stepgate.window_start(q.quota_window, now()), q.quota_limit, v_count where q.quota_limit >= v_count
        on conflict (tenant_uid, quota_id, window_start) do update set used = a.used + v_count, quota_limit = excluded.quota_limit
     where a.used + a.reserved + v_count <= excluded.quota_limit
    returning a.used into v_used;
    if not found then
      raise exception 'quota' using errcode = 'SG004', detail = jsonb_build_object('quota', q.quota_id, 'limit', q.quota_limit,
        'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())))::text;
    end if;
    v_warn_at := greatest(ceil(stepgate.warn_at(p_tenant, q.quota_limit)), 1);
    if v_used >= v_warn_at and v_used - v_count < v_warn_at then
      v_warnings := v_warnings || jsonb_build_object('n', v_warn_at - (v_used - v_count), 'data', jsonb_strip_nulls(jsonb_build_object(
        'of', 'quota', 'quota', q.quota_id, 'unit', q.unit, 'window', q.quota_window, 'limit', q.quota_limit, 'used', v_warn_at,
        'reserved', 0, 'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())))));
    end if;
  end loop;
  insert into stepgate.manifests (tenant_uid, manifest_id, body)
  select distinct on (p_manifest_ids[i]) p_tenant, p_manifest_ids[i], p_manifests[i] from unnest(p_new) i order by p_manifest_ids[i]
      on conflict (tenant_uid, manifest_id) do nothing;
  insert into stepgate.runs (tenant_uid, run_uid, run_id, idempotency_key, submission_digest, kind, op_id, manifest_id, priority,
    seed, subject, labels_blob, caller_key_id, caller_owner, caller_roles, traceparent, tracestate, time_limit_at)
  select p_tenant, p_runs[i], p_ids[i], p_keys[i], p_digests[i], p_kinds[i], p_ops[i], p_manifest_ids[i], p_priorities[i], p_seeds[i],
         p_subjects[i], p_labels[i], p_callers[i], p_owners[i], array(select jsonb_array_elements_text(p_roles[i])), p_traceparents[i],
         p_tracestates[i], now() + p_time_limits[i] * interval '1 millisecond'
    from unnest(p_new) i;
  insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, slug, status, spec, input_blob, refs, is_target, origin_step,
    compensation_step, compensation_on, pending_dependencies, total_dependencies, priority, queue_target_ms, deadline_ms,
    first_ready_at, deadline_at)
  select p_tenant, p_runs[p_step_items[s]], p_steps[s], p_places[s], p_types[s], p_slugs[s], case when x.is_root then 'queued' else 'blocked' end,
         p_specs[s], p_inputs[s], case when p_refs[s] is null then '{}' else array(select jsonb_array_elements_text(p_refs[s])) end,
         p_are_targets[s], p_origins[s], p_compensations[s], p_compensated_on[s], p_dependencies[s], p_dependencies[s], p_ranks[s],
         p_queue_targets[s], p_deadlines[s], case when x.is_root then now() end,
         case when x.is_root and p_deadlines[s] > 0 then now() + p_deadlines[s] * interval '1 millisecond' end
    from (select s, p_dependencies[s] = 0 and not p_are_targets[s] as is_root from generate_subscripts(p_steps, 1) s) x
   where p_step_items[s] = any (p_new);
  insert into stepgate.run_heads (tenant_uid, run_uid, status, head_seq, open_steps, ready_rows, unplaced_steps, max_parallel, fail_fast,
                                  time_limit_at)
  select p_tenant, p_runs[i], 'pending', 1, coalesce(c.open, 0), least(coalesce(c.roots, 0), p_max_parallel[i]),
         greatest(coalesce(c.roots, 0) - p_max_parallel[i], 0), p_max_parallel[i], p_fail_fast[i],
         now() + p_time_limits[i] * interval '1 millisecond'
    from unnest(p_new) i
    left join (select p_step_items[s] as item, count(*) filter (where not p_are_targets[s]) as open,
                      count(*) filter (where p_dependencies[s] = 0 and not p_are_targets[s]) as roots
                 from generate_subscripts(p_steps, 1) s group by 1) c on c.item = i;
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before,
                                    attempts_made)
  select p_tenant, p_runs[x.item], p_steps[s], p_types[s], p_queue_targets[s] is not null,
         coalesce(now() + p_queue_targets[s] * interval '1 millisecond', 'infinity'), p_ranks[s], now(), now(), 0
    from (select s, p_step_items[s] as item, row_number() over (partition by p_step_items[s] order by p_places[s]) as place
            from generate_subscripts(p_steps, 1) s where p_dependencies[s] = 0 and not p_are_targets[s]) x
   where x.item = any (p_new) and x.place <= p_max_parallel[x.item];
  insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
  select p_tenant, p_blob_ids[b], p_runs[p_blob_items[b]], p_blob_steps[b], p_blob_fields[b], p_blob_keys[b], p_blob_wrapped[b], p_blob_sealed[b]
    from generate_subscripts(p_blob_ids, 1) b where p_blob_items[b] = any (p_new);
  if cardinality(p_edge_items) > 0 then
    insert into stepgate.step_edges (tenant_uid, run_uid, from_step, to_step)
    select p_tenant, p_runs[p_edge_items[e]], p_edges_from[e], p_edges_to[e]
      from generate_subscripts(p_edge_items, 1) e where p_edge_items[e] = any (p_new);
  end if;
  if true = any (p_has_budget) then
    insert into stepgate.budgets (tenant_uid, run_uid, tokens_limit, usd_micros_limit)
    select p_tenant, p_runs[i], p_token_limits[i], p_usd_micros_limits[i] from unnest(p_new) i where p_has_budget[i];
  end if;
  if array_remove(p_breakpoints, null) <> '{}' then
    insert into stepgate.breakpoints (tenant_uid, run_uid, target, value)
    select p_tenant, p_runs[i], b.target, b.value
      from unnest(p_new) i, jsonb_to_recordset(p_breakpoints[i]) as b (target text, value text) on conflict do nothing;
  end if;
  if array_remove(p_forks, null) <> '{}' then
    for f in select i from unnest(p_new) i where p_forks[i] is not null order by i loop
      p_submitted[f.i] := (p_submitted[f.i]::jsonb || stepgate.insert_fork(p_tenant, p_runs[f.i], p_forks[f.i]))::json;
    end loop;
  end if;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select p_tenant, p_runs[i], 1, 'run_submitted', null, p_submitted[i] from unnest(p_new) i;
  if v_warnings <> '{}' then
    for f in select p_runs[p_new[(w ->> 'n')::integer]] as run_uid, w -> 'data' as data from unnest(v_warnings) w loop
      select * into v_head from stepgate.run_heads where tenant_uid = p_tenant and run_uid = f.run_uid;
      perform stepgate.save_head(stepgate.append_event(v_head, 'budget_warning', null, f.data));
    end loop;
  end if;
  insert into stepgate.deliveries (tenant_uid, sink, run_uid)
  select p_tenant, s.name, p_runs[i] from stepgate.sinks s, unnest(p_new) i where s.tenant_uid = p_tenant;
  return v_count;
end $$;
