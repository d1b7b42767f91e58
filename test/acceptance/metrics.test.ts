/** Every metric of the table is recorded: after one scene each has a sample (spec 01, metrics; spec 02, preemptions). */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { METRICS, PREFIX } from "../../src/telemetry/names.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { done, failure, makeSink, startRig } from "./rig.ts";
import { QUICK, sinkApi, startReceiver, tenantFor, untilDelivered } from "./sink-desk.ts";

t.test("after a retry, a refused token, a breached contract and a delivery every metric has a sample", async (t) => {
  const receiver = await startReceiver(t);
  const sink = makeSink(({ stepId, attempt }) =>
    stepId === "flaky" && attempt === 1 ? failure() : done(null, { tokens: 4, usdMicros: 500_000 }),
  );
  const tenant = tenantFor(receiver);
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: {
      runtime: ({ step }) => {
        const isClosed = (step as JsonObject)["id"] === "closed";
        const none = { id: "none", type: "limit" as const, properties: { calls: 0 } };
        return { effect: "allow", ...(isClosed ? { obligations: [none] } : {}) };
      },
    },
    adapters: [sink.adapter],
    tenant,
    env: QUICK,
  });
  const pause = async (isPaused: boolean) =>
    rig.stepgate.rooms.tenants.put({
      ...{ tenantUid: rig.tenantUid, tenantId: "default", weight: 1, isPaused, settings: tenant, quotas: [] },
      actor: "test",
    });
  await sinkApi(rig).put("all", receiver);
  await pause(true);
  const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
  const execution = { max_attempts: 2, retry_backoff_ms: 1, cost_hint: { tokens: 10, usd_micros: 1_000_000 } };
  const plain = await rig.submit({
    steps: [step("flaky", { execution }), step("closed")],
    budget: { tokens: 100, usd_micros: 10_000_000 },
  });
  const slo = { tier: "gold", queue_target_ms: 1000, priority_boost: 0, error_budget_ppm: 0 };
  const breached = await rig.submit({ steps: [step("a", { policy: { slo } })] });
  // both wait too long, the one with a contract less so
  for (const [runUid, agoMs] of [
    [plain, 9000],
    [breached, 5000],
  ] as const)
    await rig.rows(
      `update stepgate.ready_steps set ready_at = ready_at - $2::bigint * interval '1 ms',
              breach_at = breach_at - $2::bigint * interval '1 ms' where run_uid = $1`,
      [runUid, agoMs],
    );
  await pause(false);
  for (const runUid of [plain, breached]) await rig.ended(runUid);
  await untilDelivered(rig, [plain, breached]);
  const text = await rig.stepgate.rooms.metrics.text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const isOf = (name: string, line: string) =>
    new RegExp(`^${`${PREFIX}${name}`.replaceAll(".", "_")}(_total|_bucket)?[{ ]`).test(line);
  t.same(
    Object.keys(METRICS).filter((name) => !samples.some((line) => isOf(name, line))),
    [],
    "a name that is declared and never recorded is a promise that nobody keeps",
  );
  const sampleOf = (start: string): number =>
    Number(
      samples
        .find((line) => line.startsWith(start))
        ?.split(" ")
        .at(-1) ?? Number.NaN,
    );
  t.equal(sampleOf("stepgate_slo_preemptions_total"), 1);
  t.equal(sampleOf('stepgate_slo_queue_slack_ms_bucket{tier="gold",le="0"}'), 1);
  t.equal(sampleOf('stepgate_tokens_refused_total{reason="limit_calls"}'), 1);
  t.equal(sampleOf('stepgate_step_latency_seconds_count{type="sink",status="retry"}'), 1);
  t.equal(sampleOf('stepgate_step_latency_seconds_count{type="sink",status="succeeded"}'), 2);
  t.equal(sampleOf("stepgate_budget_tokens_remaining_count"), 2, "both attempts of the run that has a budget");
  t.equal(sampleOf("stepgate_budget_tokens_remaining_sum"), 90 + 87, "after the failed attempt used 3");
  t.equal(sampleOf("stepgate_budget_tokens_projected_burn_sum"), 10 + 13);
});
