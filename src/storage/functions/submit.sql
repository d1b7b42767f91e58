-- What is submitted: runs of one tenant with all they need, stored together or found.

-- Stores runs of one tenant, or finds those that are there already (lookup before all else, spec 02), with the same result as
-- one after the other: where several have one id or key, the first is stored and the others find it.
-- Results in the order given: {outcome: created | exists | mismatch, run_uid, is_same_id of one that was found}. Their audit rows come last, since the chain's
-- head is what all writers of a tenant share.
create or replace function stepgate.submit_runs(p_tenant uuid, p_runs jsonb[], p_steps jsonb[], p_edges jsonb[], p_blobs jsonb[])
returns setof jsonb language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  f record;
  v_ids text[] := '{}';
  v_keys text[] := '{}';
  v_results jsonb[] := array_fill(null::jsonb, array[cardinality(p_runs)]);
  v_left integer[] := '{}';
  v_new integer[];
  v_actors text[] := '{}';
  v_actions text[] := '{}';
  v_resources text[] := '{}';
begin
  for v_n in 1 .. cardinality(p_runs) loop
    v_ids := v_ids || (p_runs[v_n] ->> 'run_id');
    v_keys := v_keys || (p_runs[v_n] ->> 'idempotency_key');
    v_left := v_left || v_n;
  end loop;
  -- without a name of its own none is found again, and no two are one
  if array_remove(v_ids, null) = '{}' and array_remove(v_keys, null) = '{}' then
    perform stepgate.store_runs(p_tenant, p_runs, p_steps, p_edges, p_blobs);
    for v_n in 1 .. cardinality(p_runs) loop
      v_results[v_n] := jsonb_build_object('run_uid', p_runs[v_n] ->> 'run_uid', 'outcome', 'created');
    end loop;
    v_left := '{}';
  end if;
  while v_left <> '{}' loop
    for f in
      select l.n, r.run_uid, r.submission_digest, r.run_id = v_ids[l.n] as is_same_id from unnest(v_left) as l (n), lateral (
        select u.run_uid, u.run_id, u.submission_digest from stepgate.runs u
         where u.tenant_uid = p_tenant and (u.run_id = v_ids[l.n] or u.idempotency_key = v_keys[l.n])
         order by u.submitted_at limit 1) r
       where coalesce(v_ids[l.n], v_keys[l.n]) is not null
    loop
      v_results[f.n] := jsonb_build_object('run_uid', f.run_uid, 'is_same_id', coalesce(f.is_same_id, false), 'outcome',
        case when p_runs[f.n] ->> 'submission_digest' = f.submission_digest then 'exists' else 'mismatch' end);
    end loop;
    v_left := array(select n from unnest(v_left) n where v_results[n] is null order by n);
    v_new := array(
      select x.n from (select n, case when v_ids[n] is not null then min(n) over (partition by v_ids[n]) else n end as first_of_id,
                              case when v_keys[n] is not null then min(n) over (partition by v_keys[n]) else n end as first_of_key
                         from unnest(v_left) n) x
       where x.n = x.first_of_id and x.n = x.first_of_key order by x.n);
    exit when v_new = '{}';
    perform stepgate.store_runs(p_tenant, array(select p_runs[n] from unnest(v_new) with ordinality as x (n, ord) order by ord),
      array(select p_steps[n] from unnest(v_new) with ordinality as x (n, ord) order by ord),
      array(select p_edges[n] from unnest(v_new) with ordinality as x (n, ord) order by ord),
      array(select p_blobs[n] from unnest(v_new) with ordinality as x (n, ord) order by ord));
    for f in select n, p_runs[n] ->> 'run_uid' as run_uid from unnest(v_new) n loop
      v_results[f.n] := jsonb_build_object('run_uid', f.run_uid, 'outcome', 'created');
    end loop;
    v_left := array(select n from unnest(v_left) n where n <> all (v_new) order by n);
  end loop;
  for v_n in 1 .. cardinality(p_runs) loop
    v_actors := v_actors || ('key:' || (p_runs[v_n] ->> 'caller_key_id'));
    v_actions := v_actions || case v_results[v_n] ->> 'outcome' when 'created' then 'run.submit' end;
    v_resources := v_resources || format('{"run_id":"%s"}', v_results[v_n] ->> 'run_uid');
  end loop;
  perform stepgate.append_audits(array_fill(p_tenant, array[cardinality(p_runs)]), v_actors, v_actions, v_resources);
  return query select r from unnest(v_results) with ordinality as x (r, ord) order by x.ord;
end $$;

-- Stores new runs, every kind of row once for all of them. A quota on runs that cannot take all of them refuses all: their
-- submitters come again one by one.
create or replace function stepgate.store_runs(p_tenant uuid, p_runs jsonb[], p_steps jsonb[], p_edges jsonb[], p_blobs jsonb[])
returns void language plpgsql as $$
declare
  q record;
  f record;
  v_count integer := cardinality(p_runs);
  v_forks jsonb[] := array_fill('{}'::jsonb, array[cardinality(p_runs)]);
  v_head stepgate.run_heads;
  v_used bigint;
  v_warn_at bigint;
  -- by the run that passed the ratio
  v_warnings jsonb[] := '{}';
  v_has_edges boolean := false;
  v_has_budgets boolean := false;
  v_has_breakpoints boolean := false;
  v_has_forks boolean := false;
begin
  for v_n in 1 .. v_count loop
    v_has_edges := v_has_edges or p_edges[v_n] <> '[]';
    v_has_budgets := v_has_budgets or p_runs[v_n] -> 'budget' <> 'null';
    v_has_breakpoints := v_has_breakpoints or coalesce(p_runs[v_n] -> 'breakpoints', '[]') <> '[]';
    v_has_forks := v_has_forks or p_runs[v_n] ? 'fork';
  end loop;
  -- before any row: one that holds rows and waits here would wait for a sink that waits for it
  perform pg_advisory_xact_lock_shared(stepgate.sinks_key(p_tenant));
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
  select distinct on (m.manifest_id) p_tenant, m.manifest_id, m.manifest
    from unnest(p_runs) r, jsonb_to_record(r) as m (manifest_id text, manifest text) order by m.manifest_id
      on conflict (tenant_uid, manifest_id) do nothing;
  insert into stepgate.runs (tenant_uid, run_uid, run_id, idempotency_key, submission_digest, kind, op_id, manifest_id, priority,
    seed, subject, labels_blob, caller_key_id, caller_owner, caller_roles, traceparent, tracestate, time_limit_at)
  select p_tenant, u.run_uid, u.run_id, u.idempotency_key, u.submission_digest, u.kind, u.op_id, u.manifest_id, u.priority,
         u.seed, u.subject, u.labels_blob, u.caller_key_id, u.caller_owner, u.caller_roles, u.traceparent, u.tracestate,
         now() + u.time_limit_ms * interval '1 millisecond'
    from unnest(p_runs) r,
         jsonb_to_record(r) as u (run_uid uuid, run_id text, idempotency_key text, submission_digest text, kind text, op_id text,
           manifest_id text, priority smallint, seed bigint, subject text, labels_blob uuid, caller_key_id text, caller_owner text,
           caller_roles text[], traceparent text, tracestate text, time_limit_ms bigint);
  with added as (
    insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, slug, status, spec, input_blob, refs, is_target, origin_step,
      compensation_step, compensation_on, pending_dependencies, total_dependencies, priority, queue_target_ms, deadline_ms,
      first_ready_at, deadline_at)
    select p_tenant, (i.run ->> 'run_uid')::uuid, s.step_id, s.idx, s.type, s.slug, case when r.is_root then 'queued' else 'blocked' end,
           s.spec, s.input_blob, coalesce(s.refs, '{}'), s.is_target, s.origin_step, s.compensation_step, s.compensation_on,
           s.pending_dependencies, s.pending_dependencies, s.priority, s.queue_target_ms, s.deadline_ms,
           case when r.is_root then now() end,
           case when r.is_root and s.deadline_ms > 0 then now() + s.deadline_ms * interval '1 millisecond' end
      from unnest(p_runs, p_steps) as i (run, steps),
           jsonb_populate_recordset(null::stepgate.submitted_step, i.steps) s,
           lateral (select s.pending_dependencies = 0 and not s.is_target as is_root) r
    returning run_uid, step_id, idx, type, status, is_target, priority, queue_target_ms, first_ready_at),
  roots as (
    select a.*, row_number() over (partition by a.run_uid order by a.idx) as place from added a where a.status = 'queued'),
  heads as (
    insert into stepgate.run_heads (tenant_uid, run_uid, status, head_seq, open_steps, ready_rows, unplaced_steps, max_parallel, fail_fast,
                                    time_limit_at)
    select p_tenant, h.run_uid, 'pending', 1, coalesce(c.open, 0), least(coalesce(c.roots, 0), h.max_parallel),
           greatest(coalesce(c.roots, 0) - h.max_parallel, 0), h.max_parallel, h.fail_fast,
           now() + h.time_limit_ms * interval '1 millisecond'
      from unnest(p_runs) r, jsonb_to_record(r) as h (run_uid uuid, max_parallel integer, fail_fast boolean, time_limit_ms bigint)
      left join (select a.run_uid, (count(*) filter (where not a.is_target))::integer as open,
                        (count(*) filter (where a.status = 'queued'))::integer as roots
                   from added a group by a.run_uid) c on c.run_uid = h.run_uid
    returning run_uid, max_parallel)
  insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before,
                                    attempts_made)
  select p_tenant, s.run_uid, s.step_id, s.type, s.queue_target_ms is not null,
         coalesce(s.first_ready_at + s.queue_target_ms * interval '1 millisecond', 'infinity'), s.priority,
         s.first_ready_at, s.first_ready_at, 0
    from roots s join heads h on h.run_uid = s.run_uid where s.place <= h.max_parallel;
  insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
  select p_tenant, b.blob_id, (i.run ->> 'run_uid')::uuid, b.step_id, b.field, b.key_id, decode(b.wrapped_key, 'base64'), decode(b.sealed, 'base64')
    from unnest(p_runs, p_blobs) as i (run, blobs),
         jsonb_to_recordset(i.blobs) as b (blob_id uuid, step_id text, field text, key_id text, wrapped_key text, sealed text);
  if v_has_edges then
    insert into stepgate.step_edges (tenant_uid, run_uid, from_step, to_step)
    select p_tenant, (i.run ->> 'run_uid')::uuid, e ->> 0, e ->> 1
      from unnest(p_runs, p_edges) as i (run, edges), jsonb_array_elements(i.edges) e;
  end if;
  if v_has_budgets then
    insert into stepgate.budgets (tenant_uid, run_uid, tokens_limit, usd_micros_limit)
    select p_tenant, (r ->> 'run_uid')::uuid, (r -> 'budget' ->> 'tokens')::bigint, (r -> 'budget' ->> 'usd_micros')::bigint
      from unnest(p_runs) r where r -> 'budget' <> 'null';
  end if;
  if v_has_breakpoints then
    insert into stepgate.breakpoints (tenant_uid, run_uid, target, value)
    select p_tenant, (r ->> 'run_uid')::uuid, b.target, b.value
      from unnest(p_runs) r, jsonb_to_recordset(r -> 'breakpoints') as b (target text, value text) on conflict do nothing;
  end if;
  if v_has_forks then
    for f in select r, n from unnest(p_runs) with ordinality as x (r, n) where r ? 'fork' order by n loop
      v_forks[f.n] := stepgate.insert_fork(p_tenant, (f.r ->> 'run_uid')::uuid, f.r -> 'fork');
    end loop;
  end if;
  insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
  select p_tenant, (i.run ->> 'run_uid')::uuid, 1, 'run_submitted', null, (i.run -> 'submitted') || i.fork
    from unnest(p_runs, v_forks) as i (run, fork);
  if v_warnings <> '{}' then
    for f in select (p_runs[(w ->> 'n')::integer] ->> 'run_uid')::uuid as run_uid, w -> 'data' as data from unnest(v_warnings) w loop
      select * into v_head from stepgate.run_heads where tenant_uid = p_tenant and run_uid = f.run_uid;
      perform stepgate.save_head(stepgate.append_event(v_head, 'budget_warning', null, f.data));
    end loop;
  end if;
  insert into stepgate.deliveries (tenant_uid, sink, run_uid)
  select p_tenant, s.name, (r ->> 'run_uid')::uuid from stepgate.sinks s, unnest(p_runs) r where s.tenant_uid = p_tenant;
end $$;
