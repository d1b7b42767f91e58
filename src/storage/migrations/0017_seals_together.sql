-- Seals of several runs are written under one signature in one transaction; runs of one tenant are stored together, and end
-- together where nothing else is left to do in them.
drop function stepgate.take_seal_job(bigint);
drop function stepgate.write_seal(uuid, uuid, jsonb, jsonb);
drop function stepgate.insert_record(uuid, uuid, jsonb);
