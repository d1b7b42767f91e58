/**
 * Statements of retention: each is one call of a function of functions/windows.sql or retention.sql. They maintain the whole
 * database, as its owner; only RETAIN_RUNS and SHOW_RETENTION are other roles' too. `$n` of a moment: milliseconds, null for now.
 */

const MOMENT = (place: number): string =>
  `coalesce(timestamptz 'epoch' + $${place}::bigint * interval '1 millisecond', now())`;

/** Plans windows of $3 days until one ends $2 days after the moment $1 or later. */
export const PLAN_WINDOWS = `select stepgate.plan_windows(${MOMENT(1)}, $2, $3)`;

export const MISSING_PARTITIONS = `select relation, name from stepgate.missing_partitions()`;

/** Makes the partition of table $1 for window $2, with the rows of it that are there already. */
export const MAKE_PARTITION = `select stepgate.make_partition($1, $2) as is_made`;

/** For how many seconds windows are prepared: to the end of the last one, or to the first of which a table has no partition. */
export const READ_PREPARED = `
  select extract(epoch from coalesce(least(
           (select max(w.ends_at) from stepgate.history_windows w),
           (select min(stepgate.time_of(w.first_uid)) from stepgate.history_windows w
             where w.name in (select m.name from stepgate.missing_partitions() m))), 'epoch') - now())::float8 as seconds`;

/** Windows and what lies outside them, where something may be due at the moment $1. */
export const DUE_RANGES = `
  select name, first_uid, end_uid, stepgate.epoch_ms(ends_at) as ends_at_ms from stepgate.due_ranges(${MOMENT(1)})`;

/** What is to be done with window $2 at the moment $1, of which at most $3 rows a table may stay. */
export const JUDGE_WINDOW = `select stepgate.judge_window($2, ${MOMENT(1)}, $3) as verdict`;

/** Deletes up to $5 expired runs with uids from $2 to before $3 of a window that ended at $4; their history too, with $6. */
export const RETIRE_RUNS = `
  select removed, is_done
    from stepgate.retire_runs($2, $3, timestamptz 'epoch' + $4::bigint * interval '1 millisecond', ${MOMENT(1)}, $5, $6)`;

export const RETIRE_DECISIONS = `
  select removed, is_done
    from stepgate.retire_decisions($2, $3, timestamptz 'epoch' + $4::bigint * interval '1 millisecond', ${MOMENT(1)}, $5)`;

/** Deletes up to $2 rows each of the tables of window $1 that no run has any more. */
export const RETIRE_ORPHANS = `select removed, is_done from stepgate.retire_orphans($1, $2)`;

/** Erases what packs were shown in up to $2 runs that need it no longer. */
export const ERASE_INPUTS = `select removed, is_done from stepgate.erase_inputs(${MOMENT(1)}, $2)`;

/** Deletes up to $2 each of old answers, of manifests that no run has and of batches that no record is left of. */
export const RETIRE_LEFTOVERS = `select removed, is_done from stepgate.retire_leftovers(${MOMENT(1)}, $2)`;

/** Drops the partition of table $2 for window $3; what must stay of it, at most $4 rows, goes to the partition `_rest`. */
export const DROP_PARTITION = `select stepgate.drop_partition($2, $3, ${MOMENT(1)}, $4) as outcome`;

export const FORGET_WINDOW = `select stepgate.forget_window($1)`;

/** Tables of history, batches last: they go when no record of them is left. */
export const HISTORY_TABLES = `select relation from stepgate.history_tables() order by relation = 'record_batches', relation`;

/** Keeps runs ($1, $2) for $3 days after their end, or longer where they are kept longer already. */
export const RETAIN_RUNS = `select stepgate.retain_runs($1, $2, $3)`;

/** Runs of tenant $1 by window, and when they go, as of the moment $2. */
export const SHOW_RETENTION = `select * from stepgate.show_retention($1, $2)`;

/** What tenant $1 keeps its runs for, and what has gone. */
export const READ_RETIRED = `
  select extract(day from stepgate.retention_days(n.settings))::integer as retention_days,
         extract(day from stepgate.decision_input_days(n.settings))::integer as decision_input_days, coalesce(h.runs, 0) as runs,
         stepgate.epoch_ms(h.retired_at) as retired_at_ms
    from stepgate.tenants n left join stepgate.retired_history h on h.tenant_uid = n.tenant_uid where n.tenant_uid = $1`;
