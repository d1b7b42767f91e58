/**
 * Statements that read the audit chain; it is written by `append_audit` in the transaction that acts.
 */

/** Rows of tenant $1 after seq $2, in order, at most $3. */
export const LIST_AUDIT = `
  select seq, actor, action, resource, stepgate.epoch_ms(at) as at_ms, encode(prev_hash, 'hex') as prev_hash,
         encode(hash, 'hex') as hash
    from stepgate.audit_log where tenant_uid = $1 and seq > $2 order by seq limit $3`;

export const READ_AUDIT_HEAD = `
  select seq, encode(hash, 'hex') as hash from stepgate.audit_heads where tenant_uid = $1`;
