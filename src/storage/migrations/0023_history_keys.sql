-- What 0020 took from the tables of history and did not give back, and what look-ups in the partitions `_rest` need.

-- One seal per run, whatever else goes wrong: a record of a run is placed by the run and nothing else.
alter table stepgate.records add constraint records_window_check check (window_uid = run_uid);
create unique index records_seal_key on stepgate.records (tenant_uid, run_uid, window_uid) where kind = 'seal';

-- Batches hold digests of several runs' records: whether one of them is left is asked for each batch that outlived its window.
create index records_rest_batch_idx on stepgate.records_rest (batch_id);
create index artifacts_rest_batch_idx on stepgate.artifacts_rest (batch_id);
