/**
 * Statements about secrets: sealed values that tools are handed. Changes are rare, audited in their transaction.
 */

const SEEN_COLUMNS = `
  name, version, fits_header, stepgate.epoch_ms(created_at) as created_at_ms, stepgate.epoch_ms(updated_at) as updated_at_ms`;

/** Secrets of tenant $1 by name after $2. */
export const LIST_SECRETS = `
  select ${SEEN_COLUMNS} from stepgate.secrets where tenant_uid = $1 and ($2::text is null or name > $2) order by name limit $3`;

/** Of secrets $2 of tenant $1 those that are there. */
export const FIND_SECRETS = `select ${SEEN_COLUMNS} from stepgate.secrets where tenant_uid = $1 and name = any($2::text[])`;

/** And their sealed values. */
export const READ_SECRETS = `
  select name, fits_header, key_id, wrapped_key, sealed from stepgate.secrets where tenant_uid = $1 and name = any($2::text[])`;

/** The value before goes with its wrapped key. */
export const PUT_SECRET = `
  insert into stepgate.secrets as s (tenant_uid, name, fits_header, key_id, wrapped_key, sealed) values ($1, $2, $3, $4, $5, $6)
  on conflict (tenant_uid, name) do update
     set version = s.version + 1, fits_header = excluded.fits_header, key_id = excluded.key_id,
         wrapped_key = excluded.wrapped_key, sealed = excluded.sealed, updated_at = now()
  returning ${SEEN_COLUMNS}`;

export const REMOVE_SECRET = `delete from stepgate.secrets where tenant_uid = $1 and name = $2`;

/** Tools of tenant $1 whose newest version asks for secret $2. */
export const LIST_TOOLS_OF_SECRET = `
  select name from (
    select distinct on (name) name, definition from stepgate.tools where tenant_uid = $1 order by name, version desc) newest
   where definition -> 'secrets' @> jsonb_build_array(jsonb_build_object('ref', $2::text)) order by name limit $3`;
