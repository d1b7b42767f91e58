-- Statistics are gathered less often and from fewer rows: of history (functions/windows.sql), and of the tables that every
-- step changes, whose rows are found by their keys however many there are.
alter table stepgate.audit_log set (autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.5,
  autovacuum_vacuum_insert_scale_factor = 0.5);
alter table stepgate.steps set (autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.5);
alter table stepgate.ready_steps set (autovacuum_analyze_threshold = 50000);
alter table stepgate.run_heads set (autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.5);
alter table stepgate.runs set (autovacuum_analyze_threshold = 1000);
alter table stepgate.budgets set (autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.5);
alter table stepgate.jobs set (autovacuum_analyze_threshold = 5000);
alter table stepgate.tenant_shares set (autovacuum_analyze_threshold = 5000);
alter table stepgate.audit_heads set (autovacuum_analyze_threshold = 5000);
alter table stepgate.billing_usage set (autovacuum_analyze_threshold = 5000);
alter table stepgate.workers set (autovacuum_analyze_threshold = 5000);
alter table stepgate.quota_usage set (autovacuum_analyze_threshold = 5000);
