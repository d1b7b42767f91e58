-- The same checks in fewer words: the server reads the text of each anew for each statement, which was half of an update of a
-- budget by its key. Without a limit a comparison with it is null, which a check lets pass.
alter table stepgate.budgets
  drop constraint budgets_not_negative,
  drop constraint budgets_tokens_within_limit,
  drop constraint budgets_usd_micros_within_limit,
  add constraint budgets_not_negative check
    (least(tokens_used, tokens_reserved, tokens_overrun, usd_micros_used, usd_micros_reserved, usd_micros_overrun) >= 0),
  add constraint budgets_tokens_within_limit check (tokens_used + tokens_reserved - tokens_overrun <= tokens_limit),
  add constraint budgets_usd_micros_within_limit check (usd_micros_used + usd_micros_reserved - usd_micros_overrun <= usd_micros_limit);
alter table stepgate.run_heads
  drop constraint run_heads_counts_check,
  add constraint run_heads_counts_check check (least(open_steps, ready_rows, unplaced_steps) >= 0);
