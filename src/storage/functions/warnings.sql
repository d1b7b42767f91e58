-- A warning in the log when what was used of a budget or of a quota's window passes the tenant's warn ratio (spec 03). What is
-- used only grows, so it passes once; the event is written in the transaction that charges.

create or replace function stepgate.warn_at(p_tenant uuid, p_limit bigint) returns numeric language sql stable as $$
  select p_limit::numeric * coalesce((t.settings ->> 'warn_ratio_ppm')::integer, 800000) / 1000000
    from stepgate.tenants t where t.tenant_uid = p_tenant
$$;

-- Warns of what ended attempts used, given as columns, after it was charged (functions/settle.sql): of their runs' budgets,
-- and of their tenant's quotas in the log of the last run that charged them. The heads are locked. True where any was written.
create or replace function stepgate.warn_of_budgets(p_tenants uuid[], p_runs uuid[], p_reserved_at timestamptz[], p_tokens bigint[],
  p_usd_micros bigint[]) returns boolean language plpgsql as $$
begin
  if not (0 < any (p_tokens) or 0 < any (p_usd_micros)) then
    return false;
  end if;
  with ended as (
    select * from unnest(p_tenants, p_runs, p_reserved_at, p_tokens, p_usd_micros) with ordinality
      as x (tenant_uid, run_uid, reserved_at, tokens, usd_micros, ord)),
  of_runs as (
    select b.tenant_uid, b.run_uid, 0 as part,
           jsonb_build_object('of', 'run', 'unit', u.unit, 'limit', u.most, 'used', u.used, 'reserved', u.reserved) as data
      from (select e.tenant_uid, e.run_uid, sum(e.tokens) as tokens, sum(e.usd_micros) as usd_micros from ended e group by 1, 2) x
      join stepgate.budgets b on (b.tenant_uid, b.run_uid) = (x.tenant_uid, x.run_uid),
           lateral (values ('tokens', b.tokens_limit, b.tokens_used, b.tokens_reserved, x.tokens),
                           ('usd_micros', b.usd_micros_limit, b.usd_micros_used, b.usd_micros_reserved, x.usd_micros))
             as u (unit, most, used, reserved, charged)
     where u.charged > 0 and u.used >= stepgate.warn_at(b.tenant_uid, u.most)
       and u.used - u.charged < stepgate.warn_at(b.tenant_uid, u.most)),
  of_quotas as (
    select a.tenant_uid, x.run_uid, 1 as part,
           jsonb_strip_nulls(jsonb_build_object('of', 'quota', 'quota', a.quota_id, 'unit', x.unit, 'window', x.quota_window,
             'limit', a.quota_limit, 'used', a.used, 'reserved', a.reserved,
             'resets_at_ms', stepgate.epoch_ms(stepgate.window_end(x.quota_window, x.reserved_at)))) as data
      from (select q.tenant_uid, q.quota_id, q.unit, q.quota_window, stepgate.window_start(q.quota_window, e.reserved_at) as window_start,
                   min(e.reserved_at) as reserved_at, (array_agg(e.run_uid order by e.ord desc))[1] as run_uid,
                   sum(case q.unit when 'tokens' then e.tokens else e.usd_micros end) as charged
              from ended e
              join stepgate.quotas q on q.tenant_uid = e.tenant_uid and q.unit in ('tokens', 'usd_micros') and q.holds_since <= e.reserved_at
             group by 1, 2, 3, 4, 5) x
      join stepgate.quota_usage a on (a.tenant_uid, a.quota_id, a.window_start) = (x.tenant_uid, x.quota_id, x.window_start)
     where x.charged > 0 and a.used >= stepgate.warn_at(a.tenant_uid, a.quota_limit)
       and a.used - x.charged < stepgate.warn_at(a.tenant_uid, a.quota_limit)),
  written as (
    insert into stepgate.run_events (tenant_uid, run_uid, seq, type, data)
    select w.tenant_uid, w.run_uid,
           h.head_seq + row_number() over (partition by w.tenant_uid, w.run_uid order by w.part, w.data ->> 'quota', w.data ->> 'unit'),
           'budget_warning', w.data
      from (select * from of_runs union all select * from of_quotas) w
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (w.tenant_uid, w.run_uid)
    returning tenant_uid, run_uid, seq)
  update stepgate.run_heads h set head_seq = w.seq
    from (select tenant_uid, run_uid, max(seq) as seq from written group by 1, 2) w
   where (h.tenant_uid, h.run_uid) = (w.tenant_uid, w.run_uid);
  return found;
end $$;
