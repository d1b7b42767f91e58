import t from "tap";
import type { StepId } from "../../src/core/ids.ts";
import type { ProjectedRun, ProjectedStep } from "../../src/runs/projected-run.ts";
import { projectRun } from "../../src/runs/projection.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import {
  ended,
  failed,
  type Line,
  logOf,
  lost,
  RUN_UID,
  refused,
  retried,
  scheduled,
  skipped,
  started,
  submitted,
  succeeded,
} from "./log-fixture.ts";
import { manifestOf } from "./manifest-fixture.ts";
import { step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

type Edges = readonly (readonly [string, string])[];
const runStarted: Line = ["run_started"];

function project(steps: readonly StepSubmission[], edges: Edges, lines: readonly Line[], more = {}): ProjectedRun {
  const { manifest } = manifestOf(steps, edges);
  return projectRun(RUN_UID, manifest, logOf([submitted(manifest, more), ...lines]));
}
const stepOf = (run: ProjectedRun, id: string): ProjectedStep | undefined => run.steps.get(id as StepId);
const statesOf = (run: ProjectedRun) => Object.fromEntries([...run.steps].map(([id, { state }]) => [id, state]));

const chain = [step("a", { execution: { max_attempts: 3, deadline_ms: 1_000 } }), step("b"), step("c")];
const chainEdges: Edges = [
  ["a", "b"],
  ["b", "c"],
];
const undoing = (id: string, target: string, on: "failure_of_step" | "failure_of_run" = "failure_of_step") =>
  step(id, { execution: { compensation: { step: target, on } } });

t.test("a new run has its roots queued and everything else blocked", async (t) => {
  const run = project([...chain, undoing("d", "u"), step("u")], chainEdges, [], {
    breakpoints: [{ target: "type", value: "noop" }],
  });
  t.same(statesOf(run), { a: "queued", b: "blocked", c: "blocked", d: "queued", u: "blocked" });
  t.match(run, {
    state: "pending",
    openSteps: 4,
    failedSteps: 0,
    headSeq: 1,
    submittedAtMs: 1_000,
    activePause: undefined,
  });
  t.same(run.breakpoints, [{ target: "type", value: "noop" }]);
  t.match(stepOf(run, "a"), { readyAtMs: 1_000, deadlineAtMs: 2_000, inputBlob: "in-a", attemptsMade: 0 });
  t.match(stepOf(run, "b"), { pendingDependencies: 1, totalDependencies: 1, firstReadyAtMs: undefined });
  t.match(stepOf(run, "u"), { origin: "d", idx: 4 });
});

t.test("a success frees what waited for it, and keeps its blobs and digest", async (t) => {
  const run = project(chain, chainEdges, [
    runStarted,
    started("a"),
    succeeded("a", 1, { blobs: { output: "o", checkpoint: "k" } }),
  ]);
  t.same(statesOf(run), { a: "succeeded", b: "queued", c: "blocked" });
  t.match(run, { state: "running", openSteps: 2, startedAtMs: 1_010 });
  t.match(stepOf(run, "a"), {
    outputBlob: "o",
    checkpointBlob: "k",
    outputDigest: "digest-a",
    endedSeq: 4,
    leaseEpoch: 101,
    openAttempt: undefined,
  });
  t.match(stepOf(run, "b"), { readyAtMs: 1_030, pendingDependencies: 0 });
});

t.test("M12 a retry waits until the time in the event; a loss has its own count", async (t) => {
  const run = project(chain, chainEdges, [
    runStarted,
    started("a"),
    retried("a", 1, 77_000, { blobs: { error: "e", checkpoint: "k" } }),
  ]);
  t.match(stepOf(run, "a"), {
    state: "queued",
    notBeforeMs: 77_000,
    readyAtMs: 77_000,
    attemptsMade: 1,
    errorAttempts: 1,
    lastErrorKind: "execution_error",
    errorBlob: "e",
    checkpointBlob: "k",
  });
  const again = project(chain, chainEdges, [
    runStarted,
    started("a"),
    retried("a", 1, 0),
    started("a", 2),
    lost("a", 2),
  ]);
  t.match(stepOf(again, "a"), {
    state: "queued",
    attemptsMade: 2,
    errorAttempts: 1,
    lostAttempts: 1,
    checkpointBlob: undefined,
  });
});

t.test("M9 a step that failed at attempt 1 and succeeded at attempt 2 has succeeded", async (t) => {
  for (const first of [retried("a", 1, 0), failed("a", 1)]) {
    const run = project(chain, chainEdges, [runStarted, started("a"), first, started("a", 2), succeeded("a", 2)]);
    t.match(stepOf(run, "a"), { state: "succeeded", attemptsMade: 2, lastErrorKind: undefined, errorBlob: undefined });
    t.match(run, { failedSteps: 0 });
    t.equal(stepOf(run, "b")?.state, "queued");
  }
});

t.test("a running step shows its open attempt", async (t) => {
  const run = project(chain, chainEdges, [runStarted, started("a")]);
  t.match(stepOf(run, "a"), { state: "running", openAttempt: { attempt: 1, leaseEpoch: 101 }, attemptsMade: 1 });
});

t.test("a refusal fails the step without an attempt; a skip says why", async (t) => {
  const run = project(chain, chainEdges, [refused("a"), skipped("b"), skipped("c"), ended("run_failed")]);
  t.match(stepOf(run, "a"), { state: "failed", attemptsMade: 0, errorAttempts: 0, lastErrorKind: "policy_denied" });
  t.match(stepOf(run, "c"), { state: "skipped", skipReason: "dependency_failed" });
  t.match(run, {
    state: "failed",
    openSteps: 0,
    failedSteps: 1,
    finalSnapshotId: "f".repeat(64),
    startedAtMs: undefined,
  });
});

t.test("an exhausted step counts its last attempt as lost, in one event or in two", async (t) => {
  const exhausted = { error_kind: "lease_exhausted" };
  const one = project(chain, chainEdges, [started("a"), failed("a", 1, exhausted)]);
  const two = project(chain, chainEdges, [started("a"), lost("a", 1), failed("a", 1, exhausted)]);
  for (const run of [one, two]) t.match(stepOf(run, "a"), { state: "failed", lostAttempts: 1, errorAttempts: 0 });
});

t.test("a redaction moves the step to the patched input", async (t) => {
  const run = project(chain, chainEdges, [["step_input_redacted", "a", { paths: ["/inputs/x"], blob_id: "in-a2" }]]);
  t.equal(stepOf(run, "a")?.inputBlob, "in-a2");
});

t.test("S6 a breakpoint pauses once, siblings settle meanwhile, resume goes back to the state before", async (t) => {
  const steps = [step("a"), step("b", { execution: { deadline_ms: 100 } })];
  const met: Line = ["run_paused", "b", { step_id: "b", reason: "breakpoint", target: "step", value: "b" }];
  const breakpoints = [
    { target: "step", value: "b" },
    { target: "slug", value: "b" },
  ];
  const paused = [runStarted, started("a"), met, succeeded("a")];
  const run = project(steps, [], paused, { breakpoints });
  t.match(run, {
    state: "paused_at_step",
    activePause: { from: "running", stepId: "b", reason: "breakpoint", atMs: 1_030 },
  });
  t.same(run.breakpoints, [{ target: "slug", value: "b" }]);
  t.equal(stepOf(run, "a")?.state, "succeeded");
  const resumed = project(steps, [], [...paused, ["run_resumed"]], { breakpoints });
  t.match(resumed, { state: "running", activePause: undefined });
  t.equal(stepOf(resumed, "b")?.deadlineAtMs, 1_100 + 20, "time paused does not count");
});

t.test("a run paused before its first start has begun when a leased step starts", async (t) => {
  const pause: Line = ["run_paused", undefined, { reason: "operator" }];
  const run = project(chain, chainEdges, [pause, runStarted, started("a")]);
  t.match(run, { state: "paused_at_step", activePause: { from: "running", stepId: undefined } });
});

t.test("a held step's deadline stands still, also across a pause", async (t) => {
  const held: Line = ["step_held", "a", { hold_record: "r", approval_id: "ap" }];
  const pause: Line = ["run_paused", undefined, { reason: "operator" }];
  const granted: Line = ["approval_granted", "a"];
  t.match(stepOf(project(chain, chainEdges, [held]), "a"), { state: "held", approvalId: "ap" });
  const deadline = (lines: readonly Line[]) => stepOf(project(chain, chainEdges, lines), "a")?.deadlineAtMs;
  t.equal(deadline([held, granted]), 2_010);
  t.equal(deadline([held, pause, ["run_resumed"], granted]), 2_030);
  t.equal(deadline([held, pause, granted, ["run_resumed"]]), 2_030);
  const back = stepOf(project(chain, chainEdges, [held, granted]), "a");
  t.match(back, { state: "queued", readyAtMs: 1_000 }, "the wait before the hold keeps its place");
});

t.test("breakpoints are set and removed on a live run", async (t) => {
  const set: Line = ["breakpoint_set", undefined, { target: "type", value: "http" }];
  t.same(project(chain, chainEdges, [set, set]).breakpoints, [{ target: "type", value: "http" }]);
  t.same(
    project(chain, chainEdges, [set, ["breakpoint_removed", undefined, { target: "type", value: "http" }]]).breakpoints,
    [],
  );
});

t.test("a cancelled run frees no successors; what it had running counts its attempt", async (t) => {
  const run = project(chain, chainEdges, [
    runStarted,
    started("a"),
    ["run_cancel_requested", undefined, { by: "key:k" }],
    ["step_cancelled", "b"],
    ["step_cancelled", "c"],
    ["step_cancelled", "a", { attempt: 1, lease_epoch: 101 }],
    ended("run_cancelled"),
  ]);
  t.same(statesOf(run), { a: "cancelled", b: "cancelled", c: "cancelled" });
  t.match(run, { state: "cancelled", isCancelled: true });
  t.match(stepOf(run, "a"), { attemptsMade: 1, errorAttempts: 1, lastErrorKind: "cancelled" });
  const late = project(chain, chainEdges, [started("a"), ["run_cancel_requested"], succeeded("a")]);
  t.same(statesOf(late), { a: "succeeded", b: "blocked", c: "blocked" });
  t.equal(late.state, "cancelling");
});

const saga = [
  undoing("a", "ua", "failure_of_run"),
  undoing("b", "ub", "failure_of_run"),
  step("c"),
  step("ua"),
  step("ub"),
];
const sagaEdges: Edges = [
  ["a", "b"],
  ["b", "c"],
];
const sagaFails: readonly Line[] = [
  runStarted,
  started("a"),
  succeeded("a"),
  started("b"),
  succeeded("b"),
  refused("c"),
  scheduled("a", "ua"),
  scheduled("b", "ub"),
  ["run_compensating"],
];

t.test("A7 targets run one after another, in reverse order of their origins' ends", async (t) => {
  const first = project(saga, sagaEdges, sagaFails);
  t.match(statesOf(first), { ua: "blocked", ub: "queued" });
  t.match(stepOf(first, "ub"), { isCompensationScheduled: true, readyAtMs: 1_090 });
  t.match(first, { state: "compensating", openSteps: 0, failedSteps: 1 });
  const second = project(saga, sagaEdges, [...sagaFails, started("ub"), failed("ub")]);
  t.match(statesOf(second), { ua: "queued", ub: "failed" }, "one that fails does not stop the next");
  t.equal(second.failedSteps, 1, "a failed target is no failed step");
  const done = project(saga, sagaEdges, [
    ...sagaFails,
    started("ub"),
    failed("ub"),
    started("ua"),
    succeeded("ua"),
    ended("run_failed"),
  ]);
  t.match(statesOf(done), { ua: "succeeded", ub: "failed" });
});

t.test("no target's turn comes while the run is paused", async (t) => {
  const pause: Line = ["run_paused", undefined, { reason: "operator" }];
  const paused = [...sagaFails, started("ub"), pause, succeeded("ub")];
  t.equal(stepOf(project(saga, sagaEdges, paused), "ua")?.state, "blocked");
  t.equal(stepOf(project(saga, sagaEdges, [...paused, ["run_resumed"]]), "ua")?.state, "queued");
});

t.test("a log that does not fit the manifest or itself is refused", async (t) => {
  const refusals: readonly { why: string; lines: readonly Line[]; code: string; detail: object }[] = [
    {
      why: "M10 a step that the plan does not have",
      lines: [started("x")],
      code: "STEP_NOT_IN_PLAN",
      detail: { step: "x", seq: 2 },
    },
    {
      why: "a broken invariant",
      lines: [succeeded("a")],
      code: "INVALID_LOG",
      detail: { reason: "no_matching_start" },
    },
    {
      why: "a kind of error we do not have",
      lines: [failed("a", 1, { error_kind: "bad luck" })],
      code: "INVALID_LOG",
      detail: { member: "error_kind" },
    },
    {
      why: "a redaction without a blob",
      lines: [["step_input_redacted", "a"]],
      code: "INVALID_LOG",
      detail: { member: "blob_id" },
    },
    { why: "a resume of no pause", lines: [["run_resumed"]], code: "INVALID_LOG", detail: { member: "run_paused" } },
    {
      why: "a target of another step",
      lines: [scheduled("a", "b")],
      code: "INVALID_LOG",
      detail: { member: "target" },
    },
    {
      why: "a pause at an unnamed breakpoint",
      lines: [["run_paused", "a", { reason: "breakpoint" }]],
      code: "INVALID_LOG",
      detail: { member: "breakpoint" },
    },
  ];
  for (const { why, lines, code, detail } of refusals) {
    t.match(
      refusalOf(() => project(chain, chainEdges, lines)),
      { code, detail },
      why,
    );
  }
  const { manifest } = manifestOf(chain);
  t.equal(refusalOf(() => projectRun(RUN_UID, manifest, []))?.code, "MISSING_RUN_SUBMITTED");
  t.match(
    refusalOf(() => projectRun(RUN_UID, manifest, logOf([submitted(manifest, { inputs: { a: "x" } })]))),
    {
      code: "INVALID_LOG",
      detail: { member: "b" },
    },
  );
});
