/**
 * Statements about bills: what was billed per day, beside what the ledger of the same days adds up to.
 */

/** Days (UTC) of tenant $1 from $2 to before $3 that either side knows. What was refused or only scheduled is no attempt. */
export const RECOMPUTE_BILLING = `
  with ledger as (
    select (l.at at time zone 'UTC')::date as day,
           count(*) filter (where l.kind not in ('refused', 'compensation_scheduled')) as attempts,
           sum(l.actual_tokens)::bigint as tokens, sum(l.actual_usd_micros)::bigint as usd_micros
      from stepgate.cost_ledger l
     where l.tenant_uid = $1 and l.at >= $2::date::timestamp at time zone 'UTC' and l.at < $3::date::timestamp at time zone 'UTC'
     group by 1),
  billed as (
    select b.day, b.attempts, b.tokens, b.usd_micros from stepgate.billing_usage b
     where b.tenant_uid = $1 and b.day >= $2::date and b.day < $3::date)
  select to_char(day, 'YYYY-MM-DD') as day,
         coalesce(b.attempts, 0) as billed_attempts, coalesce(b.tokens, 0) as billed_tokens,
         coalesce(b.usd_micros, 0) as billed_usd_micros,
         coalesce(l.attempts, 0) as ledger_attempts, coalesce(l.tokens, 0) as ledger_tokens,
         coalesce(l.usd_micros, 0) as ledger_usd_micros
    from billed b full join ledger l using (day)
   where coalesce(b.attempts, b.tokens, b.usd_micros, 0) <> 0 or coalesce(l.attempts, 0) <> 0
   order by day`;

/** The day after the last on which a run of tenant $1 ended that has gone since, and its ledger with it. */
export const READ_WHOLE_FROM = `
  select to_char((last_ended_at at time zone 'UTC')::date + 1, 'YYYY-MM-DD') as day from stepgate.retired_history
   where tenant_uid = $1`;
