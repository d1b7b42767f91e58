/**
 * Statements about what keeps vacuum from removing dead rows. They read the catalogue, as the configured user.
 */

/**
 * Who holds back vacuum in this database, the longest first: sessions with a snapshot or a transaction of their own, prepared
 * transactions, replication slots. What a session is of another user shows only to members of pg_read_all_stats.
 */
export const FIND_VACUUM_HOLDERS = `
  select 'session' as kind, a.pid::text as name, coalesce(a.application_name, '') as application, coalesce(a.usename, '') as owner,
         coalesce(a.state, '') as state, coalesce(a.backend_xmin, a.backend_xid)::text as xmin,
         (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::bigint as held_ms
    from pg_stat_activity a
   where coalesce(a.backend_xmin, a.backend_xid) is not null and a.pid <> pg_backend_pid() and a.xact_start is not null
     and (a.datname = current_database() or a.datname is null) and a.backend_type <> 'autovacuum worker'
  union all
  select 'prepared', p.gid, '', p.owner, '', p.transaction::text,
         (extract(epoch from clock_timestamp() - p.prepared) * 1000)::bigint
    from pg_prepared_xacts p where p.database = current_database()
  union all
  select 'slot', s.slot_name, coalesce(s.plugin, ''), '', case when s.active then 'active' else 'inactive' end,
         coalesce(s.xmin, s.catalog_xmin)::text, null
    from pg_replication_slots s
   where coalesce(s.xmin, s.catalog_xmin) is not null and (s.database = current_database() or s.database is null)
   order by held_ms desc nulls last`;
