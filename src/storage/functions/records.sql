-- Records that no step settlement writes: decisions outside a run, and the seals of ended runs.

create or replace function stepgate.insert_decisions(p_records jsonb, p_batch jsonb) returns boolean language plpgsql as $$
declare
  v_tenant uuid;
begin
  perform stepgate.insert_batches(jsonb_build_array(p_batch));
  -- the gateway's role may write rows of one tenant at a time
  for v_tenant in select distinct r.tenant_uid from jsonb_to_recordset(p_records) as r (tenant_uid uuid) loop
    perform set_config('stepgate.tenant_uid', v_tenant::text, true);
    insert into stepgate.records (tenant_uid, record_id, window_uid, kind, statement, batch_id, leaf_index)
    select r.tenant_uid, r.record_id, r.batch_id, r.kind, r.statement, r.batch_id, r.leaf_index
      from jsonb_to_recordset(p_records)
        as r (tenant_uid uuid, record_id text, kind text, statement text, batch_id uuid, leaf_index integer)
     where r.tenant_uid = v_tenant;
  end loop;
  return true;
end $$;

-- Takes due seal jobs and keeps them off others for p_hold_ms; what a process died over is left to the next one.
create or replace function stepgate.take_seal_jobs(p_limit integer, p_hold_ms bigint)
returns table (tenant_uid uuid, run_uid uuid, run_id text, status text, manifest_id text, final_snapshot_id text, kinds text[],
               counts integer[]) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  -- what a crash takes back is taken again, and there is one seal all the same
  perform set_config('synchronous_commit', 'off', true);
  return query with due as (
    select d.tenant_uid, d.run_uid from stepgate.jobs d
     where d.kind = 'seal' and d.run_after <= clock_timestamp() order by d.run_after limit p_limit for update skip locked),
  taken as (
    update stepgate.jobs j set run_after = clock_timestamp() + p_hold_ms * interval '1 millisecond', attempts = j.attempts + 1
      from due d where (j.tenant_uid, j.run_uid) = (d.tenant_uid, d.run_uid) and j.kind = 'seal'
    returning j.tenant_uid, j.run_uid)
  select t.tenant_uid, t.run_uid, u.run_id, h.status, u.manifest_id, u.final_snapshot_id,
         coalesce(c.kinds, '{}'), coalesce(c.counts, '{}')
    from taken t
    join stepgate.runs u on (u.tenant_uid, u.run_uid) = (t.tenant_uid, t.run_uid)
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (t.tenant_uid, t.run_uid)
    cross join lateral (
      select array_agg(k.kind) as kinds, array_agg(k.count) as counts
        from (select r.kind, count(*)::integer as count from stepgate.records r
               where r.tenant_uid = t.tenant_uid and r.run_uid = t.run_uid and r.window_uid = t.run_uid group by r.kind) k) c;
end $$;

-- Seals of several runs under one batch; a run whose job is gone was sealed by another, and its record is a leaf of the batch
-- and nothing else.
create or replace function stepgate.write_seals(p_batch jsonb, p_tenants uuid[], p_runs uuid[], p_records text[], p_statements text[])
returns boolean language plpgsql as $$
declare
  v_ended uuid[];
begin
  with ended as (
    delete from stepgate.jobs j using unnest(p_tenants, p_runs) as i (tenant_uid, run_uid)
     where (j.tenant_uid, j.run_uid) = (i.tenant_uid, i.run_uid) and j.kind = 'seal' returning j.run_uid)
  select array(select e.run_uid from ended e) into v_ended;
  if v_ended = '{}' then
    return false;
  end if;
  perform stepgate.insert_batches(jsonb_build_array(p_batch));
  insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
  select i.tenant_uid, i.record_id, i.run_uid, i.run_uid, null, null, 'seal', i.statement, (p_batch ->> 'batch_id')::uuid, i.ord - 1
    from unnest(p_tenants, p_runs, p_records, p_statements) with ordinality as i (tenant_uid, run_uid, record_id, statement, ord)
   where i.run_uid = any (v_ended);
  return true;
end $$;
