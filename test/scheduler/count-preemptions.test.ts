import t from "tap";
import type { LeaseEpoch, TenantUid } from "../../src/core/ids.ts";
import { countPreemptions } from "../../src/scheduler/count-preemptions.ts";

const NOW = 10_000;
const step = (leaseEpoch: number, readyAtMs: number, queueTargetMs?: number, tenant = "t") => ({
  tenantUid: tenant as TenantUid,
  leaseEpoch: leaseEpoch as LeaseEpoch,
  readyAtMs,
  queueTargetMs,
  nowMs: NOW,
});

t.test("a breached step that is claimed before an earlier-ready one of its tenant counts once", async (t) => {
  const cases = [
    { of: "nothing", steps: [], count: 0 },
    { of: "one before two that were ready earlier", steps: [step(1, 8000, 1000), step(2, 1), step(3, 2)], count: 1 },
    { of: "two before one", steps: [step(2, 8000, 1000), step(1, 7000, 1000), step(3, 1)], count: 2 },
    { of: "a breached one that was ready first anyway", steps: [step(1, 1, 1000), step(2, 5000)], count: 0 },
    { of: "a healthy one", steps: [step(1, 9500, 1000), step(2, 1)], count: 0 },
    { of: "one that came after", steps: [step(2, 8000, 1000), step(1, 1)], count: 0 },
    { of: "another tenant", steps: [step(1, 8000, 1000), step(2, 1, undefined, "other")], count: 0 },
  ];
  for (const { of, steps, count } of cases) t.equal(countPreemptions(steps), count, of);
});
