/**
 * Metrics: every name of the table is served, values land in their buckets, no label names a tenant.
 */
import t from "tap";
import { makeMetrics } from "../../src/telemetry/metrics.ts";
import { METRICS, PREFIX } from "../../src/telemetry/names.ts";

t.test("counters and histograms come out as Prometheus text with their labels", async (t) => {
  const metrics = makeMetrics();
  t.teardown(() => metrics.stop());
  metrics.count("decisions", 2, { boundary: "scheduler", effect: "deny" });
  metrics.count("decisions", 1, { boundary: "scheduler", effect: "deny" });
  metrics.observe("queue.depth", 3, {});
  metrics.observe("queue.depth", 64, {});
  const text = await metrics.text();
  t.match(text, /^# HELP stepgate_decisions_total Evaluations of packs\.$/m);
  t.match(text, /^stepgate_decisions_total\{boundary="scheduler",effect="deny"\} 3$/m);
  t.match(text, /^stepgate_queue_depth_bucket\{le="4"\} 1$/m);
  t.match(text, /^stepgate_queue_depth_sum 67$/m);
  t.match(text, /^stepgate_queue_depth_count 2$/m);
});

t.test("a value that is no measure changes nothing, a negative slack counts as 0", async (t) => {
  const metrics = makeMetrics();
  t.teardown(() => metrics.stop());
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) metrics.observe("queue.depth", value, {});
  for (const amount of [Number.NaN, -1]) metrics.count("tokens.minted", amount, {});
  metrics.observe("slo.queue_slack_ms", -500, { tier: "gold" });
  const text = await metrics.text();
  t.notMatch(text, /^stepgate_queue_depth_count/m);
  t.notMatch(text, /^stepgate_tokens_minted_total [1-9]/m);
  t.match(text, /^stepgate_slo_queue_slack_ms_bucket\{tier="gold",le="0"\} 1$/m);
  t.notMatch(text, "NaN");
});

t.test("the table has the metrics of the specification and no label that tells tenants or runs apart", async (t) => {
  const wanted = [
    "queue.depth",
    "queue.lag_seconds",
    "step.latency_seconds",
    "stage.latency_seconds",
    "budget.tokens_remaining",
    "budget.cost_remaining",
    "budget.tokens_projected_burn",
    "budget.cost_projected_burn",
    "slo.queue_slack_ms",
    "budget.tokens",
    "budget.cost",
    "step.retries",
    "slo.preemptions",
    "decisions",
    "vacuum.held_seconds",
    "history.prepared_seconds",
    "tokens.minted",
    "tokens.refused",
    "sink.deliveries",
  ];
  t.same(Object.keys(METRICS), wanted);
  t.equal(PREFIX, "stepgate.");
  for (const [name, row] of Object.entries(METRICS)) {
    t.notMatch(row.labels.join(), /tenant|run|caller|key|owner/, name);
    if (row.kind === "histogram")
      t.same(
        [...row.buckets],
        [...row.buckets].sort((a, b) => a - b),
        `${name}: rising`,
      );
  }
});
