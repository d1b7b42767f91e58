-- Admissions say in which units a step is metered; a tenant's quotas are asked before its run's budget (functions/admit.sql, quotas.sql).
drop function if exists stepgate.admit_steps(text, jsonb, uuid[], uuid[], text[], bigint[], integer[], bigint[], text[], bigint[],
  bigint[], boolean[], uuid[], text[], text[], text[], jsonb[], jsonb[], uuid[], uuid[], jsonb[], integer[], uuid[], text[], text[],
  bytea[], bytea[]);
drop function if exists stepgate.reserve_step(uuid, uuid, text, bigint, bigint, boolean, uuid);
drop function if exists stepgate.reserve_together(uuid[], uuid[], bigint[], bigint[], boolean[], boolean[], text[]);
drop function if exists stepgate.reserve_budget(uuid, uuid, bigint, bigint, boolean, boolean);
drop function if exists stepgate.reserve_quotas(uuid, bigint, bigint);
drop function if exists stepgate.unreserve_budget(uuid, uuid, bigint, bigint);
drop function if exists stepgate.is_over(bigint, bigint, bigint, boolean, boolean);
