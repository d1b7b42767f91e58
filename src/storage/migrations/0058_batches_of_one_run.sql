-- Batches of one run lock, reserve and answer by the row's key (functions/batches.sql, quotas.sql, admit.sql).
drop function if exists stepgate.lock_heads(uuid[], uuid[]);
drop function if exists stepgate.lock_reserves(uuid[], uuid[], text[]);
