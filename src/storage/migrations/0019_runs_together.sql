-- Runs that are submitted together are stored by kind of row, not one after the other.
drop function stepgate.submit_run(jsonb, jsonb, jsonb, jsonb);
