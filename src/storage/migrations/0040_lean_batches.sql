-- Admissions and settlements in fewer statements, and none about what a batch has nothing of (functions/batches.sql).
drop function if exists stepgate.lock_batch(uuid[], uuid[], text[]);
drop function if exists stepgate.insert_batch(jsonb);
drop function if exists stepgate.append_audits(uuid[], text[], text[], text[]);
drop function if exists stepgate.judge_admissions(text, uuid[], uuid[], text[], bigint[], bigint[], text[]);
drop function if exists stepgate.reserve_together(uuid[], uuid[], bigint[], bigint[], boolean[], boolean[], boolean[], text[]);
drop function if exists stepgate.append_starts(uuid[], uuid[], text[], jsonb[], jsonb[], text[]);
drop function if exists stepgate.judge_settlements(text, boolean, text[], uuid[], uuid[], text[], bigint[], integer[]);
drop function if exists stepgate.close_attempts(text[], jsonb[], text[], uuid[], uuid[], text[], bigint[], integer[], text[], uuid[], uuid[],
  uuid[], bigint[], bigint[], text[], text[], text[], text[], integer[]);
drop function if exists stepgate.reconcile_together(uuid[], uuid[], timestamptz[], bigint[], bigint[], bigint[], bigint[]);
drop function if exists stepgate.warn_of_budgets(uuid[], uuid[], timestamptz[], bigint[], bigint[]);
drop function if exists stepgate.end_plain_steps(text[], uuid[], uuid[], text[], integer[], text[], uuid[], text[], uuid[], bigint[], bigint[],
  text[], text[], text[], integer[], jsonb[]);
drop function if exists stepgate.end_plain_runs(text[], uuid[], uuid[]);
drop function if exists stepgate.move_runs(text[], uuid[], uuid[], text[]);
