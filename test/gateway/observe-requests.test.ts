/**
 * A request's trace: what was sent is handed on, a span is made and reported only where somebody collects spans.
 */
import t from "tap";
import { type FinishedSpan, noTracing } from "../../src/telemetry/tracing.ts";
import { RUN_ID } from "./fakes.ts";
import { makeHarness } from "./harness.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CHILD = "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01";
const submit = { method: "POST", url: "/v1/runs", body: { steps: [{ id: "a", type: "noop" }] } } as const;

t.test("a valid trace of the request is handed to the run, any other is none", async (t) => {
  const harness = await makeHarness();
  await harness.send({ ...submit, headers: { traceparent: TRACEPARENT, tracestate: "vendor=1" } });
  for (const traceparent of ["00-nonsense", `${TRACEPARENT}, ${TRACEPARENT}`, ""]) {
    await harness.send({ ...submit, headers: { traceparent } });
  }
  t.match(harness.calls, [
    { input: { trace: { traceparent: TRACEPARENT, tracestate: "vendor=1" } } },
    { input: { trace: undefined } },
    { input: { trace: undefined } },
    { input: { trace: undefined } },
  ]);
});

t.test("where spans are collected a request is one, below the caller's and above the run's", async (t) => {
  const spans: FinishedSpan[] = [];
  const tracing = {
    ...noTracing,
    isEnabled: true,
    childOf: () => ({ traceparent: CHILD }),
    report: (span: FinishedSpan) => void spans.push(span),
  };
  const harness = await makeHarness({ tracing });
  await harness.send({ ...submit, headers: { traceparent: TRACEPARENT } });
  t.match(harness.calls, [{ input: { trace: { traceparent: CHILD } } }]);
  await harness.send({ url: `/v1/runs/${RUN_ID}?planted=1` });
  t.match(spans, [
    {
      name: "request",
      place: { traceparent: CHILD },
      parent: { traceparent: TRACEPARENT },
      isFailed: false,
      attributes: { method: "POST", route: "/v1/runs", status_code: 201 },
    },
    { parent: undefined, attributes: { route: "/v1/runs/:run" } },
  ]);
  t.notMatch(JSON.stringify(spans), "planted");
});
