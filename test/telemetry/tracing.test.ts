/**
 * Spans: their place in the trace, what is reported, and that nothing is made without an exporter.
 */
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import t from "tap";
import { exportSpans } from "../../src/telemetry/export-spans.ts";
import { startTracing } from "../../src/telemetry/start-tracing.ts";
import { parseTraceparent } from "../../src/telemetry/trace-context.ts";
import { noTracing } from "../../src/telemetry/tracing.ts";

const PARENT = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "vendor=1",
};

function makeFixture(random = (size: number) => new Uint8Array(size).fill(1)) {
  const spans: ReadableSpan[] = [];
  const exporter = {
    export: (batch: ReadableSpan[], done: (result: { code: number }) => void) => {
      spans.push(...batch);
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
  return { spans, tracing: exportSpans({ exporter, random, version: "0.1.0" }) };
}

t.test("a child keeps the trace, its flags and its state, and has a span of its own", async (t) => {
  const { tracing } = makeFixture();
  const child = tracing.childOf(PARENT);
  t.same(child, {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-01",
    tracestate: "vendor=1",
  });
  const unsampled = tracing.childOf({ traceparent: PARENT.traceparent.replace(/01$/, "00") });
  t.match(unsampled?.traceparent, /-00$/);
});

t.test("without a parent a new trace begins, never with ids of zeros", async (t) => {
  const { tracing } = makeFixture((size) => new Uint8Array(size));
  const root = tracing.childOf(undefined);
  t.not(root && parseTraceparent(root.traceparent), undefined);
});

t.test("a reported span reaches the exporter with its parent, times and attributes", async (t) => {
  const { spans, tracing } = makeFixture();
  const place = tracing.childOf(PARENT);
  if (place === undefined) throw new Error("an exporter is configured");
  tracing.report({
    name: "step",
    place,
    parent: PARENT,
    startMs: 1_700_000_000_250,
    endMs: 1_700_000_001_500,
    isFailed: true,
    attributes: { step_id: "a", attempt: 1, reasons: ["x.y"] },
  });
  await tracing.stop();
  t.match(spans, [
    {
      name: "stepgate.step",
      parentSpanContext: { spanId: "b7ad6b7169203331" },
      startTime: [1_700_000_000, 250_000_000],
      endTime: [1_700_000_001, 500_000_000],
      duration: [1, 250_000_000],
      status: { code: 2 },
      attributes: { "stepgate.step_id": "a", "stepgate.attempt": 1, "stepgate.reasons": ["x.y"] },
    },
  ]);
});

t.test("an unsampled span and one without a place are not reported", async (t) => {
  const { spans, tracing } = makeFixture();
  const span = { name: "step", parent: undefined, startMs: 0, endMs: 1, isFailed: false, attributes: {} } as const;
  tracing.report({ ...span, place: { traceparent: PARENT.traceparent.replace(/01$/, "00") } });
  tracing.report({ ...span, place: { traceparent: "nothing" } });
  await tracing.stop();
  t.same(spans, []);
});

t.test("without an endpoint nothing is made: the parent passes through", async (t) => {
  const tracing = await startTracing(undefined, { random: () => new Uint8Array(), version: "0" });
  t.equal(tracing, noTracing);
  t.equal(tracing.isEnabled, false);
  t.equal(tracing.childOf(PARENT), PARENT);
  await tracing.stop();
});
