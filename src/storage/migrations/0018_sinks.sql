-- Sinks: where the events of a tenant's runs go. run_events is the outbox; a row of deliveries says how far one sink has one
-- run. What is new is found by comparing that with the run's head, so settlement writes nothing for it, and a transaction
-- that commits late hides no event: there is no common sequence that could run ahead of it.

create table stepgate.sinks (
  tenant_uid uuid not null references stepgate.tenants,
  name text not null,
  url text not null,
  -- null: events of every type
  event_types text[],
  is_paused boolean not null default false,
  version bigint not null default 1,
  -- the sealed signing secrets
  key_id text not null,
  wrapped_key bytea not null,
  sealed bytea not null,
  created_at timestamptz not null default now(),
  constraint sinks_pkey primary key (tenant_uid, name)
);

-- Made with the run (or, for runs that were open then, with the sink), gone when the run's last event is done with.
create table stepgate.deliveries (
  tenant_uid uuid not null,
  sink text not null,
  run_uid uuid not null,
  -- every event up to here was acknowledged, is a dead letter, or is of a type that the sink did not ask for
  done_seq bigint not null default 0,
  -- tries of the event after it that failed
  attempts integer not null default 0,
  not_before timestamptz not null default now(),
  last_fault text,
  -- one worker at a time sends a run's events to a sink, so that they keep their order
  lease_epoch bigint,
  lease_until timestamptz,
  constraint deliveries_pkey primary key (tenant_uid, sink, run_uid),
  constraint deliveries_sink_fkey foreign key (tenant_uid, sink) references stepgate.sinks on delete cascade,
  constraint deliveries_lease_check check ((lease_epoch is null) = (lease_until is null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Events that a sink did not take. The body is what was sent, so that it can be sent again when its event is long gone.
create table stepgate.dead_letters (
  tenant_uid uuid not null,
  sink text not null,
  run_uid uuid not null,
  seq bigint not null,
  event_type text not null,
  body text not null,
  attempts integer not null,
  fault text not null,
  died_at timestamptz not null default now(),
  -- when it is sent again; null: it rests
  redrive_at timestamptz,
  lease_epoch bigint,
  lease_until timestamptz,
  constraint dead_letters_pkey primary key (tenant_uid, sink, run_uid, seq),
  constraint dead_letters_sink_fkey foreign key (tenant_uid, sink) references stepgate.sinks on delete cascade,
  constraint dead_letters_lease_check check ((lease_epoch is null) = (lease_until is null))
);
create index dead_letters_redrive_idx on stepgate.dead_letters (tenant_uid, sink, redrive_at) where redrive_at is not null;
