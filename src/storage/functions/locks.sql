-- Advisory locks of the whole installation, each with a number of its own: of two rooms with one number, each would wait for
-- the other. The class is "SG"; 1 is of migrations (migrate.ts), taken before there are functions.

-- The number of a lock. A name that is not here is an error: without a number nothing would be locked.
create or replace function stepgate.lock_number(p_name text) returns integer language plpgsql immutable as $$
begin
  case p_name
    when 'retention' then return 3;
    when 'alone' then return 4;
  end case;
end $$;

-- Which quotas a tenant has is a lock of its own class, 21320, by the hash of the tenant: admissions share it from before they
-- look until they have committed, and whoever puts quotas has it alone. So a quota that an admission did not see was made
-- after the admission began, which is what settlements tell by (quotas.holds_since). In the order of their numbers: two
-- admissions that each wait behind such a change of the other's tenant would wait for ever. Returns how many that were.
create or replace function stepgate.share_quotas(p_tenants uuid[]) returns integer language plpgsql as $$
declare
  v_locks integer[] := array[uuid_hash(p_tenants[1])];
begin
  if p_tenants[1] <> any (p_tenants) then
    v_locks := array(select distinct uuid_hash(t) from unnest(p_tenants) t order by 1);
  end if;
  for v_n in 1 .. cardinality(v_locks) loop
    -- tried first: an expression costs less than a statement
    if not pg_try_advisory_xact_lock_shared(21320, v_locks[v_n]) then
      perform pg_advisory_xact_lock_shared(21320, v_locks[v_n]);
    end if;
  end loop;
  return cardinality(v_locks);
end $$;
