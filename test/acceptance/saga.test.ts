/** A saga: what several steps did is undone one after another, whatever becomes of each (spec 02, compensation). */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, failure, makeSink, type Rig, startRig } from "./rig.ts";

t.test("three origins are undone in reverse, past a failing target and past the run's time limit", async (t) => {
  const scene: { rig?: Rig } = {};
  const sink = makeSink(async ({ stepId, runUid }) => {
    if (stepId === "undo-b") return failure();
    if (stepId !== "broken") return done(null);
    // from now on no ordinary step of this run may start
    await scene.rig?.rows("update stepgate.runs set time_limit_at = now() - interval '1 second' where run_uid = $1", [
      runUid,
    ]);
    return failure({ retryable: false });
  });
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  scene.rig = rig;
  const step = (id: string, execution: JsonObject = {}) => ({ id, type: "sink", inputs: {}, execution });
  const origin = (id: string) => step(id, { compensation: { step: `undo-${id}`, on: "failure_of_run" } });
  const runUid = await rig.submit({
    steps: [
      origin("a"),
      origin("b"),
      origin("c"),
      step("broken"),
      step("undo-a"),
      step("undo-b", { max_attempts: 2, retry_backoff_ms: 1 }),
      step("undo-c"),
    ],
    edges: [
      ["a", "b"],
      ["b", "c"],
      ["c", "broken"],
    ],
    time_limit_ms: 600_000,
  });
  t.equal((await rig.ended(runUid)).status, "failed");
  t.same(
    sink.calls.map(({ stepId, attempt }) => `${stepId} ${attempt}`),
    ["a 1", "b 1", "c 1", "broken 1", "undo-c 1", "undo-b 1", "undo-b 2", "undo-a 1"],
  );
  const steps = await rig.steps(runUid);
  t.match(steps.get("undo-b"), { state: "failed", errorKind: "execution_error", attemptsMade: 2 });
  for (const id of ["undo-c", "undo-a"]) t.match(steps.get(id), { state: "succeeded", attemptsMade: 1 }, id);
  t.match(sink.calls[0]?.budget, { time_limit_at_ms: Number });
  t.notOk("time_limit_at_ms" in (sink.calls[4]?.budget ?? {}), "what does not bind a target is not shown to it");
  await verifies(t, rig, runUid);
});

t.test("a target that was not needed is skipped before its run ends, though the last step has none", async (t) => {
  const sink = makeSink(async () => done(null));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  const step = (id: string, execution: JsonObject = {}) => ({ id, type: "sink", inputs: {}, execution });
  const runUid = await rig.submit({
    steps: [step("a", { compensation: { step: "undo-a", on: "failure_of_run" } }), step("last"), step("undo-a")],
    edges: [["a", "last"]],
  });
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.same(
    sink.calls.map(({ stepId }) => stepId),
    ["a", "last"],
  );
  t.match((await rig.steps(runUid)).get("undo-a"), { state: "skipped", reasons: ["compensation_not_needed"] });
  await verifies(t, rig, runUid);
});
