-- Approvals can be decided: what was shown is kept sealed, and the row knows the lease and since when the deadline stands.

alter table stepgate.approvals
  add column shown_blob uuid,
  add column lease_epoch bigint not null default 0,
  -- earlier than created_at when the run was paused already
  add column held_since timestamptz not null default now();

-- one row a signed approval: a copy of a row that was used is no second approval
create unique index approvals_record_key on stepgate.approvals (tenant_uid, approval_record) where approval_record is not null;
