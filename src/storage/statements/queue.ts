/**
 * Statements of the queue's operations: what waits, why, what died, what is paused.
 */

/**
 * Steps of tenant $1 in the queue, by type and live state, with the longest wait of each: all in somebody's hands, of those that
 * wait the first $2 in their order, and $2 of those that stand apart. Of 100 000, on a busy machine, all took 50 to 250 ms, and
 * 5 000 took 5 to 15.
 */
export const COUNT_READY = `
  select x.type, x.state, count(*)::integer as count, stepgate.epoch_ms(min(x.ready_at)) as oldest_ready_ms
    from (select r.type, r.state, r.ready_at from stepgate.ready_steps r where r.tenant_uid = $1 and r.lease_owner is not null
          union all
          (select r.type, r.state, r.ready_at from stepgate.ready_steps r
            where r.tenant_uid = $1 and r.lease_owner is null and not r.is_later and not r.is_stopped
            order by r.is_alone, r.is_contracted desc, r.breach_at, r.priority desc, r.ready_at, r.run_uid, r.step_id limit $2)
          union all
          (select r.type, r.state, r.ready_at from stepgate.ready_steps r
            where r.tenant_uid = $1 and r.lease_owner is null and (r.is_later or r.is_stopped) limit $2)) x
   group by x.type, x.state`;

/**
 * Open steps of tenant $1 without a row in the queue: blocked, held, waiting, or queued behind \`max_parallel\`. Only $2 runs and
 * $2 steps of them, ended ones too, are looked at; is_cut where that was not all, in a row without a type where there is no
 * other. (On a busy machine 100 000 took 350 to 1000 ms, and 2 000 take 3 to 50.)
 */
export const COUNT_OTHERS = `
  with runs as materialized (
    select h.run_uid, h.unplaced_steps > 0 as has_unplaced from stepgate.run_heads h
     where h.tenant_uid = $1 and h.status in ('pending', 'running', 'paused_at_step', 'cancelling', 'compensating') limit $2),
  seen as materialized (
    select s.*, u.has_unplaced from runs u
     cross join lateral (select n.run_uid, n.step_id, n.type, n.status from stepgate.steps n
                          where n.tenant_uid = $1 and n.run_uid = u.run_uid limit $2) s
     limit $2)
  select x.type, x.state, x.count, c.is_cut
    from (select (select count(*) from runs) >= $2 or (select count(*) from seen) >= $2 as is_cut) c
    left join (
      select s.type, s.status as state, count(*)::integer as count from seen s
       where s.status in ('blocked', 'held', 'waiting')
          or s.status = 'queued' and s.has_unplaced and not exists (
               select 1 from stepgate.ready_steps r where (r.tenant_uid, r.run_uid, r.step_id) = ($1, s.run_uid, s.step_id))
       group by s.type, s.status) x on true`;

export const READ_PAUSES = `select is_paused, paused_types from stepgate.tenants where tenant_uid = $1`;

/** Types that a living worker serves; instance-wide: workers belong to no tenant. */
export const READ_SERVED_TYPES = `
  select distinct t.type from stepgate.workers w, unnest(w.types) as t (type) where w.lease_until > clock_timestamp()`;

export const PAUSE_QUEUE = `select stepgate.pause_queue($1, $2, $3, $4) as changed`;

/**
 * Step ($1, $2, $3) with all that may keep it waiting; its rank is counted up to $4 places. Before a compensation that is
 * scheduled come the run's other steps, and the compensation that has its turn: at most $5 of them are named.
 */
export const READ_WAIT = `
  select s.type, coalesce(r.state, s.status) as state, s.status = 'queued' and r.step_id is null as is_unplaced, h.status as run_status,
         h.paused_step, h.max_parallel, n.is_paused as is_tenant_paused, s.type = any (n.paused_types) as is_type_paused,
         stepgate.epoch_ms(case when r.state = 'queued' and r.not_before > clock_timestamp() then r.not_before end) as not_before_ms,
         coalesce((select array_agg(e.from_step order by e.from_step) from stepgate.step_edges e
                     join stepgate.steps d on (d.tenant_uid, d.run_uid, d.step_id) = (e.tenant_uid, e.run_uid, e.from_step)
                    where e.tenant_uid = s.tenant_uid and e.run_uid = s.run_uid and e.to_step = s.step_id
                      and d.status not in ('succeeded', 'failed', 'skipped', 'cancelled')),
                  case when s.is_target and s.is_compensation_scheduled then
                    (select array_agg(b.step_id order by b.idx) from (
                       select d.step_id, d.idx from stepgate.steps d
                        where (d.tenant_uid, d.run_uid) = (s.tenant_uid, s.run_uid) and d.step_id <> s.step_id
                          and d.status not in ('succeeded', 'failed', 'skipped', 'cancelled')
                          and not (d.is_target and d.status = 'blocked') order by d.idx limit $5) b) end, '{}') as unmet,
         r.deferred_for, r.deferred_by, coalesce(r.is_alone, false) as is_alone,
         case when r.state <> 'queued' then r.lease_owner end as worker,
         stepgate.epoch_ms(case when r.state = 'running' then r.started_at end) as started_at_ms,
         s.origin_step,
         (select a.approval_id from stepgate.approvals a where a.tenant_uid = s.tenant_uid and a.run_uid = s.run_uid
             and a.step_id = s.step_id and a.state = 'open' order by a.created_at desc limit 1) as approval_id,
         case when r.state = 'queued' then
           (select count(*)::integer from (select 1 from stepgate.ready_steps o
              where o.tenant_uid = r.tenant_uid and o.lease_owner is null and not o.is_stopped and o.not_before <= clock_timestamp()
                and (not o.is_contracted, o.breach_at, -o.priority, o.ready_at, o.run_uid, o.step_id)
                  < (not r.is_contracted, r.breach_at, -r.priority, r.ready_at, r.run_uid, r.step_id)
              limit $4) x) end as ahead
    from stepgate.steps s
    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (s.tenant_uid, s.run_uid)
    join stepgate.tenants n on n.tenant_uid = s.tenant_uid
    left join stepgate.ready_steps r on (r.tenant_uid, r.run_uid, r.step_id) = (s.tenant_uid, s.run_uid, s.step_id)
   where s.tenant_uid = $1 and s.run_uid = $2 and s.step_id = $3`;

const DEAD_LETTER = `
  select s.run_uid, s.step_id, s.type, s.attempts_made, s.error_kind, s.reasons, s.is_target, u.run_id,
         stepgate.epoch_ms(s.ended_at) as ended_at_ms, s.last_record,
         (extract(epoch from s.ended_at) * 1000000)::bigint as ended_at_us,
         (select f.run_uid from stepgate.run_forks f where f.tenant_uid = s.tenant_uid and f.origin_run = s.run_uid
             and f.origin_step = s.step_id order by f.created_at desc limit 1) as redriven_as
    from stepgate.steps s
    join stepgate.runs u on (u.tenant_uid, u.run_uid) = (s.tenant_uid, s.run_uid)
   where s.tenant_uid = $1 and s.status = 'failed' and s.attempts_made > 0`;

/** Dead letters of tenant $1, the youngest first, after ($2 µs, $3, $4) of the page before, at most $5. */
export const LIST_DEAD_LETTERS = `${DEAD_LETTER}
     and ($2::bigint is null or (s.ended_at, s.run_uid, s.step_id) < (to_timestamp(0) + $2::bigint * interval '1 microsecond', $3::uuid, $4::text))
   order by s.ended_at desc, s.run_uid desc, s.step_id desc limit $5`;

export const READ_DEAD_LETTER = `${DEAD_LETTER} and s.run_uid = $2 and s.step_id = $3`;

/** The inputs of a run's steps, still sealed, how each ended, and the run that its forks draw their budget from. */
export const READ_FORK_SOURCE = `
  select s.step_id, s.status, s.input_blob, s.last_record,
         coalesce((select f.root_run from stepgate.run_forks f where f.tenant_uid = s.tenant_uid and f.run_uid = s.run_uid),
                  s.run_uid) as root_run
    from stepgate.steps s where s.tenant_uid = $1 and s.run_uid = $2 order by s.idx`;
