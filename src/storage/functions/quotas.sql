-- Reserving in quotas and run budgets, and giving back what was not used. Rows are locked by lock_reserves.

create or replace function stepgate.window_start(p_window text, p_at timestamptz) returns timestamptz
language sql immutable as $$
  select case p_window when 'lifetime' then '-infinity'::timestamptz
    else date_trunc(p_window, p_at at time zone 'UTC') at time zone 'UTC' end
$$;

create or replace function stepgate.window_end(p_window text, p_at timestamptz) returns timestamptz
language sql immutable as $$
  select case p_window when 'lifetime' then null
    else (date_trunc(p_window, p_at at time zone 'UTC') + ('1 ' || p_window)::interval) at time zone 'UTC' end
$$;

-- Whether a request goes above a limit. Of a compensation its own hint may (p_hint; spec 02). A metered step that asks for nothing
-- may spend anything: nothing could hold it below a limit, so it passes none (spec 03).
create or replace function stepgate.is_over(p_held bigint, p_request bigint, p_limit bigint, p_hint bigint, p_is_metered boolean)
returns boolean language sql immutable parallel safe as $$
  select case when p_request > 0 then p_request > coalesce(p_hint, 0) and p_held + p_request > p_limit else p_is_metered end
$$;

-- The first quota of the tenant that does not allow a step, with {quota, unit, limit, used, reserved, requested, resets_at_ms,
-- waits, reason}; null where all do. Rows are locked by lock_reserves, and nothing is written.
create or replace function stepgate.find_full_quota(p_tenant uuid, p_tokens bigint, p_usd_micros bigint, p_meters_tokens boolean,
  p_meters_usd_micros boolean) returns jsonb language plpgsql as $$
declare
  q record;
  v_request bigint;
  v_is_metered boolean;
begin
  for q in
    select n.quota_id, n.unit, n.quota_window, n.quota_limit, a.used, a.reserved
      from stepgate.quotas n
      join stepgate.quota_usage a on a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
       and a.window_start = stepgate.window_start(n.quota_window, now())
     where n.tenant_uid = p_tenant and n.unit <> 'runs' order by n.quota_id
  loop
    v_request := case q.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end;
    v_is_metered := case q.unit when 'tokens' then p_meters_tokens when 'usd_micros' then p_meters_usd_micros else false end;
    if stepgate.is_over(q.used + q.reserved, v_request, q.quota_limit, null, v_is_metered) then
      return jsonb_build_object('quota', q.quota_id, 'unit', q.unit, 'limit', q.quota_limit, 'used', q.used,
        'reserved', q.reserved, 'requested', v_request,
        'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())),
        -- short windows and what runs at the same time are waited for, unless the request never fits (spec 02)
        'waits', v_request between 1 and q.quota_limit and (q.quota_window = 'minute' or q.unit = 'concurrent_steps'))
        || case when v_request > 0 or q.used + q.reserved >= q.quota_limit and q.quota_window <> 'minute' then '{}'
                else '{"reason": "uncapped"}'::jsonb end;
    end if;
  end loop;
  return null;
end $$;

create or replace function stepgate.hold_quotas(p_tenant uuid, p_tokens bigint, p_usd_micros bigint) returns void language sql as $$
  -- the row may have been made under another limit, while that was being changed
  update stepgate.quota_usage a
     set reserved = a.reserved + x.request, quota_limit = n.quota_limit,
         overrun = greatest(a.overrun, a.used + a.reserved + x.request - n.quota_limit)
    from stepgate.quotas n,
         lateral (select case n.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end) as x (request)
   where n.tenant_uid = p_tenant and n.unit <> 'runs' and a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
     and a.window_start = stepgate.window_start(n.quota_window, now())
$$;

-- Reserves in the run's budget, or changes nothing. A compensation may overdraw it by its own declared hint, shown as overrun
-- (spec 02). Result: null (granted or untracked) or {which, limit, used, reserved, requested, reason}.
create or replace function stepgate.reserve_budget(p_tenant uuid, p_run uuid, p_tokens bigint, p_usd_micros bigint, p_hint_tokens bigint,
  p_hint_usd_micros bigint, p_meters_tokens boolean, p_meters_usd_micros boolean) returns jsonb language plpgsql as $$
declare
  b stepgate.budgets;
  u record;
begin
  select * into b from stepgate.budgets where tenant_uid = p_tenant and run_uid = p_run;
  if not found then
    return null;
  end if;
  for u in
    select * from (values
      ('tokens', b.tokens_limit, b.tokens_used, b.tokens_reserved, p_tokens, p_hint_tokens, p_meters_tokens),
      ('usd_micros', b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, p_usd_micros, p_hint_usd_micros, p_meters_usd_micros))
      as x (which, most, used, reserved, request, hint, is_metered)
     where x.most is not null
  loop
    if stepgate.is_over(u.used + u.reserved, u.request, u.most, u.hint, u.is_metered) then
      return jsonb_build_object('which', u.which, 'limit', u.most, 'used', u.used, 'reserved', u.reserved, 'requested', u.request)
        || case when u.request > 0 or u.used + u.reserved >= u.most then '{}' else '{"reason": "uncapped"}'::jsonb end;
    end if;
  end loop;
  update stepgate.budgets
     set tokens_reserved = tokens_reserved + p_tokens,
         tokens_overrun = greatest(tokens_overrun, tokens_used + tokens_reserved + p_tokens - coalesce(tokens_limit, 0)
                                   - case when tokens_limit is null then tokens_used + tokens_reserved + p_tokens else 0 end),
         usd_micros_reserved = usd_micros_reserved + p_usd_micros,
         usd_micros_overrun = greatest(usd_micros_overrun, usd_micros_used + usd_micros_reserved + p_usd_micros
                                   - coalesce(usd_micros_limit, 0)
                                   - case when usd_micros_limit is null then usd_micros_used + usd_micros_reserved + p_usd_micros else 0 end)
   where tenant_uid = p_tenant and run_uid = p_run;
  return null;
end $$;

-- Turns a reservation into what was used, in the windows in which it was made; gives the rest back.
create or replace function stepgate.reconcile(p_tenant uuid, p_run uuid, p_reserved_at timestamptz, p_reserved_tokens bigint,
  p_reserved_usd_micros bigint, p_actual_tokens bigint, p_actual_usd_micros bigint) returns void
language plpgsql as $$
begin
  update stepgate.budgets
     set tokens_reserved = tokens_reserved - p_reserved_tokens,
         tokens_used = tokens_used + p_actual_tokens,
         tokens_overrun = case when tokens_limit is null then 0
           else greatest(tokens_overrun, tokens_used + p_actual_tokens + tokens_reserved - p_reserved_tokens - tokens_limit) end,
         usd_micros_reserved = usd_micros_reserved - p_reserved_usd_micros,
         usd_micros_used = usd_micros_used + p_actual_usd_micros,
         usd_micros_overrun = case when usd_micros_limit is null then 0
           else greatest(usd_micros_overrun,
             usd_micros_used + p_actual_usd_micros + usd_micros_reserved - p_reserved_usd_micros - usd_micros_limit) end
   where tenant_uid = p_tenant and run_uid = p_run;
  update stepgate.quota_usage a
     set reserved = greatest(a.reserved - x.reserved, 0), used = a.used + x.actual,
         overrun = greatest(a.overrun, a.used + x.actual + greatest(a.reserved - x.reserved, 0) - a.quota_limit)
    from stepgate.quotas n,
         lateral (select case n.unit when 'tokens' then p_reserved_tokens when 'usd_micros' then p_reserved_usd_micros else 1 end,
                         case n.unit when 'tokens' then p_actual_tokens when 'usd_micros' then p_actual_usd_micros else 0 end)
           as x (reserved, actual)
   where n.tenant_uid = p_tenant and n.unit <> 'runs' and a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
     and a.window_start = stepgate.window_start(n.quota_window, p_reserved_at)
     and n.holds_since <= p_reserved_at;
end $$;

-- Reserves at once for all steps of a run whose requests fit together, and so for all runs of a tenant whose quotas hold
-- them together; these become 'started' in p_outcomes. p_alone: who is served one by one. What is left null does not fit
-- as a whole, and is tried one by one, in the order given: so a request that is too large denies only itself.
-- p_has_budgets, p_has_quotas: as lock_reserves found.
create or replace function stepgate.reserve_together(p_tenants uuid[], p_runs uuid[], p_tokens bigint[], p_usd_micros bigint[],
  p_meters_tokens boolean[], p_meters_usd_micros boolean[], p_alone boolean[], p_outcomes text[], p_has_budgets boolean,
  p_has_quotas boolean) returns text[] language plpgsql as $$
declare
  v_outcomes text[] := p_outcomes;
  v_granted integer[];
begin
  if not p_has_budgets and not p_has_quotas then
    for v_n in 1 .. cardinality(p_outcomes) loop
      if p_outcomes[v_n] is null and not p_alone[v_n] then
        v_outcomes[v_n] := 'started';
      end if;
    end loop;
    return v_outcomes;
  end if;
  if not p_has_quotas then
    return stepgate.reserve_budgets(p_tenants, p_runs, p_tokens, p_usd_micros, p_meters_tokens, p_meters_usd_micros, p_alone, p_outcomes);
  end if;
  with asked as (
    select i.tenant_uid, i.run_uid, sum(i.tokens) as tokens, sum(i.usd_micros) as usd_micros, count(*) as steps,
           -- a metered step that asks for nothing passes no limit
           bool_or(i.tokens = 0 and coalesce(i.meters_tokens, true)) as is_tokens_open,
           bool_or(i.usd_micros = 0 and coalesce(i.meters_usd_micros, true)) as is_usd_open,
           bool_or(i.is_alone) as is_alone, array_agg(i.ord) as ords
      from unnest(p_tenants, p_runs, p_tokens, p_usd_micros, p_meters_tokens, p_meters_usd_micros, p_alone, p_outcomes) with ordinality
        as i (tenant_uid, run_uid, tokens, usd_micros, meters_tokens, meters_usd_micros, is_alone, outcome, ord)
     where i.outcome is null group by i.tenant_uid, i.run_uid),
  fitting as (
    select a.* from asked a
      left join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (a.tenant_uid, a.run_uid)
     where not a.is_alone
       and (b.tokens_limit is null
            or not a.is_tokens_open and b.tokens_used + b.tokens_reserved + a.tokens <= b.tokens_limit)
       and (b.usd_micros_limit is null
            or not a.is_usd_open and b.usd_micros_used + b.usd_micros_reserved + a.usd_micros <= b.usd_micros_limit)),
  wanted as (
    select q.tenant_uid, q.quota_id, q.quota_limit, stepgate.window_start(q.quota_window, now()) as window_start,
           case q.unit when 'tokens' then f.tokens when 'usd_micros' then f.usd_micros else f.steps end as request,
           case q.unit when 'tokens' then f.is_tokens_open when 'usd_micros' then f.is_usd_open else false end as is_open
      from (select x.tenant_uid, sum(x.tokens) as tokens, sum(x.usd_micros) as usd_micros, sum(x.steps) as steps,
                   bool_or(x.is_tokens_open) as is_tokens_open, bool_or(x.is_usd_open) as is_usd_open
              from fitting x group by x.tenant_uid) f
      join stepgate.quotas q on q.tenant_uid = f.tenant_uid and q.unit <> 'runs'),
  crowded as (
    select w.tenant_uid from wanted w
      join stepgate.quota_usage a on (a.tenant_uid, a.quota_id, a.window_start) = (w.tenant_uid, w.quota_id, w.window_start)
     where w.is_open or a.used + a.reserved + w.request > w.quota_limit),
  granted as (select f.* from fitting f where f.tenant_uid not in (select c.tenant_uid from crowded c)),
  held as (
    update stepgate.budgets b
       set tokens_reserved = b.tokens_reserved + g.tokens, usd_micros_reserved = b.usd_micros_reserved + g.usd_micros
      from granted g where (b.tenant_uid, b.run_uid) = (g.tenant_uid, g.run_uid)),
  counted as (
    -- the row may have been made under another limit, while that was being changed
    update stepgate.quota_usage a set reserved = a.reserved + w.request, quota_limit = w.quota_limit
      from wanted w
     where (a.tenant_uid, a.quota_id, a.window_start) = (w.tenant_uid, w.quota_id, w.window_start)
       and w.tenant_uid not in (select c.tenant_uid from crowded c))
  select array(select o::integer from granted g, unnest(g.ords) o) into v_granted;
  return array(select case when n = any (v_granted) then 'started' else p_outcomes[n] end
                 from generate_subscripts(p_outcomes, 1) n order by n);
end $$;

-- As reserve_together, for tenants without quotas. A batch of one run, as most are, holds what it asks for by the row's key.
create or replace function stepgate.reserve_budgets(p_tenants uuid[], p_runs uuid[], p_tokens bigint[], p_usd_micros bigint[],
  p_meters_tokens boolean[], p_meters_usd_micros boolean[], p_alone boolean[], p_outcomes text[]) returns text[] language plpgsql as $$
declare
  v_outcomes text[] := p_outcomes;
  v_n integer;
  v_tokens bigint := 0;
  v_usd_micros bigint := 0;
  v_is_tokens_open boolean := false;
  v_is_usd_open boolean := false;
begin
  if p_runs[1] = all (p_runs) and p_tenants[1] = all (p_tenants) and array_remove(p_outcomes, null) = '{}' and not true = any (p_alone) then
    for v_n in 1 .. cardinality(p_outcomes) loop
      v_tokens := v_tokens + p_tokens[v_n];
      v_usd_micros := v_usd_micros + p_usd_micros[v_n];
      -- a metered step that asks for nothing passes no limit
      v_is_tokens_open := v_is_tokens_open or p_tokens[v_n] = 0 and coalesce(p_meters_tokens[v_n], true);
      v_is_usd_open := v_is_usd_open or p_usd_micros[v_n] = 0 and coalesce(p_meters_usd_micros[v_n], true);
    end loop;
    update stepgate.budgets b
       set tokens_reserved = b.tokens_reserved + v_tokens, usd_micros_reserved = b.usd_micros_reserved + v_usd_micros
     where (b.tenant_uid, b.run_uid) = (p_tenants[1], p_runs[1])
       and (b.tokens_limit is null or not v_is_tokens_open and b.tokens_used + b.tokens_reserved + v_tokens <= b.tokens_limit)
       and (b.usd_micros_limit is null
            or not v_is_usd_open and b.usd_micros_used + b.usd_micros_reserved + v_usd_micros <= b.usd_micros_limit);
    return case when found then array_fill('started'::text, array[cardinality(p_outcomes)]) else p_outcomes end;
  end if;
  for v_n in
    with asked as (
      select p_tenants[n] as tenant_uid, p_runs[n] as run_uid, sum(p_tokens[n]) as tokens, sum(p_usd_micros[n]) as usd_micros,
             -- a metered step that asks for nothing passes no limit
             bool_or(p_tokens[n] = 0 and coalesce(p_meters_tokens[n], true)) as is_tokens_open,
             bool_or(p_usd_micros[n] = 0 and coalesce(p_meters_usd_micros[n], true)) as is_usd_open,
             bool_or(p_alone[n]) as is_alone, array_agg(n) as items
        from generate_subscripts(p_outcomes, 1) n where p_outcomes[n] is null group by 1, 2),
    held as (
      update stepgate.budgets b
         set tokens_reserved = b.tokens_reserved + a.tokens, usd_micros_reserved = b.usd_micros_reserved + a.usd_micros
        from asked a
       where (b.tenant_uid, b.run_uid) = (a.tenant_uid, a.run_uid) and not a.is_alone
         and (b.tokens_limit is null
              or not a.is_tokens_open and b.tokens_used + b.tokens_reserved + a.tokens <= b.tokens_limit)
         and (b.usd_micros_limit is null
              or not a.is_usd_open and b.usd_micros_used + b.usd_micros_reserved + a.usd_micros <= b.usd_micros_limit)
      returning a.items)
    select unnest(x.items) from held x
    union all
    -- a run without a budget is unlimited
    select unnest(a.items) from asked a
     where not a.is_alone and not exists (
       select 1 from stepgate.budgets b where (b.tenant_uid, b.run_uid) = (a.tenant_uid, a.run_uid))
  loop
    v_outcomes[v_n] := 'started';
  end loop;
  return v_outcomes;
end $$;

-- Gives back what ended attempts had reserved and charges what they used, as far as they did (functions/settle.sql): run
-- by run in one statement, and one by one, in the order given, where a step used more than it had reserved, since then the
-- overrun on the way counts too. False where there is nothing that holds any.
create or replace function stepgate.reconcile_together(p_tenants uuid[], p_runs uuid[], p_reserved_at timestamptz[], p_reserved_tokens bigint[],
  p_reserved_usd_micros bigint[], p_actual_tokens bigint[], p_actual_usd_micros bigint[], p_has_budgets boolean, p_has_quotas boolean)
returns boolean language plpgsql as $$
begin
  if not p_has_budgets and not p_has_quotas then
    return false;
  end if;
  for v_n in 1 .. cardinality(p_runs) loop
    if p_actual_tokens[v_n] > p_reserved_tokens[v_n] or p_actual_usd_micros[v_n] > p_reserved_usd_micros[v_n] then
      for v_i in 1 .. cardinality(p_runs) loop
        perform stepgate.reconcile(p_tenants[v_i], p_runs[v_i], p_reserved_at[v_i], p_reserved_tokens[v_i], p_reserved_usd_micros[v_i],
                                   p_actual_tokens[v_i], p_actual_usd_micros[v_i]);
      end loop;
      return true;
    end if;
  end loop;
  if p_has_budgets then
    update stepgate.budgets b
       set tokens_reserved = b.tokens_reserved - x.tokens, tokens_used = b.tokens_used + x.actual_tokens,
           usd_micros_reserved = b.usd_micros_reserved - x.usd_micros, usd_micros_used = b.usd_micros_used + x.actual_usd_micros
      from (select p_tenants[n] as tenant_uid, p_runs[n] as run_uid, sum(p_reserved_tokens[n]) as tokens,
                   sum(p_reserved_usd_micros[n]) as usd_micros, sum(p_actual_tokens[n]) as actual_tokens,
                   sum(p_actual_usd_micros[n]) as actual_usd_micros
              from generate_subscripts(p_runs, 1) n group by 1, 2) x
     where (b.tenant_uid, b.run_uid) = (x.tenant_uid, x.run_uid);
  end if;
  if not p_has_quotas then
    return true;
  end if;
  update stepgate.quota_usage a
     set reserved = greatest(a.reserved - x.reserved, 0), used = a.used + x.actual,
         overrun = greatest(a.overrun, a.used + x.actual + greatest(a.reserved - x.reserved, 0) - a.quota_limit)
    from (select q.tenant_uid, q.quota_id, stepgate.window_start(q.quota_window, u.reserved_at) as window_start,
                 sum(case q.unit when 'tokens' then u.tokens when 'usd_micros' then u.usd_micros else 1 end) as reserved,
                 sum(case q.unit when 'tokens' then u.actual_tokens when 'usd_micros' then u.actual_usd_micros else 0 end) as actual
            from unnest(p_tenants, p_reserved_at, p_reserved_tokens, p_reserved_usd_micros, p_actual_tokens, p_actual_usd_micros)
              as u (tenant_uid, reserved_at, tokens, usd_micros, actual_tokens, actual_usd_micros)
            join stepgate.quotas q on q.tenant_uid = u.tenant_uid and q.unit <> 'runs' and q.holds_since <= u.reserved_at
           group by 1, 2, 3) x
   where (a.tenant_uid, a.quota_id, a.window_start) = (x.tenant_uid, x.quota_id, x.window_start);
  return true;
end $$;
