-- The roles that pools run as. Kept here, since roles belong to the whole server and a copy of a database keeps its own.
create table stepgate.database_roles (
  kind text not null constraint database_roles_pkey primary key
    constraint database_roles_kind_check check (kind in ('gateway', 'worker')),
  name text not null constraint database_roles_name_key unique
);
insert into stepgate.database_roles (kind, name)
select kind, 'stepgate_' || kind || '_' || left(encode(sha256(convert_to(current_database(), 'UTF8')), 'hex'), 12)
  from unnest(array['gateway', 'worker']) as k (kind);

-- A view reads as its owner unless it is told otherwise.
alter view stepgate.step_states set (security_invoker = true);
