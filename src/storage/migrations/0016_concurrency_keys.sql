-- How many steps of one concurrency key run at once is counted from the queue itself: the key stands on the row that runs.
alter table stepgate.ready_steps add column concurrency_key text;
create index ready_steps_concurrency_idx on stepgate.ready_steps (tenant_uid, concurrency_key)
  where concurrency_key is not null and state = 'running';
