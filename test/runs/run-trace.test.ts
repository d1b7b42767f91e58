import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { runTrace } from "../../src/runs/run-trace.ts";

const runUid = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001" as RunUid;
const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const own = "00-0199aaaabbbb7ccc8dddeeeeffff0001-8c44444444447ccd-01";

t.test("a valid trace is kept as it is, with a tracestate of the right form", async (t) => {
  const kept = [
    { traceparent: valid },
    { traceparent: valid, tracestate: "vendor=value,other=1" },
    { traceparent: valid.replace(/^00/, "01") },
    { traceparent: `${valid.replace(/^00/, "cc")}-what-comes-later` },
  ];
  for (const trace of kept) t.same(runTrace(runUid, trace), { trace, isReplaced: false });
  t.same(runTrace(runUid, { traceparent: valid, tracestate: "a\u0000b" }).trace, { traceparent: valid });
});

t.test("without a trace the run makes its own from its uid, and that is no replacement", async (t) => {
  t.same(runTrace(runUid, undefined), { trace: { traceparent: own }, isReplaced: false });
  const halves = "0199aaaa-bbbb-7ccc-0199-aaaabbbb7ccc" as RunUid;
  t.match(runTrace(halves, undefined).trace.traceparent, /-0000000000000001-01$/, "XOR of equal halves is 0, so 1");
});

t.test("what is no valid trace context is replaced, and said to be", async (t) => {
  const invalid = [
    "",
    "x",
    valid.toUpperCase(),
    valid.replace(/^00/, "ff"),
    `${valid}-more`,
    valid.replace(/-0af7.*?-/, `-${"0".repeat(32)}-`),
    valid.replace("b7ad6b7169203331", "0".repeat(16)),
    `${valid}\n`,
  ];
  for (const traceparent of invalid) {
    t.same(runTrace(runUid, { traceparent }), { trace: { traceparent: own }, isReplaced: true }, traceparent);
  }
});
