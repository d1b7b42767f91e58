/**
 * Statements about the instance's own keys (evidence/ports.ts). Instance-wide by nature: they belong to no tenant, or are
 * read for one tenant at a time.
 */

/** One process at a time inside the first start; the lock ends with its session. */
export const LOCK_FIRST_START = `select pg_advisory_lock(7302146011)`;
export const UNLOCK_FIRST_START = `select pg_advisory_unlock(7302146011)`;

export const READ_INSTANCE_CHECK = `select instance_uid, proof from stepgate.instance_check`;
export const INSERT_INSTANCE_CHECK = `insert into stepgate.instance_check (instance_uid, proof) values ($1, $2) on conflict do nothing`;

const KEY_COLUMNS = `key_id, tenant_uid, purpose, alg, state, public_jwk, wrapped`;

export const LIST_INSTANCE_KEYS = `select ${KEY_COLUMNS} from stepgate.keys where tenant_uid is null order by created_at, key_id`;
export const LIST_TENANT_KEYS = `select ${KEY_COLUMNS} from stepgate.keys where tenant_uid = $1 order by created_at, key_id`;

export const INSERT_KEY = `
  insert into stepgate.keys (key_id, tenant_uid, purpose, alg, state, public_jwk, wrapped)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`;

export const READ_ACTIVE_KEY = `
  select ${KEY_COLUMNS} from stepgate.keys
   where tenant_uid is not distinct from $1 and purpose = $2 and state = 'active'`;

export const READ_TRUST_BUNDLE = `select version, envelope from stepgate.trust_bundles order by version desc limit 1`;
export const INSERT_TRUST_BUNDLE = `insert into stepgate.trust_bundles (version, envelope) values ($1, $2) on conflict do nothing`;
