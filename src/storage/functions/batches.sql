-- What admit and settle share: the locks of a batch, taken first and in one fixed order (run_heads, ready_steps, budgets,
-- quota_usage; unordered, two batches deadlocked at once; audit_heads and billing come last), and the rows that both write.
-- A batch comes as columns: arrays of equal length, one place an item; what an item has several of comes as further
-- columns with the item's place, counted from 1.

-- The heads of the batch's runs; returns a place of each run, in the order of the locks. A statement costs as much as many rows, and one
-- that reads n columns by unnest as n look-ups: columns are read by place, and each run's row is sought once, by its key: a join
-- may be planned to try every run there is. Most batches are of one run.
create or replace function stepgate.lock_heads(p_tenants uuid[], p_runs uuid[]) returns integer[] language plpgsql as $$
declare
  v_places integer[] := '{1}';
begin
  if p_runs[1] <> any (p_runs) or p_tenants[1] <> any (p_tenants) then
    v_places := array(select min(n) from generate_subscripts(p_runs, 1) n group by p_tenants[n], p_runs[n] order by p_tenants[n], p_runs[n]);
  end if;
  perform 1 from unnest(v_places) i
    cross join lateral (select 1 from stepgate.run_heads h where (h.tenant_uid, h.run_uid) = (p_tenants[i], p_runs[i]) for update) l;
  return v_places;
end $$;

-- Budgets and quotas, after the rows of the queue, which are locked by what judges them. Says which of both the batch has to
-- do with: most have none, and what is about them is then left out. p_places: of runs, as lock_heads returns them.
create or replace function stepgate.lock_reserves(p_places integer[], p_tenants uuid[], p_runs uuid[], p_steps text[],
  out has_budgets boolean, out has_quotas boolean) language plpgsql as $$
declare
  v_oldest timestamptz;
begin
  perform 1 from unnest(p_places) i
    cross join lateral (select 1 from stepgate.budgets b where (b.tenant_uid, b.run_uid) = (p_tenants[i], p_runs[i]) for update) l;
  has_budgets := found;
  has_quotas := exists (select 1 from stepgate.quotas q where q.tenant_uid = any (p_tenants) and q.unit <> 'runs');
  if not has_quotas then
    return;
  end if;
  -- the rows of windows that begin now must exist before they can be locked in order
  insert into stepgate.quota_usage (tenant_uid, quota_id, window_start, quota_limit)
  select q.tenant_uid, q.quota_id, stepgate.window_start(q.quota_window, now()), q.quota_limit
    from stepgate.quotas q where q.unit <> 'runs' and q.tenant_uid = any (p_tenants)
   order by q.tenant_uid, q.quota_id
      on conflict (tenant_uid, quota_id, window_start) do nothing;
  -- only windows that this batch can touch, back to its oldest reservation: past ones pile up, a row a minute
  v_oldest := (select least(now(), min(r.started_at)) from generate_subscripts(p_steps, 1) n
                 join stepgate.ready_steps r on (r.tenant_uid, r.run_uid, r.step_id) = (p_tenants[n], p_runs[n], p_steps[n]));
  perform 1 from stepgate.quotas q
    join stepgate.quota_usage a on a.tenant_uid = q.tenant_uid and a.quota_id = q.quota_id
     and a.window_start >= stepgate.window_start(q.quota_window, v_oldest)
   where q.unit <> 'runs' and q.tenant_uid = any (p_tenants)
   order by a.tenant_uid, a.quota_id, a.window_start for update of a;
end $$;

-- In PL/pgSQL, which keeps its plan: as a function of SQL it was planned with each call.
create or replace function stepgate.is_live(p_worker text) returns boolean language plpgsql stable as $$
begin
  return exists (select 1 from stepgate.workers w where w.worker_id = p_worker and w.lease_until > clock_timestamp());
end $$;

create or replace function stepgate.insert_blobs(p_tenant uuid, p_run uuid, p_blobs jsonb) returns void language sql as $$
  insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
  select p_tenant, b.blob_id, p_run, b.step_id, b.field, b.key_id, decode(b.wrapped_key, 'base64'), decode(b.sealed, 'base64')
    from jsonb_to_recordset(p_blobs) as b (blob_id uuid, step_id text, field text, key_id text, wrapped_key text, sealed text)
$$;

-- Signed batches as a JSON array.
create or replace function stepgate.insert_batches(p_batches jsonb) returns integer language plpgsql as $$
begin
  insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
  select (b ->> 'batch_id')::uuid, b ->> 'kid', (b ->> 'size')::integer, decode(b ->> 'leaves', 'base64'), b ->> 'statement',
         decode(b ->> 'signature', 'base64')
    from jsonb_array_elements(p_batches) b;
  return jsonb_array_length(p_batches);
end $$;

-- Redactions of a batch, {new_blob, old_blob} or null for each item: deleting the wrapped key with the row of the original
-- is its erasure.
create or replace function stepgate.apply_redactions(p_tenants uuid[], p_runs uuid[], p_steps text[], p_redactions jsonb[]) returns void
language plpgsql as $$
begin
  if array_remove(p_redactions, null) = '{}' then
    return;
  end if;
  update stepgate.steps s set input_blob = (i.redaction ->> 'new_blob')::uuid
    from unnest(p_tenants, p_runs, p_steps, p_redactions) as i (tenant_uid, run_uid, step_id, redaction)
   where (s.tenant_uid, s.run_uid, s.step_id) = (i.tenant_uid, i.run_uid, i.step_id) and i.redaction is not null;
  delete from stepgate.blobs b using unnest(p_tenants, p_redactions) as i (tenant_uid, redaction)
   where b.tenant_uid = i.tenant_uid and b.blob_id = (i.redaction ->> 'old_blob')::uuid;
end $$;

-- Links of the audit chains of several tenants, in the order given within each; a link without an action is none. The heads
-- are locked in order of tenants by whoever may write others in the same transaction. Returns how many links that were.
create or replace function stepgate.append_audits(p_tenants uuid[], p_actors text[], p_actions text[], p_resources text[])
returns integer language plpgsql as $$
declare
  v_tenants uuid[];
  v_tenant uuid;
  v_head stepgate.audit_heads;
  v_at timestamptz := date_trunc('milliseconds', clock_timestamp());
  v_at_ms bigint := (extract(epoch from v_at) * 1000)::bigint;
  v_count integer := 0;
  v_hash bytea;
  v_items integer[];
  v_hashes bytea[];
  v_prevs bytea[];
begin
  if array_remove(p_actions, null) = '{}' then
    return 0;
  end if;
  v_tenants := case when p_tenants[1] = all (p_tenants) then p_tenants[1:1]
    else array(select distinct p_tenants[n] from generate_subscripts(p_actions, 1) n where p_actions[n] is not null order by 1) end;
  foreach v_tenant in array v_tenants loop
    v_head := stepgate.lock_audit(v_tenant);
    v_hash := v_head.hash;
    v_items := '{}';
    v_prevs := '{}';
    v_hashes := '{}';
    for v_n in 1 .. cardinality(p_actions) loop
      continue when p_actions[v_n] is null or p_tenants[v_n] <> v_tenant;
      v_items := v_items || v_n;
      v_prevs := v_prevs || v_hash;
      v_hash := stepgate.audit_hash(p_actors[v_n], p_actions[v_n], v_at_ms, v_hash, p_resources[v_n],
                                    v_head.seq + cardinality(v_items));
      v_hashes := v_hashes || v_hash;
    end loop;
    insert into stepgate.audit_log (tenant_uid, seq, actor, action, resource, at, prev_hash, hash)
    select v_tenant, v_head.seq + l, p_actors[v_items[l]], p_actions[v_items[l]], p_resources[v_items[l]], v_at, v_prevs[l], v_hashes[l]
      from generate_subscripts(v_items, 1) l;
    update stepgate.audit_heads set seq = v_head.seq + cardinality(v_items), hash = v_hash where tenant_uid = v_tenant;
    v_count := v_count + cardinality(v_items);
  end loop;
  return v_count;
end $$;

-- Whoever writes audit rows of several tenants locks their heads in order first.
create or replace function stepgate.lock_audits(p_tenants uuid[]) returns void language plpgsql as $$
declare
  v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform stepgate.lock_audit(v_tenant);
  end loop;
end $$;
