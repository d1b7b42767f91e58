-- The second fence (spec 10, database): what the gateway's and the worker's role may do, and whose rows the gateway's sees.
-- Run by the owner after every change of the schema, and again where a restored database finds its roles gone.

-- What each role may do with each table: s select, i insert, u update, d delete. A table that is not here is the owner's, and
-- so is each partition: rows are reached through their table.
create or replace function stepgate.table_grants() returns table (relation text, gateway text, worker text)
language sql immutable as $$
  values
    ('api_keys', 'siu', 'si'),
    ('approvals', 'siu', 'siu'),
    ('artifacts', 'si', 'si'),
    ('audit_heads', 'siu', 'siu'),
    ('audit_log', 'si', 'si'),
    ('billing_usage', 's', 'siu'),
    ('blobs', 'si', 'sid'),
    ('breakpoints', 'sid', 'sid'),
    ('budgets', 'siu', 'siud'),
    ('cost_ledger', 'si', 'si'),
    ('database_roles', 's', 's'),
    ('dead_letters', 'sud', 'siud'),
    ('deliveries', 'siud', 'siud'),
    ('evaluations', 's', 'si'),
    ('executor_settings', 'siu', 's'),
    ('history_windows', 's', 's'),
    ('idempotency', 'siud', ''),
    ('instance_check', 'si', 'si'),
    ('jobs', 'si', 'siud'),
    ('keys', 'si', 'si'),
    ('manifests', 'si', 's'),
    ('migrations', 's', 's'),
    ('quota_usage', 'siud', 'siu'),
    ('quotas', 'siud', 's'),
    ('ready_steps', 'siud', 'siud'),
    ('record_batches', 'si', 'sid'),
    ('records', 'si', 'si'),
    ('retired_history', 's', ''),
    ('run_events', 'si', 'si'),
    ('run_forks', 'si', 's'),
    ('run_heads', 'siu', 'siud'),
    ('runs', 'siu', 'su'),
    ('secrets', 'siud', 's'),
    ('sinks', 'siud', 's'),
    ('step_attempts', 's', 'si'),
    ('step_edges', 'si', 'sid'),
    ('steps', 'siu', 'siud'),
    ('tenant_shares', '', 'siu'),
    ('tenants', 'siu', 'si'),
    ('tools', 'si', 's'),
    ('trust_bundles', 'si', 'si'),
    ('workers', 's', 'siud')
$$;

-- Tables with rows of tenants: each has both policies, or it is not in place.
create or replace function stepgate.tenant_tables() returns table (relation oid, name text) language sql stable as $$
  select c.oid, c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
   where c.relnamespace = 'stepgate'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_uid' and not a.attisdropped
$$;

-- Whether roles, policies and grants are there: a dump that is restored elsewhere brings none of the roles.
create or replace function stepgate.are_roles_in_place() returns boolean language sql stable as $$
  with roles as (select r.oid from stepgate.database_roles d join pg_roles r on r.rolname = d.name)
  select (select count(*) = 2 and bool_and(has_schema_privilege(r.oid, 'stepgate', 'usage')) from roles r)
     and not exists (
       select 1 from stepgate.tenant_tables() t join pg_class c on c.oid = t.relation
        where not c.relrowsecurity or not c.relforcerowsecurity
           or 2 <> (select count(*) from pg_policy p join roles r on p.polroles = array[r.oid] where p.polrelid = c.oid))
$$;

-- Puts row security and both policies on one table of tenants, or on a partition of one. A table keeps the policies it has.
create or replace function stepgate.fence_table(p_relation regclass) returns void language plpgsql as $$
declare
  v_gateway text := (select name from stepgate.database_roles where kind = 'gateway');
  v_worker text := (select name from stepgate.database_roles where kind = 'worker');
  v_name text := (select relname from pg_class where oid = p_relation);
  -- set by `set local`, empty again after it
  v_own text := 'nullif(current_setting(''stepgate.tenant_uid'', true), '''')::uuid';
  v_instance text := quote_literal('00000000-0000-0000-0000-000000000000') || '::uuid';
  v_sees text;
begin
  if not (select relrowsecurity and relforcerowsecurity from pg_class where oid = p_relation) then
    execute format('alter table stepgate.%I enable row level security, force row level security', v_name);
  end if;
  v_sees := case v_name
    -- the instance's own keys have no tenant
    when 'keys' then format('coalesce(tenant_uid, %s) = %s', v_instance, v_own)
    -- who is who: how a name or a credential becomes a tenant
    when 'tenants' then format('tenant_uid = %s or %s = %s', v_own, v_own, v_instance)
    when 'api_keys' then format('tenant_uid = %s or %s = %s', v_own, v_own, v_instance)
    else format('tenant_uid = %s', v_own) end;
  if not exists (select 1 from pg_policy where polrelid = p_relation and polname = 'gateway'
                  and polroles = array[(select oid from pg_roles where rolname = v_gateway)]) then
    execute format('drop policy if exists gateway on stepgate.%I', v_name);
    execute format('create policy gateway on stepgate.%I to %I using (%s) with check (%s)', v_name, v_gateway, v_sees, v_sees);
  end if;
  -- a constant, which costs nothing a row: claim, settle and reap touch several tenants' rows
  if not exists (select 1 from pg_policy where polrelid = p_relation and polname = 'worker'
                  and polroles = array[(select oid from pg_roles where rolname = v_worker)]) then
    execute format('drop policy if exists worker on stepgate.%I', v_name);
    execute format('create policy worker on stepgate.%I to %I using (true) with check (true)', v_name, v_worker);
  end if;
end $$;

-- Makes the roles where they are missing, and puts grants and policies right. A table keeps the policies it has, so that
-- no lock is taken that is not needed: a migration that changes one drops it first.
create or replace function stepgate.set_up_roles() returns void language plpgsql as $$
declare
  v_gateway text := (select name from stepgate.database_roles where kind = 'gateway');
  v_worker text := (select name from stepgate.database_roles where kind = 'worker');
  v_role text;
  t record;
begin
  begin
    foreach v_role in array array[v_gateway, v_worker] loop
      if not exists (select 1 from pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
      -- superusers may be anyone; the others need it, and so see every row themselves, as migrations and dumps must
      if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant %I to current_user', v_role);
      end if;
    end loop;
  exception when insufficient_privilege then
    if not coalesce((select bool_and(pg_has_role(r.oid, 'usage')) and count(*) = 2
                       from pg_roles r where r.rolname in (v_gateway, v_worker)), false) then
      raise exception 'roles' using errcode = 'SG005',
        detail = jsonb_build_object('gatewayRole', v_gateway, 'workerRole', v_worker, 'user', current_user)::text;
    end if;
  end;
  execute format('grant usage on schema stepgate to %I, %I', v_gateway, v_worker);
  execute format('grant usage on all sequences in schema stepgate to %I', v_worker);
  execute format('revoke all on all tables in schema stepgate from %I, %I', v_gateway, v_worker);
  for t in
    select g.relation, r.role, string_agg(p.privilege, ', ') as privileges
      from stepgate.table_grants() g
      cross join lateral (values (v_gateway, g.gateway), (v_worker, g.worker)) as r (role, letters)
      join (values ('s', 'select'), ('i', 'insert'), ('u', 'update'), ('d', 'delete')) as p (letter, privilege)
        on position(p.letter in r.letters) > 0
     group by g.relation, r.role
  loop
    execute format('grant %s on stepgate.%I to %I', t.privileges, t.relation, t.role);
  end loop;
  for t in select c.relation from stepgate.tenant_tables() c loop
    perform stepgate.fence_table(t.relation);
  end loop;
end $$;

select stepgate.set_up_roles();
