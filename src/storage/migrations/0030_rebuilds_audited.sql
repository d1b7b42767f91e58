-- Putting back a run's rows makes good what its log owes and says who did it (functions/rebuild.sql).
drop function stepgate.rebuild_run(uuid, uuid, bigint, jsonb);
