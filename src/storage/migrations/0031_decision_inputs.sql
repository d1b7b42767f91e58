-- What packs were shown is kept decision_input_days (functions/retention.sql): true once it is gone.
alter table stepgate.runs add column are_inputs_erased boolean not null default false;
-- the few that still have it after their time, and those of the last days; an end of a run does not touch it
create index runs_inputs_idx on stepgate.runs (tenant_uid, submitted_at) where not are_inputs_erased;
