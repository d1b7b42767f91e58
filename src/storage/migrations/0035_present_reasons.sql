-- Why a queued step waits until its not_before, and of which quota or concurrency key: the log says each reason once only.
alter table stepgate.ready_steps add column deferred_for text, add column deferred_by text;
alter type stepgate.settlement add attribute deferred_by text;
