/**
 * Settings of logs and traces (telemetry/).
 *
 * Metrics are always kept, since somebody may ask for them. Not here: where they are served (gateway.ts).
 */
import { httpUrl, oneOf } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

export const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;

export const telemetrySettings = {
  logLevel: setting({
    key: "STEPGATE_LOG_LEVEL",
    about: "Least severe log line that is written.",
    default: "info",
    form: oneOf(LOG_LEVELS),
  }),
  otlpEndpoint: optionalSetting({
    key: "STEPGATE_OTLP_ENDPOINT",
    about: "Where spans are sent by OTLP over HTTP, such as http://collector:4318. Unset: no spans are made.",
    form: httpUrl,
  }),
} as const;
