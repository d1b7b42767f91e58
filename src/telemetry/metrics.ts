/**
 * Counts and measures by the table of names.ts, and writes Prometheus text on request.
 *
 * In: numbers with labels of the table. Out: text; no HTTP server of its own. Not here: who may read it (gateway/).
 */
import type { Counter, Gauge, Histogram, MetricOptions } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { type CounterName, type GaugeName, type HistogramName, METRICS, type MetricLabels, PREFIX } from "./names.ts";

export interface Metrics {
  /** Adds to a counter; an amount that is negative or not finite adds nothing. */
  readonly count: <Name extends CounterName>(name: Name, amount: number, labels: MetricLabels<Name>) => void;
  /** Records one value of a histogram, in the unit of its row; a negative one counts as 0, one not finite not at all. */
  readonly observe: <Name extends HistogramName>(name: Name, value: number, labels: MetricLabels<Name>) => void;
  /** Says what a gauge stands at; a value that is not finite changes nothing. */
  readonly set: <Name extends GaugeName>(name: Name, value: number, labels: MetricLabels<Name>) => void;
  /** All metrics as Prometheus text (exposition format 0.0.4). */
  readonly text: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** Collects when it is asked, never by itself. */
class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override async onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Makes the process's metrics; every name of the table exists from the start. */
export function makeMetrics(): Metrics {
  const reader = new PullReader();
  const provider = new MeterProvider({ readers: [reader] });
  const meter = provider.getMeter("stepgate");
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const gauges = new Map<string, Gauge>();
  for (const [name, row] of Object.entries(METRICS)) {
    const options: MetricOptions = { unit: row.unit, description: row.about };
    if (row.kind === "counter") counters.set(name, meter.createCounter(PREFIX + name, options));
    else if (row.kind === "gauge") gauges.set(name, meter.createGauge(PREFIX + name, options));
    else {
      const advice = { explicitBucketBoundaries: [...row.buckets] };
      histograms.set(name, meter.createHistogram(PREFIX + name, { ...options, advice }));
    }
  }
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  return {
    count: (name, amount, labels) => {
      if (Number.isFinite(amount) && amount >= 0) counters.get(name)?.add(amount, labels);
    },
    observe: (name, value, labels) => {
      // one NaN would make the sum NaN for ever, and a negative value would not be counted at all
      if (Number.isFinite(value)) histograms.get(name)?.record(Math.max(0, value), labels);
    },
    set: (name, value, labels) => {
      if (Number.isFinite(value)) gauges.get(name)?.record(value, labels);
    },
    text: async () => serializer.serialize((await reader.collect()).resourceMetrics),
    stop: () => provider.shutdown(),
  };
}
