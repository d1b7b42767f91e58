/**
 * Settings of the database and of how long it keeps things (storage/).
 *
 * Defaults are for one machine. Not here: what makes a server unsafe (storage/check-database.ts).
 */
import { integer, postgresUrl } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

export const storageSettings = {
  databaseUrl: optionalSetting({
    key: "STEPGATE_DATABASE_URL",
    about: "PostgreSQL 15 or newer. Unset: the embedded server under STEPGATE_HOME.",
    form: postgresUrl,
    isSecret: true,
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
  retentionDays: setting({
    key: "STEPGATE_RETENTION_DAYS",
    about: "How long ended runs are kept, for tenants that set nothing.",
    default: "365",
    form: integer(1, 36_500),
  }),
  decisionInputDays: setting({
    key: "STEPGATE_DECISION_INPUT_DAYS",
    about: "How long the sealed inputs of decisions are kept, so that they can be decided again.",
    default: "30",
    form: integer(1, 36_500),
  }),
} as const;
