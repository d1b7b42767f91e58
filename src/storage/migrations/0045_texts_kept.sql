-- What is written once and read as a whole is kept as the text it came as: taking JSON apart took a seventh of a settlement.
-- Rewrites these tables; what was there reads the same.
alter table stepgate.run_events alter column data type json;
alter table stepgate.evaluations alter column body type json;
alter table stepgate.artifacts alter column metadata type json;
-- a new type begins without what was said of the old one, in each partition
do $$
declare
  c record;
begin
  for c in
    select x.relation, x.name from (values ('run_events', 'data'), ('evaluations', 'body'), ('artifacts', 'metadata')) as w (relation, name),
           lateral (select w.relation, w.name
                    union all select i.inhrelid::regclass::text, w.name from pg_inherits i
                     where i.inhparent = format('stepgate.%I', w.relation)::regclass) x
  loop
    execute format('alter table stepgate.%I alter column %I set compression lz4', replace(c.relation, 'stepgate.', ''), c.name);
  end loop;
exception when feature_not_supported then null;
end $$;

drop function if exists stepgate.admit_steps(text, jsonb, uuid[], uuid[], text[], bigint[], integer[], bigint[], text[], bigint[], bigint[],
  boolean[], boolean[], uuid[], text[], text[], text[], jsonb[], jsonb[], uuid[], uuid[], jsonb[], integer[], uuid[], text[], text[],
  bytea[], bytea[]);
drop function if exists stepgate.append_starts(uuid[], uuid[], text[], jsonb[], jsonb[], text[]);
drop function if exists stepgate.take_concurrency_keys(uuid[], uuid[], text[], jsonb[], text[]);
drop function if exists stepgate.settle_steps(text, boolean, jsonb, jsonb[], text[], uuid[], uuid[], text[], bigint[], integer[], text[], uuid[],
  text[], uuid[], uuid[], bigint[], bigint[], text[], text[], text[], text[], integer[], text[], text[], text[], text[], text[], jsonb[],
  uuid[], uuid[], text[], text[], text[], jsonb[], bytea[], uuid[], integer[], integer[], text[], text[], text[], uuid[], integer[],
  integer[], text[], jsonb[], integer[], uuid[], text[], text[], bytea[], bytea[]);
drop function if exists stepgate.end_plain_steps(text[], uuid[], uuid[], text[], integer[], text[], uuid[], text[], uuid[], bigint[], bigint[], text[],
  text[], text[], integer[], jsonb[]);
drop function if exists stepgate.settle_singles(text[], jsonb[], text[], uuid[], uuid[], text[], bigint[], integer[], text[], uuid[], text[], uuid[],
  uuid[], bigint[], bigint[], text[], text[], text[], integer[], text[], jsonb[]);
