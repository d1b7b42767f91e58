/**
 * Statements about the roles that pools run as, and what row security is to them. Instance-wide: they read the catalogue.
 */

export const HAS_ROLES = `select to_regclass('stepgate.database_roles') is not null as yes`;

/** The gateway's and the worker's role. */
export const READ_ROLES = `
  select (select name from stepgate.database_roles where kind = 'gateway') as gateway,
         (select name from stepgate.database_roles where kind = 'worker') as worker`;

export const ARE_ROLES_IN_PLACE = `select stepgate.are_roles_in_place() as yes`;

/** By the owner; one at a time, since two that change one catalogue row fail. */
export const SET_UP_ROLES = `select stepgate.set_up_roles()`;

/**
 * What the session's own role could do past row security: attributes, ownership, roles it may turn into, open tables.
 * CREATEROLE counts, since up to PostgreSQL 15 it grants itself any role; REPLICATION reads the whole log of changes.
 */
export const READ_FENCES = `
  with owners (oid) as (
         select relowner from pg_class where relnamespace = 'stepgate'::regnamespace
         union select nspowner from pg_namespace where nspname = 'stepgate'),
       powers as (
         select r.oid, r.rolname,
                case when r.rolsuper then 'superuser' when r.rolbypassrls then 'bypassrls' when r.rolcreaterole then 'createrole'
                     when r.rolreplication then 'replication' when r.oid in (select oid from owners) then 'owner'
                     when r.rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
                     then 'server_files'
                     when r.rolname in (select name from stepgate.database_roles where kind = 'worker') then 'every_tenant'
                     else '' end as power
           from pg_roles r)
  select current_user::text as role,
         (select power from powers where rolname = current_user) as power,
         coalesce((select min(rolname::text) from powers
                    where power <> '' and rolname <> current_user and pg_has_role(current_user, oid, 'member')), '') as member_of,
         coalesce((select min(t.name) from stepgate.tenant_tables() t
                    where not row_security_active(t.relation)
                      and has_table_privilege(t.relation, 'select, insert, update, delete')), '') as open_table`;
