import t from "tap";
import type { StepId } from "../../src/core/ids.ts";
import { isStepEnded, STEP_STATES } from "../../src/core/state.ts";
import { compensationOrder, targetVerdict } from "../../src/runs/compensation.ts";

t.test("a target runs, is skipped or waits as its origin and the run end", async (t) => {
  const made = { attemptsMade: 1 };
  const table = [
    { on: "failure_of_step", state: "failed", runEnd: undefined, verdict: "run" },
    { on: "failure_of_step", state: "cancelled", runEnd: undefined, verdict: "run" },
    { on: "failure_of_step", state: "skipped", runEnd: undefined, verdict: "run" },
    { on: "failure_of_step", state: "succeeded", runEnd: undefined, verdict: "skip" },
    { on: "failure_of_step", state: "succeeded", runEnd: "cancelled", verdict: "skip" },
    { on: "failure_of_run", state: "succeeded", runEnd: undefined, verdict: "wait" },
    { on: "failure_of_run", state: "failed", runEnd: undefined, verdict: "wait" },
    { on: "failure_of_run", state: "succeeded", runEnd: "succeeded", verdict: "skip" },
    { on: "failure_of_run", state: "succeeded", runEnd: "failed", verdict: "run" },
    { on: "failure_of_run", state: "succeeded", runEnd: "cancelled", verdict: "run" },
    { on: "failure_of_run", state: "failed", runEnd: "failed", verdict: "run" },
  ] as const;
  for (const { on, state, runEnd, verdict } of table) {
    t.equal(targetVerdict(on, { state, ...made }, runEnd), verdict, `${on}, origin ${state}, run ${runEnd}`);
  }
});

t.test("an origin that made no attempt has left nothing to undo", async (t) => {
  for (const state of STEP_STATES.filter(isStepEnded)) {
    for (const on of ["failure_of_step", "failure_of_run"] as const) {
      t.equal(targetVerdict(on, { state, attemptsMade: 0 }, "failed"), "skip", `${on}, ${state}`);
    }
  }
});

t.test("nothing is decided while the origin is open", async (t) => {
  for (const state of STEP_STATES.filter((one) => !isStepEnded(one))) {
    t.equal(targetVerdict("failure_of_step", { state, attemptsMade: 1 }, undefined), "wait", state);
  }
});

t.test("the origin that ended last is undone first", async (t) => {
  const targets = [
    { target: "first" as StepId, originEndedSeq: 4 },
    { target: "last" as StepId, originEndedSeq: 20 },
    { target: "middle" as StepId, originEndedSeq: 9 },
  ];
  t.same(compensationOrder(targets), ["last", "middle", "first"]);
});
