/**
 * Statements about sinks: what people set and see of them, and who delivers what (functions/deliveries.sql).
 */

const SINK_COLUMNS = `
  s.name, s.url, s.event_types, s.is_paused, s.version, s.key_id, s.wrapped_key, s.sealed, stepgate.epoch_ms(s.created_at) as created_at_ms`;

/** Sinks of tenant $1 by name after $2. */
export const LIST_SINKS = `
  select ${SINK_COLUMNS} from stepgate.sinks s where s.tenant_uid = $1 and ($2::text is null or s.name > $2) order by s.name limit $3`;

export const READ_SINK = `select ${SINK_COLUMNS} from stepgate.sinks s where s.tenant_uid = $1 and s.name = $2`;

/** What waits and what died, of sinks $2 of tenant $1. */
export const COUNT_BACKLOG = `
  select n.name, (select count(*) from stepgate.deliveries d
                    join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (d.tenant_uid, d.run_uid)
                   where d.tenant_uid = $1 and d.sink = n.name and h.head_seq > d.done_seq) as waiting_runs,
         (select count(*) from stepgate.dead_letters l where l.tenant_uid = $1 and l.sink = n.name) as dead_letters
    from unnest($2::text[]) as n (name)`;

export const PUT_SINK = `select stepgate.put_sink($1, $2, $3, $4, $5, $6, $7, $8, $9) as is_new`;

/** Where the sink is still of version $3, whose secret the new one was made from. */
export const UPDATE_SINK_SECRET = `
  update stepgate.sinks set key_id = $4, wrapped_key = $5, sealed = $6, version = version + 1
   where tenant_uid = $1 and name = $2 and version = $3`;

export const DROP_BACKLOG = `select stepgate.drop_backlog($1, $2, $3, $4) as has_more`;

export const REMOVE_SINK = `select stepgate.remove_sink($1, $2, $3) as is_removed`;

/** Runs whose events sink $2 of tenant $1 has not all had, by run uid after $3. */
export const LIST_DELIVERIES = `
  select d.run_uid, d.done_seq, h.head_seq, d.attempts, d.last_fault, stepgate.epoch_ms(d.not_before) as not_before_ms
    from stepgate.deliveries d join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (d.tenant_uid, d.run_uid)
   where d.tenant_uid = $1 and d.sink = $2 and h.head_seq > d.done_seq and ($3::uuid is null or d.run_uid > $3)
   order by d.run_uid limit $4`;

const LETTER_COLUMNS = `
  run_uid, seq, event_type, attempts, fault, stepgate.epoch_ms(died_at) as died_at_ms, stepgate.epoch_ms(redrive_at) as redrive_at_ms`;

/** Dead letters of sink $2 of tenant $1, by run and seq after ($3, $4). */
export const LIST_SINK_DEAD_LETTERS = `
  select ${LETTER_COLUMNS} from stepgate.dead_letters
   where tenant_uid = $1 and sink = $2 and ($3::uuid is null or (run_uid, seq) > ($3, $4::bigint)) order by run_uid, seq limit $5`;

/** Sends dead letters of sink $2 again: those of run $3, all where it is null. */
export const REDRIVE_DEAD_LETTERS = `
  update stepgate.dead_letters set redrive_at = now(), attempts = 0
   where tenant_uid = $1 and sink = $2 and ($3::uuid is null or run_uid = $3) and redrive_at is null`;

/** Every sink that events go to now, with what the platform lets its tenant reach. */
export const READ_ACTIVE_SINKS = `
  select s.tenant_uid, s.name, s.url, s.event_types, s.version, s.key_id, s.wrapped_key, s.sealed, t.settings
    from stepgate.sinks s join stepgate.tenants t on t.tenant_uid = s.tenant_uid where not s.is_paused`;

export const FIND_DELIVERIES = `select walked_to, due from stepgate.find_deliveries($1, $2, $3, $4)`;

export const CLAIM_DELIVERIES = `select * from stepgate.claim_deliveries($1, $2, $3, $4)`;

export const MOVE_DELIVERIES = `select stepgate.move_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) as held`;

export const CLAIM_REDRIVES = `select * from stepgate.claim_redrives($1, $2, $3, $4)`;

export const END_REDRIVE = `select stepgate.end_redrive($1, $2, $3, $4, $5, $6, $7)`;
