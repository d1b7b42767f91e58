/** What stops an execution, and how its adapter learns the cause. */
import { once } from "node:events";
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { LeasedStep } from "../../src/gate/leased-step.ts";
import { makeLeases } from "../../src/scheduler/leases.ts";

const runUid = (name: string): RunUid => name as unknown as RunUid;
const step = { runUid: runUid("run"), stepId: "a", isTarget: false } as unknown as LeasedStep;

t.test("an adapter tells a deadline from a cancel by the reason of the signal", async (t) => {
  const leases = makeLeases({ clock: { monotonicMs: () => 0 } });
  leases.hold(1000);
  const late = leases.start(step, 5);
  await once(late.signal, "abort");
  t.equal(late.abortedBy(), "deadline_exceeded");
  t.equal(late.signal.reason.name, "TimeoutError");
  late.end();

  const cancelled = leases.start(step, undefined);
  leases.cancelRuns([runUid("another")]);
  t.notOk(cancelled.signal.aborted);
  leases.cancelRuns([runUid("run")]);
  t.equal(cancelled.abortedBy(), "cancelled");
  t.equal(cancelled.signal.reason.name, "AbortError");
  cancelled.end();
  t.equal(leases.count(), 0);
});

t.test("a compensation is not stopped by the cancel of its run", async (t) => {
  const leases = makeLeases({ clock: { monotonicMs: () => 0 } });
  leases.hold(1000);
  const compensation = leases.start({ ...step, isTarget: true }, undefined);
  leases.cancelRuns([runUid("run")]);
  t.notOk(compensation.signal.aborted);
  compensation.end();
});
