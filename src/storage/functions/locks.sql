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
