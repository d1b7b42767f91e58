/**
 * W3C Trace Context: what is a valid traceparent, what is dropped.
 */
import t from "tap";
import { formatTraceparent, parseTraceparent, readTraceHeaders } from "../../src/telemetry/trace-context.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";
const VALID = `00-${TRACE_ID}-${SPAN_ID}-01`;

t.test("a valid traceparent is read and written back unchanged", async (t) => {
  const parsed = parseTraceparent(VALID);
  t.same(parsed, { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true });
  t.equal(parsed && formatTraceparent(parsed), VALID);
  t.match(parseTraceparent(`00-${TRACE_ID}-${SPAN_ID}-00`), { isSampled: false });
  t.match(parseTraceparent(`00-${TRACE_ID}-${SPAN_ID}-03`), { isSampled: true });
  t.match(parseTraceparent(`cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-will-be`), { traceId: TRACE_ID });
});

t.test("a traceparent that is not valid is nothing", async (t) => {
  const refused = [
    "",
    VALID.toUpperCase(),
    ` ${VALID}`,
    `ff-${TRACE_ID}-${SPAN_ID}-01`,
    `00-${"0".repeat(32)}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${"0".repeat(16)}-01`,
    `00-${TRACE_ID}-${SPAN_ID}-01-more`,
    `cc-${TRACE_ID}-${SPAN_ID}-01.more`,
    `00-${TRACE_ID}-${SPAN_ID}`,
    `00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${SPAN_ID}-0g`,
    `cc-${TRACE_ID}-${SPAN_ID}-01-${"x".repeat(500)}`,
  ];
  for (const text of refused) t.equal(parseTraceparent(text), undefined, JSON.stringify(text));
});

t.test("a tracestate is kept when it is valid, and dropped alone when it is not", async (t) => {
  t.same(readTraceHeaders(VALID, "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"), {
    traceparent: VALID,
    tracestate: "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE",
  });
  const dropped = [
    "",
    "a",
    "=1",
    "a=",
    "A=1",
    "a=1,a=2",
    "a=1,,b=2",
    "a=\u00e9",
    `a=${"x".repeat(512)}`,
    Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(","),
  ];
  for (const text of dropped) t.same(readTraceHeaders(VALID, text), { traceparent: VALID }, JSON.stringify(text));
  t.equal(readTraceHeaders(undefined, "a=1"), undefined);
  t.equal(readTraceHeaders("00-0-0-01", "a=1"), undefined);
});
