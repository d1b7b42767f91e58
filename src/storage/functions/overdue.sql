-- Steps whose time is up while nobody holds them, and perhaps nobody ever would: their tenant or type is paused, no worker
-- serves them, or they wait for a quota.

-- Leases up to p_limit queued steps that are past their deadline or their run's time limit to a worker, whatever their types:
-- it refuses them, and never performs one. In a paused run deadlines stand still; a cancelled one ends by itself.
create or replace function stepgate.lease_overdue(p_worker text, p_limit integer) returns setof stepgate.leased_step
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  if not stepgate.is_live(p_worker) then
    raise exception 'the lease of this worker has lapsed' using errcode = 'SG002';
  end if;
  return query with overdue as (
    select s.tenant_uid, s.run_uid, s.step_id from stepgate.steps s where s.status = 'queued' and s.deadline_at <= v_now
    union all
    select s.tenant_uid, s.run_uid, s.step_id from stepgate.run_heads h
      join stepgate.steps s on (s.tenant_uid, s.run_uid) = (h.tenant_uid, h.run_uid)
     where h.status in ('pending', 'running') and h.time_limit_at <= v_now and s.status = 'queued' and not s.is_target),
  free as (
    select r.tenant_uid, r.run_uid, r.step_id from overdue o
      join stepgate.ready_steps r on (r.tenant_uid, r.run_uid, r.step_id) = (o.tenant_uid, o.run_uid, o.step_id)
      join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (o.tenant_uid, o.run_uid)
     -- queued, in words that no plan takes for those of the queue's own index, which knows no key
     where r.state not in ('leased', 'running') and h.status in ('pending', 'running', 'compensating')
     limit p_limit for update of r skip locked),
  leased as (
    update stepgate.ready_steps r
       set state = 'leased', lease_owner = p_worker, lease_epoch = nextval('stepgate.lease_epochs')
      from free f where (r.tenant_uid, r.run_uid, r.step_id) = (f.tenant_uid, f.run_uid, f.step_id)
    returning r.*)
  select d.* from leased l cross join lateral stepgate.describe_leased(
    l.tenant_uid, l.run_uid, l.step_id, l.type, l.lease_epoch, l.attempts_made, l.is_alone, l.ready_at, stepgate.epoch_ms(v_now)) d;
end $$;
