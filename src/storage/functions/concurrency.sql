-- Limits per concurrency key, set per tenant and key (spec 02). What runs now is counted, never kept in a counter: the end
-- of an attempt, its loss too, takes the row out of `running`, so that nothing has to be given back and nothing can leak.

-- Most steps of this key that may run at once; null where the tenant set none.
create or replace function stepgate.concurrency_limit(p_tenant uuid, p_key text) returns bigint language sql stable as $$
  select (t.settings -> 'concurrency_limits' ->> p_key)::bigint from stepgate.tenants t where t.tenant_uid = p_tenant
$$;

-- Takes places for what nothing stands against (outcome null), in the order of the columns; what finds none waits. The key
-- stands in what step_started will say. Admissions that share a limited key go one after another, over all workers: two that
-- counted at the same time would both see the last place. Keys are locked in one order, after the rows of the queue.
create or replace function stepgate.take_concurrency_keys(p_tenants uuid[], p_runs uuid[], p_steps text[], p_keys text[],
  p_outcomes text[], out outcomes text[], out details jsonb[]) language plpgsql as $$
declare
  k record;
  v_n integer;
  v_used bigint;
begin
  outcomes := p_outcomes;
  details := array_fill(null::jsonb, array[cardinality(p_steps)]);
  for k in
    select i.tenant_uid, i.key as name, array_agg(i.ord::integer order by i.ord) as items,
           stepgate.concurrency_limit(i.tenant_uid, i.key) as most
      from unnest(p_tenants, p_keys, p_outcomes) with ordinality as i (tenant_uid, key, outcome, ord)
     where i.outcome is null and i.key is not null group by 1, 2 order by 1, 2
  loop
    continue when k.most is null;
    perform pg_advisory_xact_lock(hashtextextended(k.tenant_uid || k.name, 0));
    select count(*) into v_used from stepgate.ready_steps r
     where r.tenant_uid = k.tenant_uid and r.concurrency_key = k.name and r.state = 'running';
    foreach v_n in array k.items loop
      if v_used >= k.most then
        outcomes[v_n] := 'concurrency_wait';
        details[v_n] := jsonb_build_object('concurrency_key', k.name, 'limit', k.most, 'used', v_used, 'requested', 1);
      else
        v_used := v_used + 1;
        update stepgate.ready_steps set concurrency_key = k.name
         where (tenant_uid, run_uid, step_id) = (p_tenants[v_n], p_runs[v_n], p_steps[v_n]);
      end if;
    end loop;
  end loop;
end $$;
