-- Claims try a step where their walk found it; a plan by its key could read the whole queue for each.
select 1;
