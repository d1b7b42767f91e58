-- Records that no step settlement writes: decisions outside a run, and the seal of an ended run.

create or replace function stepgate.insert_record(p_tenant uuid, p_run uuid, p_record jsonb) returns void language sql as $$
  insert into stepgate.records (tenant_uid, record_id, run_uid, step_id, attempt, kind, statement, batch_id, leaf_index)
  select p_tenant, r.record_id, p_run, null, null, r.kind, r.statement, r.batch_id, r.leaf_index
    from jsonb_to_record(p_record) as r (record_id text, kind text, statement text, batch_id uuid, leaf_index integer)
$$;

create or replace function stepgate.insert_decisions(p_records jsonb, p_batch jsonb) returns boolean language plpgsql as $$
declare
  v_tenant uuid;
begin
  perform stepgate.insert_batch(p_batch);
  -- the gateway's role may write rows of one tenant at a time
  for v_tenant in select distinct r.tenant_uid from jsonb_to_recordset(p_records) as r (tenant_uid uuid) loop
    perform set_config('stepgate.tenant_uid', v_tenant::text, true);
    insert into stepgate.records (tenant_uid, record_id, kind, statement, batch_id, leaf_index)
    select r.tenant_uid, r.record_id, r.kind, r.statement, r.batch_id, r.leaf_index
      from jsonb_to_recordset(p_records)
        as r (tenant_uid uuid, record_id text, kind text, statement text, batch_id uuid, leaf_index integer)
     where r.tenant_uid = v_tenant;
  end loop;
  return true;
end $$;

-- Takes one due seal job and keeps it off others for p_hold_ms; a process that dies over it leaves it to the next one.
create or replace function stepgate.take_seal_job(p_hold_ms bigint) returns table (tenant_uid uuid, run_uid uuid) language sql as $$
  update stepgate.jobs j set run_after = clock_timestamp() + p_hold_ms * interval '1 millisecond', attempts = j.attempts + 1
   where (j.tenant_uid, j.run_uid, j.kind) = (
     select d.tenant_uid, d.run_uid, d.kind from stepgate.jobs d
      where d.kind = 'seal' and d.run_after <= clock_timestamp() order by d.run_after limit 1 for update skip locked)
  returning j.tenant_uid, j.run_uid
$$;

create or replace function stepgate.write_seal(p_tenant uuid, p_run uuid, p_record jsonb, p_batch jsonb) returns boolean language plpgsql as $$
begin
  delete from stepgate.jobs where tenant_uid = p_tenant and run_uid = p_run and kind = 'seal';
  if not found then
    return false;
  end if;
  perform stepgate.insert_batch(p_batch);
  perform stepgate.insert_record(p_tenant, p_run, p_record);
  return true;
end $$;
