-- Passes of the stride between tenants: one for each set of types that workers serve, and beside it the pass of the last
-- step that the tenant was served, by which those who had nothing to do are brought up to date.
delete from stepgate.tenant_shares;
alter table stepgate.tenant_shares
  add column pool text not null,
  add column served_pass bigint not null,
  drop constraint tenant_shares_pkey,
  add constraint tenant_shares_pkey primary key (tenant_uid, pool);
