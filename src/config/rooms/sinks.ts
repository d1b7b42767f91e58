/**
 * Settings of delivering events to sinks (sinks/).
 *
 * Not here: which hosts a tenant's sinks may reach (the tenant's settings, made by the platform).
 */
import { integer } from "../parsers.ts";
import { setting } from "../setting.ts";

export const sinkSettings = {
  timeoutMs: setting({
    key: "STEPGATE_SINK_TIMEOUT_MS",
    about: "Longest wait for a sink to acknowledge one event; a dead worker's deliveries go on after three times that.",
    default: "10000",
    form: integer(100, 60_000),
  }),
  maxAttempts: setting({
    key: "STEPGATE_SINK_MAX_ATTEMPTS",
    about: "Failed tries after which an event becomes a dead letter of the sink, and the run's next one is sent.",
    default: "12",
    form: integer(1, 100),
  }),
  retryMs: setting({
    key: "STEPGATE_SINK_RETRY_MS",
    about: "Wait after the first failed try; each further one doubles it, give or take a fifth.",
    default: "1000",
    form: integer(1, 3_600_000),
  }),
  retryMaxMs: setting({
    key: "STEPGATE_SINK_RETRY_MAX_MS",
    about: "Longest wait between two tries.",
    default: "3600000",
    form: integer(1, 86_400_000),
  }),
  pollMs: setting({
    key: "STEPGATE_SINK_POLL_MS",
    about: "How often each worker looks for events that other processes wrote, and for changed sinks.",
    default: "1000",
    form: integer(10, 60_000),
  }),
} as const;
