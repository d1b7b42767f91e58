-- A batch seeks each row once: judging locks the rows of the queue, runs are sought once each (functions/batches.sql).
drop function if exists stepgate.lock_batch(uuid[], uuid[], text[]);
drop function if exists stepgate.judge_admissions(text, uuid[], uuid[], text[], bigint[], bigint[], text[], uuid[]);
drop function if exists stepgate.append_starts(uuid[], uuid[], text[], json[], jsonb[], text[]);
