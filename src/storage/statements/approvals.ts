/**
 * Statements about approvals. Every one holds an equality on tenant_uid, but for the reaper's.
 */

const APPROVAL_COLUMNS = `
  a.approval_id, a.tenant_uid, a.run_uid, r.run_id, a.step_id, s.type as step_type, a.state, a.role, a.hold_record,
  a.shown_digest, a.shown_blob, a.lease_epoch, r.caller_key_id, r.caller_owner, a.approval_record, a.decided_by,
  a.decided_owner, a.reason_blob, stepgate.epoch_ms(a.created_at) as created_at_ms,
  stepgate.epoch_ms(a.expires_at) as expires_at_ms, stepgate.epoch_ms(a.decided_at) as decided_at_ms,
  stepgate.epoch_ms(clock_timestamp()) as now_ms`;

const APPROVAL_TABLES = `
    from stepgate.approvals a
    join stepgate.runs r on (r.tenant_uid, r.run_uid) = (a.tenant_uid, a.run_uid)
    join stepgate.steps s on (s.tenant_uid, s.run_uid, s.step_id) = (a.tenant_uid, a.run_uid, a.step_id)`;

export const READ_APPROVAL = `
  select ${APPROVAL_COLUMNS}, false as is_spent ${APPROVAL_TABLES}
   where a.tenant_uid = $1 and a.approval_id = $2`;

/** Newest first (ids are ordered by time), before id $5; state $2, run by uid $3 or chosen id $4, or all. */
export const LIST_APPROVALS = `
  select ${APPROVAL_COLUMNS}, false as is_spent ${APPROVAL_TABLES}
   where a.tenant_uid = $1 and ($2::text is null or a.state = $2) and ($3::uuid is null or a.run_uid = $3)
     and ($4::text is null or r.run_id = $4) and ($5::uuid is null or a.approval_id < $5)
   order by a.approval_id desc limit $6`;

/** Rows of a step that say approved; spent where an admission of the step names the record, whatever the row says. */
export const READ_GRANTED = `
  select ${APPROVAL_COLUMNS},
         exists (select 1 from stepgate.records k
                  where k.tenant_uid = a.tenant_uid and k.run_uid = a.run_uid and k.window_uid = a.run_uid and k.step_id = a.step_id
                    and k.kind = 'admission'
                    and strpos(k.statement, '"approval_record":"' || a.approval_record || '"') > 0) as is_spent
         ${APPROVAL_TABLES}
   where a.tenant_uid = $1 and a.run_uid = $2 and a.step_id = $3 and a.state = 'approved' order by a.approval_id`;

/** Every key of owner $1 that reaches tenant $2: one person with two keys is one approver. Asked in the instance's scope. */
export const READ_KEYS_OF_OWNER = `
  select key_id from stepgate.api_keys where owner = $1 and (tenant_uid = $2 or tenant_uid is null)`;

/** Ends approval $2 of tenant $1 with $3 (jsonb), signed batches $4 (jsonb); one transaction with the step's move. */
export const END_APPROVAL = `select stepgate.end_approval($1, $2, $3, $4) as outcome`;

/** Open approvals whose time is up. Instance-wide: any process may end them. */
export const FIND_DUE_APPROVALS = `
  select tenant_uid, approval_id from stepgate.approvals
   where state = 'open' and expires_at <= clock_timestamp() order by expires_at limit $1`;

export const DISCARD_APPROVAL = `
  update stepgate.approvals set state = 'void' where tenant_uid = $1 and approval_id = $2 and state = 'open'`;
