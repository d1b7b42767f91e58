/**
 * Rebuilds a run from its manifest and its log alone, so that every row about it can be deleted (spec 00, 08).
 *
 * In: the manifest, the events in order. Out: `ProjectedRun`. Pure, one pass. Not here: what an event does
 * (apply-run-event.ts, apply-step-event.ts), comparing with rows or writing them (storage/).
 */
import { StepgateError } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import type { BlobId, RunUid, StepId } from "../core/ids.ts";
import { isStepEnded } from "../core/state.ts";
import { applyRunEvent, readBreakpoint } from "./apply-run-event.ts";
import { applyStepEvent, makeReady, type RunDraft } from "./apply-step-event.ts";
import { makeLogCheck } from "./check-log.ts";
import { compensationOrder } from "./compensation.ts";
import { listOf, objectOf, requiredText } from "./event-data.ts";
import type { Manifest } from "./manifest-shape.ts";
import { pinTool, readPin } from "./pin-tools.ts";
import { planGraph } from "./plan-graph.ts";
import type { ProjectedRun, ProjectedStep } from "./projected-run.ts";

/**
 * Projects a run. Checks the log's invariants on the way.
 *
 * @throws {StepgateError} the codes of check-log.ts, INVALID_LOG malformed_data, STEP_NOT_IN_PLAN for an event about a step
 *   that the manifest does not have: the plan always comes from the manifest.
 */
export function projectRun(runUid: RunUid, manifest: Manifest, events: Iterable<RunEvent>): ProjectedRun {
  const check = makeLogCheck(runUid);
  let draft: RunDraft | undefined;
  for (const event of events) {
    check(event);
    draft ??= beginDraft(manifest, event);
    draft.headSeq = event.seq;
    if (event.stepId !== undefined && !draft.steps.has(event.stepId))
      throw new StepgateError("STEP_NOT_IN_PLAN", { step: event.stepId, seq: event.seq });
    applyRunEvent(draft, event);
    applyStepEvent(draft, event);
    if (draft.state === "compensating") queueNextTarget(draft, event.atMs);
  }
  if (draft === undefined) throw new StepgateError("MISSING_RUN_SUBMITTED", { run_uid: runUid });
  return finish(runUid, draft);
}

function beginDraft(manifest: Manifest, submitted: RunEvent): RunDraft {
  const graph = planGraph(manifest.plan);
  const specs = new Map(manifest.plan.steps.map((spec) => [spec.id, spec]));
  const inputs = objectOf(submitted, "inputs");
  const draft: RunDraft = {
    graph,
    steps: new Map(),
    state: "pending",
    isCancelled: false,
    activePause: undefined,
    breakpoints: listOf(submitted, "breakpoints").map((one) => readBreakpoint(submitted, one)),
    headSeq: submitted.seq,
    submittedAtMs: submitted.atMs,
    startedAtMs: undefined,
    endedAtMs: undefined,
    finalSnapshotId: undefined,
  };
  for (const [idx, id] of graph.order.entries()) {
    const spec = specs.get(id);
    if (spec === undefined) throw new StepgateError("STEP_NOT_IN_PLAN", { step: id });
    draft.steps.set(id, {
      ...BLANK_STEP,
      spec: pinTool(spec, readPin(submitted, id)),
      idx,
      origin: graph.origins.get(id),
      totalDependencies: graph.totalDependencies.get(id) ?? 0,
      pendingDependencies: graph.totalDependencies.get(id) ?? 0,
      inputBlob: requiredText(submitted, id, inputs) as BlobId,
    });
  }
  for (const step of draft.steps.values()) {
    if (step.totalDependencies === 0 && step.origin === undefined) makeReady(draft, step, submitted.atMs);
  }
  return draft;
}

const BLANK_STEP = {
  state: "blocked",
  attemptsMade: 0,
  errorAttempts: 0,
  lostAttempts: 0,
  openAttempt: undefined,
  leaseEpoch: undefined,
  firstReadyAtMs: undefined,
  readyAtMs: undefined,
  notBeforeMs: undefined,
  deadlineAtMs: undefined,
  deadlineStoppedAtMs: undefined,
  outputBlob: undefined,
  outputDigest: undefined,
  checkpointBlob: undefined,
  errorBlob: undefined,
  lastErrorKind: undefined,
  skipReason: undefined,
  isCompensationScheduled: false,
  approvalId: undefined,
  waitsOn: undefined,
  endedAtMs: undefined,
  endedSeq: undefined,
} as const;

/** Targets run one after another while the run compensates, and none starts while it is paused (spec 02). */
function queueNextTarget(draft: RunDraft, atMs: number): void {
  const targets = [...draft.graph.origins].flatMap(([target, origin]) => {
    const step = draft.steps.get(target);
    return step === undefined ? [] : [{ step, target, originEndedSeq: draft.steps.get(origin)?.endedSeq ?? 0 }];
  });
  if (targets.some(({ step }) => step.state !== "blocked" && !isStepEnded(step.state))) return;
  const scheduled = targets.filter(({ step }) => step.state === "blocked" && step.isCompensationScheduled);
  const [next] = compensationOrder(scheduled);
  const step = next === undefined ? undefined : draft.steps.get(next);
  if (step !== undefined) makeReady(draft, step, atMs);
}

function finish(runUid: RunUid, draft: RunDraft): ProjectedRun {
  const { graph: _graph, steps, ...run } = draft;
  const projected = new Map<StepId, ProjectedStep>();
  for (const [id, { deadlineStoppedAtMs: _stopped, ...step }] of steps) projected.set(id, step);
  const ordinary = [...projected.values()].filter(({ origin }) => origin === undefined);
  return {
    runUid,
    ...run,
    steps: projected,
    openSteps: ordinary.filter(({ state }) => !isStepEnded(state)).length,
    failedSteps: ordinary.filter(({ state }) => state === "failed").length,
  };
}
