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
-- after the admission began, which is what settlements tell by (quotas.holds_since). Returns how many that were.
create or replace function stepgate.share_quotas(p_tenants uuid[]) returns integer language plpgsql as $$
declare
  v_tenants uuid[] := case when p_tenants[1] = all (p_tenants) then p_tenants[1:1] else p_tenants end;
begin
  for v_n in 1 .. cardinality(v_tenants) loop
    -- tried first: an expression costs less than a statement
    if not pg_try_advisory_xact_lock_shared(21320, uuid_hash(v_tenants[v_n])) then
      perform pg_advisory_xact_lock_shared(21320, uuid_hash(v_tenants[v_n]));
    end if;
  end loop;
  return cardinality(v_tenants);
end $$;
