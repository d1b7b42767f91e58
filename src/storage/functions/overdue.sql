-- Steps whose time is up while nobody holds them, and perhaps nobody ever would: their tenant or type is paused, no worker
-- serves them, they wait for a quota, or for others of their run.

-- Steps that are not held, or run, past their deadline or their run's time limit; those of paused runs stand apart, however
-- many there are.
create or replace function stepgate.overdue_steps(p_now timestamptz)
returns table (tenant_uid uuid, run_uid uuid, step_id text) language sql stable as $$
  select s.tenant_uid, s.run_uid, s.step_id from stepgate.steps s where s.status = 'queued' and not s.is_stopped and s.deadline_at <= p_now
  union all
  select s.tenant_uid, s.run_uid, s.step_id from stepgate.run_heads h
    join stepgate.steps s on (s.tenant_uid, s.run_uid) = (h.tenant_uid, h.run_uid)
   where h.status in ('pending', 'running') and h.time_limit_at <= p_now and s.status = 'queued' and not s.is_target
$$;

-- Gives up to p_limit overdue steps that wait behind max_parallel a row in the queue, beyond that number: they are only
-- refused. Of a run that somebody else moves just now the next look does so; nothing is waited for, whatever is locked. It goes
-- from what is overdue to its runs: a join may be planned the other way round, and then reads every open run.
create or replace function stepgate.place_overdue(p_limit integer, p_now timestamptz) returns void language plpgsql as $$
declare
  h stepgate.run_heads;
  v_left integer := p_limit;
  v_rows integer;
begin
  for h in
    select x.* from (
        select distinct u.tenant_uid, u.run_uid from stepgate.overdue_steps(p_now) o
         cross join lateral (
           select k.tenant_uid, k.run_uid from stepgate.run_heads k
            where (k.tenant_uid, k.run_uid) = (o.tenant_uid, o.run_uid)
              and k.unplaced_steps > 0 and k.status in ('pending', 'running', 'compensating') limit 1) u
         where not exists (select 1 from stepgate.ready_steps r
                            where (r.tenant_uid, r.run_uid, r.step_id) = (o.tenant_uid, o.run_uid, o.step_id))
         limit p_limit) l
     cross join lateral (
       select k.* from stepgate.run_heads k
        where (k.tenant_uid, k.run_uid) = (l.tenant_uid, l.run_uid)
          and k.unplaced_steps > 0 and k.status in ('pending', 'running', 'compensating') for update skip locked) x
  loop
    v_rows := h.ready_rows;
    h := stepgate.place_next(h, v_left, null, p_now);
    v_left := v_left - (h.ready_rows - v_rows);
    perform stepgate.save_head(h);
  end loop;
end $$;

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
  perform stepgate.place_overdue(p_limit, v_now);
  return query with free as (
    select r.tenant_uid, r.run_uid, r.step_id from stepgate.overdue_steps(v_now) o
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
