/**
 * Settings of the database and of how long it keeps things (storage/).
 *
 * Defaults are for one machine. Not here: what makes a server unsafe (storage/check-database.ts).
 */
import { integer, oneOf, postgresUrl } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

export const storageSettings = {
  databaseUrl: optionalSetting({
    key: "STEPGATE_DATABASE_URL",
    about: "PostgreSQL 15 or newer. Unset: the embedded server under STEPGATE_HOME.",
    form: postgresUrl,
    isSecret: true,
  }),
  gatewayDatabaseUrl: optionalSetting({
    key: "STEPGATE_GATEWAY_DATABASE_URL",
    about: "The same database, as a user that may be the gateway's role and no other. Unset: STEPGATE_DATABASE_URL.",
    form: postgresUrl,
    isSecret: true,
  }),
  workerDatabaseUrl: optionalSetting({
    key: "STEPGATE_WORKER_DATABASE_URL",
    about: "The same database, as a user that may be the worker's role and no other. Unset: STEPGATE_DATABASE_URL.",
    form: postgresUrl,
    isSecret: true,
  }),
  pooler: setting({
    key: "STEPGATE_DATABASE_POOLER",
    about: "`transaction`: a pooler that hands a session on after each transaction stands before the database.",
    default: "none",
    form: oneOf(["none", "transaction"]),
  }),
  maxConnections: setting({
    key: "STEPGATE_DATABASE_CONNECTIONS",
    about: "Most database connections of this process per role.",
    default: "10",
    form: integer(1, 500),
  }),
  statementTimeoutMs: setting({
    key: "STEPGATE_STATEMENT_TIMEOUT_MS",
    about: "Longest time of one statement.",
    default: "30000",
    form: integer(100, 600_000),
  }),
  lockTimeoutMs: setting({
    key: "STEPGATE_LOCK_TIMEOUT_MS",
    about: "Longest wait for a lock.",
    default: "5000",
    form: integer(100, 600_000),
  }),
  vacuumHeldWarnMs: setting({
    key: "STEPGATE_VACUUM_HELD_WARN_MS",
    about:
      "How long a transaction, prepared or of a replication slot too, may hold back vacuum before it is warned of.",
    default: "600000",
    form: integer(1000, 86_400_000),
  }),
  retention: setting({
    key: "STEPGATE_RETENTION",
    about: "`on`: ended runs go once their tenant's retention_days have passed. `off`: nothing goes.",
    default: "on",
    form: oneOf(["on", "off"]),
  }),
  retentionWindowDays: setting({
    key: "STEPGATE_RETENTION_WINDOW_DAYS",
    about: "How much time one window of history takes in; a run goes with its window, so at most this much later.",
    default: "7",
    form: integer(1, 366),
  }),
  retentionIntervalMs: setting({
    key: "STEPGATE_RETENTION_INTERVAL_MS",
    about: "How often a worker makes windows of history ahead, and looks for what is to go.",
    default: "600000",
    form: integer(1000, 86_400_000),
  }),
} as const;
