-- Steps whose time is up while they wait behind max_parallel end too: for that they get rows in the queue beyond it.
alter table stepgate.run_heads drop constraint run_heads_counts_check;
alter table stepgate.run_heads
  add constraint run_heads_counts_check check (open_steps >= 0 and ready_rows >= 0 and unplaced_steps >= 0);

drop function if exists stepgate.place_next(stepgate.run_heads, integer, text);
