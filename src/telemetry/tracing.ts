/**
 * Spans: a place in the trace before the work, one report after it.
 *
 * A span is reported whole when it has ended, so nothing lives between; without an exporter nothing is made at all.
 * Not here: names and attributes (names.ts), sending them (start-tracing.ts), what a run carries (runs/run-trace.ts).
 */
import type { SpanAttribute, SpanName } from "./names.ts";
import type { TraceContext } from "./trace-context.ts";

export interface FinishedSpan {
  readonly name: SpanName;
  /** The span's own place, from `childOf`, or a run's traceparent. */
  readonly place: TraceContext;
  readonly parent: TraceContext | undefined;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly isFailed: boolean;
  readonly attributes: Readonly<Partial<Record<SpanAttribute, string | number | boolean | readonly string[]>>>;
}

export interface Tracing {
  /** False: nobody wants spans, so nobody needs to gather attributes. */
  readonly isEnabled: boolean;
  /** The place of a new span below `parent`, or of a new trace; without an exporter the parent itself. */
  readonly childOf: (parent: TraceContext | undefined) => TraceContext | undefined;
  /** Hands a span over; it is sent later, in batches, and dropped when the collector cannot follow. */
  readonly report: (span: FinishedSpan) => void;
  /** Sends what is left, at most for the exporter's own timeout. */
  readonly stop: () => Promise<void>;
}

export const noTracing: Tracing = {
  isEnabled: false,
  childOf: (parent) => parent,
  report: () => undefined,
  stop: () => Promise.resolve(),
};
