-- Reserving in quotas and run budgets, and giving back what was not used. Rows are locked by lock_batch.

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

-- Reserves in every quota of the tenant, or says which one does not allow it. Rows are locked by lock_batch.
-- Result: null (granted) or {quota, unit, limit, used, reserved, requested, resets_at_ms, waits}.
create or replace function stepgate.reserve_quotas(p_tenant uuid, p_tokens bigint, p_usd_micros bigint) returns jsonb
language plpgsql as $$
declare
  q record;
  v_request bigint;
begin
  for q in
    select n.quota_id, n.unit, n.quota_window, n.quota_limit, a.used, a.reserved, a.window_start
      from stepgate.quotas n
      join stepgate.quota_usage a on a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
       and a.window_start = stepgate.window_start(n.quota_window, now())
     where n.tenant_uid = p_tenant and n.unit <> 'runs' order by n.quota_id
  loop
    v_request := case q.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end;
    if v_request > 0 and q.used + q.reserved + v_request > q.quota_limit then
      return jsonb_build_object('quota', q.quota_id, 'unit', q.unit, 'limit', q.quota_limit, 'used', q.used,
        'reserved', q.reserved, 'requested', v_request,
        'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())),
        -- short windows and what runs at the same time are waited for, unless the request never fits (spec 02)
        'waits', v_request <= q.quota_limit and (q.quota_window = 'minute' or q.unit = 'concurrent_steps'));
    end if;
  end loop;
  -- the row may have been made under another limit, while that was being changed
  update stepgate.quota_usage a
     set reserved = a.reserved + x.request, quota_limit = n.quota_limit,
         overrun = greatest(a.overrun, a.used + a.reserved + x.request - n.quota_limit)
    from stepgate.quotas n,
         lateral (select case n.unit when 'tokens' then p_tokens when 'usd_micros' then p_usd_micros else 1 end) as x (request)
   where n.tenant_uid = p_tenant and n.unit <> 'runs' and a.tenant_uid = n.tenant_uid and a.quota_id = n.quota_id
     and a.window_start = stepgate.window_start(n.quota_window, now());
  return null;
end $$;

create or replace function stepgate.is_over(p_held bigint, p_request bigint, p_limit bigint, p_may_overdraw boolean, p_is_metered boolean)
returns boolean language sql immutable parallel safe as $$
  select case when p_request > 0 then not p_may_overdraw and p_held + p_request > p_limit
              else p_is_metered and p_held >= p_limit end
$$;

-- Reserves in the run's budget. A compensation may overdraw it by its own declared hint, shown as overrun (spec 02). A
-- metered step that asks for nothing may still spend: on a full budget it is denied, a compensation too (spec 03).
-- Result: null (granted or untracked) or {which, limit, used, reserved, requested}.
create or replace function stepgate.reserve_budget(p_tenant uuid, p_run uuid, p_tokens bigint, p_usd_micros bigint, p_may_overdraw boolean,
  p_is_metered boolean) returns jsonb language plpgsql as $$
declare
  b stepgate.budgets;
begin
  select * into b from stepgate.budgets where tenant_uid = p_tenant and run_uid = p_run;
  if not found then
    return null;
  end if;
  if b.tokens_limit is not null and
     stepgate.is_over(b.tokens_used + b.tokens_reserved, p_tokens, b.tokens_limit, p_may_overdraw, p_is_metered) then
    return jsonb_build_object('which', 'tokens', 'limit', b.tokens_limit, 'used', b.tokens_used,
      'reserved', b.tokens_reserved, 'requested', p_tokens);
  end if;
  if b.usd_micros_limit is not null and
     stepgate.is_over(b.usd_micros_used + b.usd_micros_reserved, p_usd_micros, b.usd_micros_limit, p_may_overdraw, p_is_metered) then
    return jsonb_build_object('which', 'usd_micros', 'limit', b.usd_micros_limit, 'used', b.usd_micros_used,
      'reserved', b.usd_micros_reserved, 'requested', p_usd_micros);
  end if;
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

create or replace function stepgate.unreserve_budget(p_tenant uuid, p_run uuid, p_tokens bigint, p_usd_micros bigint) returns void
language sql as $$
  update stepgate.budgets set tokens_reserved = tokens_reserved - p_tokens, usd_micros_reserved = usd_micros_reserved - p_usd_micros
   where tenant_uid = p_tenant and run_uid = p_run
$$;
