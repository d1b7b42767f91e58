-- A claim brings the sealed inputs with it, and takes steps that must run alone only for an idle worker.
drop function stepgate.claim_steps(text, text[], integer);
alter type stepgate.leased_step add attribute input_key_id text, add attribute input_wrapped bytea, add attribute input_sealed bytea;
create index ready_steps_alone_idx on stepgate.ready_steps (tenant_uid) where state = 'queued' and is_alone;
