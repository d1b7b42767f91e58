/**
 * Spans as OpenTelemetry has them, handed to its exporter in batches.
 *
 * Loaded only where there is a collector. Not here: who makes spans, and what one is (tracing.ts).
 */
import {
  type Attributes,
  type HrTime,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Ids } from "../core/ids.ts";
import { PREFIX } from "./names.ts";
import { formatTraceparent, parseTraceparent, type TraceContext } from "./trace-context.ts";
import type { FinishedSpan, Tracing } from "./tracing.ts";

export function makeOtlpExporter(url: string): SpanExporter {
  return new OTLPTraceExporter({ url });
}

export interface TracingDeps {
  readonly exporter: SpanExporter;
  readonly random: Ids["random"];
  readonly version: string;
}

/** Tracing over an exporter; unsampled traces are continued and not reported. */
export function exportSpans({ exporter, random, version }: TracingDeps): Tracing {
  const processor = new BatchSpanProcessor(exporter);
  const resource = resourceFromAttributes({ "service.name": "stepgate", "service.version": version });
  const toReadable = (span: FinishedSpan): ReadableSpan | undefined => {
    const own = contextOf(span.place);
    const parent = span.parent === undefined ? undefined : contextOf(span.parent);
    if (own === undefined) return undefined;
    return {
      name: PREFIX + span.name,
      kind: span.name === "request" ? SpanKind.SERVER : SpanKind.INTERNAL,
      spanContext: () => own,
      ...(parent !== undefined && { parentSpanContext: parent }),
      startTime: hrTime(span.startMs),
      endTime: hrTime(span.endMs),
      duration: hrTime(Math.max(0, span.endMs - span.startMs)),
      status: { code: span.isFailed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: attributesOf(span.attributes),
      links: [],
      events: [],
      ended: true,
      resource,
      instrumentationScope: { name: "stepgate", version },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  };
  return {
    isEnabled: true,
    childOf: (parent) => childOf(parent, random),
    report: (span) => {
      const readable = toReadable(span);
      if (readable !== undefined) processor.onEnd(readable);
    },
    stop: () => processor.shutdown(),
  };
}

function childOf(parent: TraceContext | undefined, random: Ids["random"]): TraceContext {
  const above = parent === undefined ? undefined : parseTraceparent(parent.traceparent);
  const traceparent = formatTraceparent({
    traceId: above?.traceId ?? randomHex(random, 16),
    spanId: randomHex(random, 8),
    isSampled: above?.isSampled ?? true,
  });
  return above !== undefined && parent?.tracestate !== undefined
    ? { traceparent, tracestate: parent.tracestate }
    : { traceparent };
}

/** Random hex digits, never all 0, which would be no id (W3C Trace Context §3.2.2). */
function randomHex(random: Ids["random"], bytes: number): string {
  const hex = Buffer.from(random(bytes)).toString("hex");
  return /^0+$/.test(hex) ? `${"0".repeat(2 * bytes - 1)}1` : hex;
}

function contextOf({ traceparent }: TraceContext): SpanContext | undefined {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return undefined;
  const { traceId, spanId, isSampled } = parsed;
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
}

function hrTime(milliseconds: number): HrTime {
  const seconds = Math.trunc(milliseconds / 1_000);
  return [seconds, Math.round((milliseconds - seconds * 1_000) * 1_000_000)];
}

function attributesOf(given: FinishedSpan["attributes"]): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(given)) {
    attributes[PREFIX + name] = typeof value === "object" ? [...value] : value;
  }
  return attributes;
}
