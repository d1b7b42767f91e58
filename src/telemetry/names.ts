/**
 * Names of everything that is measured or traced, with unit and meaning: one table each (spec 01, metrics).
 *
 * Every name gets the prefix `stepgate.`; Prometheus writes dots as underscores. A label has few values, and none names
 * a tenant, a run or a caller. Not here: measuring (metrics.ts), spans (tracing.ts).
 */
export const PREFIX = "stepgate.";

interface MetricRow {
  readonly kind: "histogram" | "counter" | "gauge";
  /** UCUM, as OpenTelemetry writes units. */
  readonly unit: string;
  readonly about: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, rising. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const STAGE_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1, 10];
const BATCH = [1, 2, 4, 8, 16, 32, 64];
const TOKENS = [0, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const USD = [0, 0.01, 0.1, 1, 10, 100, 1_000];
const SLACK_MS = [0, 10, 100, 1_000, 5_000, 10_000, 30_000, 60_000];

export const METRICS = {
  "queue.depth": { kind: "histogram", unit: "{step}", about: "Steps of one claim.", labels: [], buckets: BATCH },
  "queue.lag_seconds": {
    kind: "histogram",
    unit: "s",
    about: "From ready to claimed.",
    labels: ["type"],
    buckets: SECONDS,
  },
  "step.latency_seconds": {
    kind: "histogram",
    unit: "s",
    about: "From the start of an attempt to its settlement.",
    labels: ["type", "status"],
    buckets: SECONDS,
  },
  "stage.latency_seconds": {
    kind: "histogram",
    unit: "s",
    about: "Time in one stage of the gate.",
    labels: ["stage"],
    buckets: STAGE_SECONDS,
  },
  "budget.tokens_remaining": {
    kind: "histogram",
    unit: "{token}",
    about: "Tokens left of a limited run's budget, at least 0.",
    labels: [],
    buckets: TOKENS,
  },
  "budget.cost_remaining": {
    kind: "histogram",
    unit: "{USD}",
    about: "Money left of a limited run's budget, at least 0.",
    labels: [],
    buckets: USD,
  },
  "budget.tokens_projected_burn": {
    kind: "histogram",
    unit: "{token}",
    about: "Tokens used and reserved of a run's budget.",
    labels: [],
    buckets: TOKENS,
  },
  "budget.cost_projected_burn": {
    kind: "histogram",
    unit: "{USD}",
    about: "Money used and reserved of a run's budget.",
    labels: [],
    buckets: USD,
  },
  "slo.queue_slack_ms": {
    kind: "histogram",
    unit: "ms",
    about: "Queue target minus wait, 0 once breached.",
    labels: ["tier"],
    buckets: SLACK_MS,
  },
  "budget.tokens": { kind: "counter", unit: "{token}", about: "Tokens charged.", labels: ["type"] },
  "budget.cost": { kind: "counter", unit: "{USD}", about: "Money charged.", labels: ["type"] },
  "step.retries": { kind: "counter", unit: "{attempt}", about: "Attempts scheduled again.", labels: ["type"] },
  "slo.preemptions": {
    kind: "counter",
    unit: "{step}",
    about: "Breached steps claimed before one that was ready earlier.",
    labels: [],
  },
  decisions: {
    kind: "counter",
    unit: "{decision}",
    about: "Evaluations of packs.",
    labels: ["boundary", "effect"],
  },
  "vacuum.held_seconds": {
    kind: "gauge",
    unit: "s",
    about: "How long the oldest transaction has held back vacuum.",
    labels: [],
  },
  "history.prepared_seconds": {
    kind: "gauge",
    unit: "s",
    about: "How long windows of history are prepared for; below zero when the last has ended and nobody made another.",
    labels: [],
  },
  "tokens.minted": { kind: "counter", unit: "{token}", about: "Capability tokens minted.", labels: [] },
  "tokens.refused": { kind: "counter", unit: "{token}", about: "Capability tokens refused.", labels: ["reason"] },
  "sink.deliveries": {
    kind: "counter",
    unit: "{try}",
    about: "Tries to deliver an event to a sink.",
    labels: ["outcome"],
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;
type NamesOf<Kind extends MetricRow["kind"]> = {
  [Name in MetricName]: (typeof METRICS)[Name]["kind"] extends Kind ? Name : never;
}[MetricName];
export type HistogramName = NamesOf<"histogram">;
export type CounterName = NamesOf<"counter">;
export type GaugeName = NamesOf<"gauge">;

/** Exactly the labels of the table: a missing or unknown one does not compile. */
export type MetricLabels<Name extends MetricName> = {
  readonly [Label in (typeof METRICS)[Name]["labels"][number]]: string;
};

export const SPANS = {
  request: "One request to the API.",
  run: "A run from its first step to its end; made only where the run's own uid names the trace.",
  step: "One attempt of a step, from its start to its settlement.",
} as const satisfies Readonly<Record<string, string>>;
export type SpanName = keyof typeof SPANS;

/** Attributes of spans. Ids, counts and codes only: never payload, never a token. */
export const SPAN_ATTRIBUTES = {
  run_uid: "The run.",
  step_id: "The step.",
  step_index: "Its position in the plan.",
  step_type: "Its type.",
  subject: "`run:<id>:step:<id>`.",
  attempt: "Number of the attempt, from 1.",
  worker_id: "Which worker.",
  status: "How it ended.",
  error_kind: "How it ended badly.",
  pack: "The pack that decided.",
  effect: "Its strongest effect.",
  reasons: "At most three reason codes.",
  tokens: "Tokens charged.",
  usd_micros: "Micro-USD charged.",
  token_id: "The capability token's jti.",
  record_ids: "Signed records.",
  method: "Of a request.",
  route: "Of a request: the pattern, never the path.",
  status_code: "Of the answer.",
} as const satisfies Readonly<Record<string, string>>;
export type SpanAttribute = keyof typeof SPAN_ATTRIBUTES;
