-- Retention says what is done and what is not, counts what must stay before it locks a table, and leaves nothing in the
-- partitions `_rest` of runs that are gone (functions/windows.sql, retention.sql).
drop function if exists stepgate.due_ranges(timestamptz);
drop function if exists stepgate.history_ranges();
drop function if exists stepgate.plan_windows(timestamptz, integer);
drop function if exists stepgate.retire_runs(uuid, uuid, timestamptz, timestamptz, integer, boolean);
drop function if exists stepgate.retire_decisions(uuid, uuid, timestamptz, timestamptz, integer);
drop function if exists stepgate.retire_leftovers(timestamptz, integer);
drop function if exists stepgate.delete_history(uuid[], uuid[], uuid);
drop function if exists stepgate.delete_batches(uuid[]);
drop function if exists stepgate.drop_partition(text, text, timestamptz);
drop function if exists stepgate.move_kept(stepgate.history_windows, text, text, uuid[], timestamptz);
drop function if exists stepgate.forget_window(text);
