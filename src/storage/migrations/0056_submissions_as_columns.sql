-- Submissions come as columns, no longer as JSON that is taken apart (functions/submit.sql).
drop function if exists stepgate.submit_runs(uuid, jsonb[], jsonb[], jsonb[], jsonb[]);
drop function if exists stepgate.store_runs(uuid, jsonb[], jsonb[], jsonb[], jsonb[]);
drop type stepgate.submitted_step;
