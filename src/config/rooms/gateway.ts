/**
 * Settings of the HTTP server (gateway/).
 *
 * Allow-lists are closed unless somebody opens them. Not here: who may call which route (gateway/roles.ts).
 */
import { hostHeader, integer, list, listenAddress, origin } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

const MIB = 1_048_576;

export const gatewaySettings = {
  listen: setting({
    key: "STEPGATE_LISTEN",
    about: "Address of the API.",
    default: "127.0.0.1:8181",
    form: listenAddress,
  }),
  metricsListen: optionalSetting({
    key: "STEPGATE_METRICS_LISTEN",
    about:
      "Address of a listener for /metrics alone, without a key. Unset: /metrics is a route of the API and needs one.",
    form: listenAddress,
  }),
  allowedHosts: optionalSetting({
    key: "STEPGATE_ALLOWED_HOSTS",
    about: "Host headers that are answered. Unset: the loopback names with the port that is listened on.",
    form: list(hostHeader, 64),
  }),
  allowedOrigins: optionalSetting({
    key: "STEPGATE_ALLOWED_ORIGINS",
    about: "Origins of web pages that may call. Unset: none.",
    form: list(origin, 64),
  }),
  maxRunBodyBytes: setting({
    key: "STEPGATE_MAX_RUN_BODY_BYTES",
    about: "Largest body of POST /v1/runs.",
    default: String(8 * MIB),
    form: integer(1_024, 64 * MIB),
  }),
  maxBodyBytes: setting({
    key: "STEPGATE_MAX_BODY_BYTES",
    about: "Largest body of every other request.",
    default: String(MIB),
    form: integer(1_024, 64 * MIB),
  }),
  requestTimeoutMs: setting({
    key: "STEPGATE_REQUEST_TIMEOUT_MS",
    about: "Longest time in which a client sends a whole request.",
    default: "30000",
    form: integer(1_000, 600_000),
  }),
  maxConnections: setting({
    key: "STEPGATE_MAX_CONNECTIONS",
    about: "Most client connections at once; further ones are closed.",
    default: "4096",
    form: integer(1, 1_000_000),
  }),
  maxStreams: setting({
    key: "STEPGATE_MAX_STREAMS",
    about: "Most event streams at once.",
    default: "1000",
    form: integer(1, 1_000_000),
  }),
  stepWaitMs: setting({
    key: "STEPGATE_STEP_WAIT_MS",
    about: "Longest time that POST /v1/steps waits for its result before it answers 202.",
    default: "30000",
    form: integer(0, 600_000),
  }),
} as const;
