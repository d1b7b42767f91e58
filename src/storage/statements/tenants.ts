/**
 * Statements about tenants, keys, tools and settings: rare, made by people with authority, audited in their transaction.
 */

/** The tenant of name $1. Instance-wide: it is how a name becomes a uid. */
export const FIND_TENANT = `select tenant_uid, tenant_id, authority_version from stepgate.tenants where tenant_id = any($1::text[])`;

const TENANT_COLUMNS = `
  t.tenant_uid, t.tenant_id, t.authority_version, t.weight, t.is_paused, t.settings, stepgate.epoch_ms(t.created_at) as created_at_ms,
  coalesce((select jsonb_agg(jsonb_build_object('id', q.quota_id, 'unit', q.unit, 'window', q.quota_window, 'limit', q.quota_limit) order by q.quota_id)
              from stepgate.quotas q where q.tenant_uid = t.tenant_uid), '[]') as quotas`;

/** Instance-wide with $1 null (platform keys), else one tenant; by name after $2. */
export const LIST_TENANTS = `
  select t.tenant_uid from stepgate.tenants t
   where ($1::uuid is null or t.tenant_uid = $1) and ($2::text is null or t.tenant_id > $2) order by t.tenant_id limit $3`;

/** In the tenant's own scope: nobody else sees its quotas, the instance neither. */
export const READ_TENANT = `select ${TENANT_COLUMNS} from stepgate.tenants t where t.tenant_uid = $1`;

/** Everything a decision of tenant $1 rests on, in one read. */
export const READ_AUTHORITY = `
  select t.tenant_uid, t.tenant_id, t.authority_version, t.settings,
         coalesce((select jsonb_object_agg(e.type, e.settings) from stepgate.executor_settings e where e.tenant_uid = t.tenant_uid), '{}') as executor_settings,
         array(select s.name from stepgate.sinks s where s.tenant_uid = t.tenant_uid order by s.name) as sinks
    from stepgate.tenants t where t.tenant_uid = $1`;

/** Makes tenant $2 with uid $1 unless it is there; returns the uid that stands. */
export const UPSERT_TENANT = `
  insert into stepgate.tenants as t (tenant_uid, tenant_id, weight, is_paused, settings) values ($1, $2, $3, $4, $5)
  on conflict (tenant_id) do update
    set weight = excluded.weight, is_paused = excluded.is_paused, settings = excluded.settings, authority_version = t.authority_version + 1
  returning tenant_uid, authority_version, xmax = 0 as is_new`;

/** The tenant of a first start; one that is there already stays as it is. Instance-wide: looked up by name. */
export const ENSURE_TENANT = `
  insert into stepgate.tenants (tenant_uid, tenant_id, settings) values ($1, $2, $3) on conflict (tenant_id) do nothing`;

/** Until the transaction ends no admission of tenant $1 looks at its quotas, and those under way have committed. */
export const LOCK_QUOTAS = `select pg_advisory_xact_lock(21320, uuid_hash($1::uuid))`;

/** All quotas but those that stay what they are: id $2, unit $3 and window $4 stand in arrays of equal length. */
export const DELETE_QUOTAS = `
  delete from stepgate.quotas q where q.tenant_uid = $1
     and (q.quota_id, q.unit, q.quota_window) not in (select * from unnest($2::text[], $3::text[], $4::text[]))`;

/** What was counted in quotas that are gone or mean something else now: what still runs gives nothing back to these rows. */
export const DELETE_LEFT_USAGE = `
  delete from stepgate.quota_usage a where a.tenant_uid = $1
     and not exists (select 1 from stepgate.quotas q where q.tenant_uid = a.tenant_uid and q.quota_id = a.quota_id)`;

export const UPSERT_QUOTA = `
  insert into stepgate.quotas (tenant_uid, quota_id, unit, quota_window, quota_limit) values ($1, $2, $3, $4, $5)
  on conflict (tenant_uid, quota_id) do update set quota_limit = excluded.quota_limit`;

/** A lowered limit does not undo what was granted: what stands above it is shown as overrun. */
export const ALIGN_QUOTA_USAGE = `
  update stepgate.quota_usage set quota_limit = $3, overrun = greatest(overrun, used + reserved - $3)
   where tenant_uid = $1 and quota_id = $2`;

export const BUMP_AUTHORITY = `
  update stepgate.tenants set authority_version = authority_version + 1 where tenant_uid = $1 returning authority_version`;

/** From the instance's scope into that of tenant $1, until the transaction ends. */
export const ENTER_TENANT = `select set_config('stepgate.tenant_uid', $1, true)`;

export const APPEND_AUDIT = `select stepgate.append_audit($1, $2, $3, $4)`;

/** Whole limits of the tenant's quotas, for requests that could never be admitted. */
export const READ_CEILINGS = `
  select quota_id, unit, quota_limit from stepgate.quotas where tenant_uid = $1 and unit in ('tokens', 'usd_micros')`;

/** Quotas with what is used of their present windows. */
export const READ_QUOTA_USAGE = `
  select q.quota_id, q.unit, q.quota_window, q.quota_limit, coalesce(a.used, 0) as used, coalesce(a.reserved, 0) as reserved,
         coalesce(a.overrun, 0) as overrun, stepgate.epoch_ms(stepgate.window_end(q.quota_window, now())) as resets_at_ms,
         q.unit <> 'concurrent_steps' and coalesce(a.used, 0) >= stepgate.warn_at(q.tenant_uid, q.quota_limit) as is_warned
    from stepgate.quotas q
    left join stepgate.quota_usage a on a.tenant_uid = q.tenant_uid and a.quota_id = q.quota_id
     and a.window_start = stepgate.window_start(q.quota_window, now())
   where q.tenant_uid = $1 order by q.quota_id`;

/** Budgets of runs that have not ended, by run uid after $2. */
export const READ_RUN_BUDGETS = `
  select b.*, coalesce(b.tokens_used >= stepgate.warn_at(b.tenant_uid, b.tokens_limit), false)
           or coalesce(b.usd_micros_used >= stepgate.warn_at(b.tenant_uid, b.usd_micros_limit), false) as is_warned
    from stepgate.budgets b join stepgate.run_heads h on (h.tenant_uid, h.run_uid) = (b.tenant_uid, b.run_uid)
   where b.tenant_uid = $1 and h.status not in ('succeeded', 'failed', 'cancelled') and ($2::uuid is null or b.run_uid > $2)
   order by b.run_uid limit $3`;

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const KEY_COLUMNS = `
  k.key_id, k.tenant_uid, t.tenant_id, t.authority_version, k.owner, k.roles, stepgate.epoch_ms(k.created_at) as created_at_ms,
  stepgate.epoch_ms(k.expires_at) as expires_at_ms, stepgate.epoch_ms(k.revoked_at) as revoked_at_ms,
  stepgate.epoch_ms(k.last_used_at) as last_used_at_ms`;

/** A key that counts now, by its public id. Instance-wide: it is how a credential becomes a tenant. */
export const FIND_API_KEY = `
  select ${KEY_COLUMNS}, k.secret_hash from stepgate.api_keys k left join stepgate.tenants t on t.tenant_uid = k.tenant_uid
   where k.key_id = any($1::text[]) and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`;

/** To the minute: more often would make every request a write. Instance-wide, by the key's own id. */
export const TOUCH_API_KEY = `
  update stepgate.api_keys set last_used_at = now()
   where key_id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`;

/** Keys of tenant $1, and with $2 those of the instance; newest first after (created $3, id $4), both to the millisecond. */
export const LIST_API_KEYS = `
  select ${KEY_COLUMNS} from stepgate.api_keys k left join stepgate.tenants t on t.tenant_uid = k.tenant_uid
   where (k.tenant_uid = $1 or ($2 and k.tenant_uid is null))
     and ($3::bigint is null or (stepgate.epoch_ms(k.created_at), k.key_id) < ($3, $4))
   order by stepgate.epoch_ms(k.created_at) desc, k.key_id desc limit $5`;

export const READ_API_KEY = `
  select ${KEY_COLUMNS} from stepgate.api_keys k left join stepgate.tenants t on t.tenant_uid = k.tenant_uid
   where k.key_id = $1 and (k.tenant_uid = $2 or ($3 and k.tenant_uid is null))`;

export const INSERT_API_KEY = `
  insert into stepgate.api_keys (key_id, tenant_uid, secret_hash, owner, roles, expires_at)
  values ($1, $2, $3, $4, $5, to_timestamp($6::bigint / 1000.0)) on conflict (key_id) do nothing`;

export const REVOKE_API_KEY = `
  update stepgate.api_keys set revoked_at = coalesce(revoked_at, now())
   where key_id = $1 and (tenant_uid = $2 or ($3 and tenant_uid is null))`;

export const HAS_ADMIN_KEY = `select exists (select 1 from stepgate.api_keys where tenant_uid is null and 'admin' = any (roles)) as found`;

// ── tools and executor settings ──────────────────────────────────────────────────────────────────────────────────────

const TOOL_COLUMNS = `name, version, digest, definition, stepgate.epoch_ms(created_at) as created_at_ms`;

export const LIST_TOOLS = `
  select distinct on (name) ${TOOL_COLUMNS} from stepgate.tools
   where tenant_uid = $1 and ($2::text is null or name > $2) order by name, version desc limit $3`;

export const READ_TOOL = `
  select ${TOOL_COLUMNS} from stepgate.tools
   where tenant_uid = $1 and name = $2 and ($3::integer is null or version = $3) order by version desc limit 1`;

/** Without the definitions, which hold schemas of up to 64 KiB each. */
export const READ_TOOL_PINS = `
  select distinct on (name) name, version, digest, definition -> 'defaults' as defaults from stepgate.tools
   where tenant_uid = $1 and name = any ($2) order by name, version desc`;

export const LIST_TOOL_VERSIONS = `
  select version, digest, stepgate.epoch_ms(created_at) as created_at_ms from stepgate.tools
   where tenant_uid = $1 and name = $2 order by version desc limit $3`;

export const INSERT_TOOL = `
  insert into stepgate.tools (tenant_uid, name, version, digest, definition) values ($1, $2, $3, $4, $5)
  on conflict (tenant_uid, name, version) do nothing returning ${TOOL_COLUMNS}`;

export const READ_EXECUTOR_SETTINGS = `select type, settings, version from stepgate.executor_settings where tenant_uid = $1`;

export const UPSERT_EXECUTOR_SETTINGS = `
  insert into stepgate.executor_settings as e (tenant_uid, type, settings) values ($1, $2, $3)
  on conflict (tenant_uid, type) do update set settings = excluded.settings, version = e.version + 1, updated_at = now()`;

// ── repeated writes ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Claims a key for a request: the row that is there wins, unless its claim was never finished and has lapsed. */
export const CLAIM_IDEMPOTENCY_KEY = `
  insert into stepgate.idempotency as i (tenant_uid, idempotency_key, request_digest) values ($1, $2, $3)
  on conflict (tenant_uid, idempotency_key) do update set claimed_at = now(), request_digest = excluded.request_digest
   where i.status is null and i.claimed_at < now() - interval '1 minute'
  returning 1`;

export const READ_IDEMPOTENCY_KEY = `
  select request_digest, status, location, key_id, wrapped_key, sealed from stepgate.idempotency
   where tenant_uid = $1 and idempotency_key = $2`;

export const FINISH_IDEMPOTENCY_KEY = `
  update stepgate.idempotency set status = $3, location = $4, key_id = $5, wrapped_key = $6, sealed = $7
   where tenant_uid = $1 and idempotency_key = $2`;

export const RELEASE_IDEMPOTENCY_KEY = `
  delete from stepgate.idempotency where tenant_uid = $1 and idempotency_key = $2 and status is null`;
