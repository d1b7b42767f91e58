/**
 * Settings of the worker's loop (scheduler/), with the numbers of spec 02.
 *
 * Times are upper bounds, never fixed sleeps. Not here: in-flight ceilings (gate.ts).
 */
import { integer } from "../parsers.ts";
import { setting } from "../setting.ts";
import { sloTiers } from "../slo-tiers.ts";

export const schedulerSettings = {
  maxConcurrentSteps: setting({
    key: "STEPGATE_MAX_CONCURRENT_STEPS",
    about: "Most steps that this worker performs at once.",
    default: "128",
    form: integer(1, 10_000),
  }),
  batchSize: setting({
    key: "STEPGATE_BATCH_SIZE",
    about: "Most steps in one claim, admission or settlement.",
    default: "64",
    form: integer(1, 64),
  }),
  leaseMs: setting({
    key: "STEPGATE_LEASE_MS",
    about: "How long a claim holds without being extended; it is extended every third of it.",
    default: "30000",
    form: integer(300, 3_600_000),
  }),
  idleBackoffMs: setting({
    key: "STEPGATE_IDLE_BACKOFF_MS",
    about: "Longest wait for a notification before an idle worker asks again.",
    default: "200",
    form: integer(1, 60_000),
  }),
  activeBackoffMs: setting({
    key: "STEPGATE_ACTIVE_BACKOFF_MS",
    about: "Longest wait between two claims of a busy worker; also the first retry delay of steps that set none.",
    default: "10",
    form: integer(1, 60_000),
  }),
  retryBackoffMaxMs: setting({
    key: "STEPGATE_RETRY_BACKOFF_MAX_MS",
    about: "Longest delay before another attempt.",
    default: "300000",
    form: integer(1, 86_400_000),
  }),
  retryJitterPpm: setting({
    key: "STEPGATE_RETRY_JITTER_PPM",
    about: "How far a retry delay is spread both ways, in millionths; 0 for tests.",
    default: "200000",
    form: integer(0, 500_000),
  }),
  reaperIntervalMs: setting({
    key: "STEPGATE_REAPER_INTERVAL_MS",
    about: "How often expired leases, approvals, timers and deadlines are looked for.",
    default: "1000",
    form: integer(10, 60_000),
  }),
  requeueBatchSize: setting({
    key: "STEPGATE_REQUEUE_BATCH_SIZE",
    about: "Most of them taken at once.",
    default: "128",
    form: integer(1, 10_000),
  }),
  maxLostAttempts: setting({
    key: "STEPGATE_MAX_LOST_ATTEMPTS",
    about: "Losses of a step's worker after which the step fails.",
    default: "5",
    form: integer(1, 100),
  }),
  abortGraceMs: setting({
    key: "STEPGATE_ABORT_GRACE_MS",
    about: "How long an executor has to end after its abort signal.",
    default: "10000",
    form: integer(0, 600_000),
  }),
  drainMs: setting({
    key: "STEPGATE_DRAIN_MS",
    about: "How long a stopping worker lets running steps end before it aborts them.",
    default: "20000",
    form: integer(0, 600_000),
  }),
  sloTiers: setting({
    key: "STEPGATE_SLO_TIERS",
    about: "Service tiers that steps may name, each with its smallest queue target and largest priority boost.",
    default: "gold/1000/3,silver/5000/1,bronze/30000/0",
    form: sloTiers,
  }),
} as const;
