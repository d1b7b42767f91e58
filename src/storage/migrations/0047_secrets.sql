-- Secrets: what a tenant's tools are handed, sealed under its data key. Deleting a row deletes the wrapped key, which is the
-- erasure; a value is never read back, so a row says only what it can be used for.

create table stepgate.secrets (
  tenant_uid uuid not null references stepgate.tenants,
  name text not null,
  version bigint not null default 1,
  -- one line of visible ASCII: it can stand in a header
  fits_header boolean not null,
  key_id text not null,
  wrapped_key bytea not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint secrets_pkey primary key (tenant_uid, name)
);
