/**
 * A worker whose lease is over, or may be: nothing starts, nothing is settled, and nothing stays behind for ever.
 */
import t from "tap";
import type { LeasedStep } from "../../src/gate/leased-step.ts";
import { makeLeases } from "../../src/scheduler/leases.ts";
import { allow, done, makeSink, startRig } from "../acceptance/rig.ts";
import { openTestDatabase } from "../storage/test-database.ts";

const step = { runUid: "run", stepId: "a", isTarget: false } as unknown as LeasedStep;

t.test("an execution without a lease is aborted before it begins", async (t) => {
  let nowMs = 1000;
  const leases = makeLeases({ clock: { monotonicMs: () => nowMs } });
  const states = (): readonly boolean[] => {
    const lease = leases.start(step, undefined);
    const found = [lease.isLost(), lease.signal.aborted];
    lease.end();
    return found;
  };
  t.same(states(), [true, true], "before the first lease");
  leases.hold(2000);
  t.same(states(), [false, false], "while it is held");
  nowMs = 2000;
  t.same(states(), [true, true], "when its time is over, also if nobody has said so");
  leases.hold(3000);
  t.same(states(), [false, false], "when it was extended");
  leases.loseAll();
  t.same(states(), [true, true], "after it was lost, whatever time was left");
  t.equal(leases.count(), 0);
});

t.test("what runs is aborted by the clock alone, and told so once", async (t) => {
  let nowMs = 0;
  const leases = makeLeases({ clock: { monotonicMs: () => nowMs } });
  leases.hold(100);
  const lease = leases.start(step, undefined);
  nowMs = 99;
  leases.checkTime();
  t.notOk(lease.signal.aborted);
  nowMs = 100;
  leases.checkTime();
  t.ok(lease.signal.aborted && lease.isLost());
  t.equal(lease.abortedBy(), undefined, "no cause that could be settled");
});

t.test(
  "a database that keeps silent does not keep a step beyond its lease, and the step ends all the same",
  async (t) => {
    const database = await openTestDatabase(t);
    const aborted: number[] = [];
    const sink = makeSink(({ attempt }, _call, signal) =>
      attempt > 1
        ? done("made")
        : new Promise((resolve) => {
            signal.addEventListener("abort", () => {
              aborted.push(attempt);
              resolve(done("too late"));
            });
          }),
    );
    const rig = await startRig(t, {
      database,
      packs: { open: allow },
      adapters: [sink.adapter],
      tenant: { runtime_pack: "open", required_guardrails: [] },
      env: { STEPGATE_LEASE_MS: "1500", STEPGATE_REAPER_INTERVAL_MS: "200" },
    });
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: {}, execution: { max_attempts: 10 } }],
    });
    await rig.until(runUid, (steps) => steps.get("a")?.state === "running" && sink.calls.length === 1);
    // whoever extends the lease waits for this row; the lease itself is still good when the row is free again
    await database.pool.transaction(async (other) => {
      await other.query("select 1 from stepgate.workers for update");
      await rig.until(runUid, () => aborted.length === 1);
      await other.query("update stepgate.workers set lease_until = clock_timestamp() + interval '5 seconds'");
    });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    // a busy machine may lose another one: what counts is that each lost attempt is known, and followed by the next
    const lost = (await rig.events(runUid)).filter(({ type }) => type === "step_attempt_lost").length;
    t.ok(lost >= 1);
    t.match((await rig.steps(runUid)).get("a"), { attemptsMade: lost + 1 });
  },
);
