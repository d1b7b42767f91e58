-- What admit and settle share: the locks of a batch, taken first and in one fixed order (run_heads, ready_steps, budgets,
-- quota_usage; unordered, two batches deadlocked at once), and the rows that both write.

create or replace function stepgate.lock_batch(p_items jsonb) returns void language plpgsql as $$
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

create or replace function stepgate.insert_blobs(p_tenant uuid, p_run uuid, p_blobs jsonb) returns void language sql as $$
  insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
  select p_tenant, b.blob_id, p_run, b.step_id, b.field, b.key_id, decode(b.wrapped_key, 'base64'), decode(b.sealed, 'base64')
    from jsonb_to_recordset(p_blobs) as b (blob_id uuid, step_id text, field text, key_id text, wrapped_key text, sealed text)
$$;

create or replace function stepgate.insert_batch(p_batch jsonb) returns void language sql as $$
  insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
  select b.batch_id, b.kid, b.size, decode(b.leaves, 'base64'), b.statement, decode(b.signature, 'base64')
    from jsonb_to_record(p_batch) as b (batch_id uuid, kid text, size integer, leaves text, statement text, signature text)
$$;

create or replace function stepgate.append_events(h stepgate.run_heads, i stepgate.settlement) returns stepgate.run_heads
language plpgsql as $$
declare
  e record;
begin
  for e in select x.type, x.data from jsonb_to_recordset(coalesce(i.events, '[]')) as x (type text, data jsonb) loop
    h := stepgate.append_event(h, e.type, i.step_id, e.data);
  end loop;
  return h;
end $$;
