-- Heads are locked by an expression, which costs less than a statement (functions/batches.sql).
drop function if exists stepgate.lock_heads(uuid[], uuid[]);
