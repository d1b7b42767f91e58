/**
 * What has to happen to a run that nobody was looking after, from manifest and log alone (spec 08, resume).
 *
 * In two steps, since the log names the manifest: `beginResume` reads the log, `planResume` decides. Out: data; nothing is
 * written and the same log gives the same answer every time. Not here: carrying it out (storage/, scheduler/).
 */
import { StepgateError } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import { TERMINAL_RUN_EVENTS } from "../core/event.ts";
import type { Digest, RunUid, StepId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { isStepEnded, type RunState } from "../core/state.ts";
import { checkLog, type OpenAttempt } from "./check-log.ts";
import { compensationOrder, targetVerdict } from "./compensation.ts";
import { optionalText, requiredText } from "./event-data.ts";
import { type makeReadManifest, planDigest, type StoredManifest } from "./manifest.ts";
import { isForeignDigest } from "./match-manifest.ts";
import type { ProjectedRun, ProjectedStep } from "./projected-run.ts";
import { projectRun } from "./projection.ts";

export type LogReading =
  /** The log alone answers; no manifest, pack or executor is needed, and nothing is to be written. */
  | {
      readonly kind: "ended";
      readonly state: RunState;
      readonly finalSnapshotId: Digest | undefined;
      readonly endedAtMs: number;
    }
  | {
      readonly kind: "open";
      readonly runUid: RunUid;
      readonly manifestId: Digest;
      readonly opId: string;
      readonly events: readonly RunEvent[];
    };

/** What to do about one step. */
export type StepAction =
  | { readonly kind: "none" }
  /** Its dependencies are not met, or its turn as a target has not come. */
  | { readonly kind: "stay_blocked" }
  | { readonly kind: "await_approval"; readonly approvalId: string | undefined }
  | { readonly kind: "await_event"; readonly waitsOn: JsonObject }
  /** May be claimed; not before the given time, which stands in the log and not in anyone's memory. */
  | { readonly kind: "queue"; readonly notBeforeMs: number | undefined }
  /** Started, and nobody said how it ended: close the attempt as lost; the next has the same base. */
  | { readonly kind: "close_lost"; readonly open: OpenAttempt; readonly afterwards: "queue" | "fail" | "cancel" }
  | { readonly kind: "cancel" }
  | { readonly kind: "skip"; readonly reason: "dependency_failed" | "fail_fast" | "compensation_not_needed" }
  | { readonly kind: "schedule_compensation"; readonly origin: StepId };

/** What to do about the run, after its steps. */
export type RunAction =
  /** Steps are open; whoever ends the last of them goes on. */
  | { readonly kind: "work" }
  /** Nothing starts before someone resumes it. */
  | { readonly kind: "stay_paused" }
  /** Only targets are left: enter `compensating` and run these, one after another. */
  | { readonly kind: "compensate"; readonly targets: readonly StepId[] }
  /** Every step has ended and the log has no terminal event: append it. */
  | { readonly kind: "finalise"; readonly state: RunEnd };

export type RunEnd = "succeeded" | "failed" | "cancelled";

export interface ResumePlan {
  readonly run: ProjectedRun;
  readonly manifest: StoredManifest;
  /** In topological order, targets last. */
  readonly steps: ReadonlyMap<StepId, StepAction>;
  readonly next: RunAction;
}

export interface ResumeDeps {
  readonly readManifest: ReturnType<typeof makeReadManifest>;
  /** Losses after which a step fails `lease_exhausted` (spec 00: 5). */
  readonly maxLostAttempts: number;
}

/**
 * Reads a run's log: whether it has ended, and else which manifest it needs.
 *
 * @throws {StepgateError} RUN_NOT_FOUND for a log without events, then RUN_ID_MISMATCH, MISSING_RUN_SUBMITTED, INVALID_LOG.
 */
export function beginResume(runUid: RunUid, events: readonly RunEvent[]): LogReading {
  const [submitted] = events;
  if (submitted === undefined) throw new StepgateError("RUN_NOT_FOUND", { run_uid: runUid });
  checkLog(runUid, events);
  const terminal = events.findLast(({ type }) => TERMINAL_RUN_EVENTS.includes(type));
  if (terminal !== undefined) {
    return {
      kind: "ended",
      state: terminal.type.slice("run_".length) as RunState,
      finalSnapshotId: optionalText(terminal, "final_snapshot_id") as Digest | undefined,
      endedAtMs: terminal.atMs,
    };
  }
  const manifestId = requiredText(submitted, "manifest_id") as Digest;
  return { kind: "open", runUid, manifestId, opId: requiredText(submitted, "op_id"), events };
}

/**
 * Makes the decision what each step of an open run needs. `stored` is what is kept under the log's manifest id.
 *
 * @throws {StepgateError} (the decision) MANIFEST_NOT_FOUND, MANIFEST_DECODE_FAILED, MANIFEST_CORRUPT,
 *   MANIFEST_DESERIALIZE_FAILED, UNSUPPORTED_EXECUTION_MODE, RUN_SUBMITTED_OP_ID_MISMATCH, PLAN_OP_ID_MISMATCH,
 *   STEP_NOT_IN_PLAN; in this order.
 */
export function makePlanResume({ readManifest, maxLostAttempts }: ResumeDeps) {
  return (log: Extract<LogReading, { readonly kind: "open" }>, stored: string | Uint8Array | undefined): ResumePlan => {
    const { runUid, manifestId, opId, events } = log;
    if (stored === undefined) throw new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: manifestId });
    const manifest = readManifest(stored, manifestId);
    if (opId !== manifest.manifest.op_id) throw new StepgateError("RUN_SUBMITTED_OP_ID_MISMATCH", { run_uid: runUid });
    if (isForeignDigest(opId, manifest))
      throw new StepgateError("PLAN_OP_ID_MISMATCH", { plan: planDigest(manifest.manifest.plan) });
    const run = projectRun(runUid, manifest.manifest, events);
    const ordinary = ordinaryActions(run, manifest, maxLostAttempts);
    const isOpen = [...ordinary.values()].some(isStillOpen);
    const targets = targetActions(run, { isOpen, maxLostAttempts });
    const next = runAction(run, { isOpen, targets });
    return { run, manifest, steps: new Map([...ordinary, ...targets]), next };
  };
}

type Actions = ReadonlyMap<StepId, StepAction>;

function ordinaryActions(run: ProjectedRun, { manifest }: StoredManifest, maxLostAttempts: number): Actions {
  const waitsFor = dependenciesOf(manifest.plan.edges);
  const dead = new Set<StepId>();
  const isFailingFast = manifest.run_config.fail_fast && run.failedSteps > 0;
  const actions = new Map<StepId, StepAction>();
  for (const [id, step] of run.steps) {
    if (step.origin !== undefined) continue;
    const isStranded = (waitsFor.get(id) ?? []).some((from) => dead.has(from));
    const action = idleAction(run, step, { isStranded, isFailingFast }) ?? liveAction(run, step, maxLostAttempts);
    if (action.kind === "skip" || (isStepEnded(step.state) && step.state !== "succeeded")) dead.add(id);
    actions.set(id, action);
  }
  return actions;
}

/** What ends a step that nobody executes, where something does. */
function idleAction(
  run: ProjectedRun,
  step: ProjectedStep,
  { isStranded, isFailingFast }: { readonly isStranded: boolean; readonly isFailingFast: boolean },
): StepAction | undefined {
  const isIdle = step.state === "blocked" || step.state === "queued" || step.state === "held";
  if (isIdle && run.isCancelled) return { kind: "cancel" };
  if (step.state === "blocked" && isStranded) return { kind: "skip", reason: "dependency_failed" };
  if (isIdle && isFailingFast) return { kind: "skip", reason: "fail_fast" };
  return undefined;
}

function targetActions(
  run: ProjectedRun,
  { isOpen, maxLostAttempts }: { readonly isOpen: boolean; readonly maxLostAttempts: number },
): Actions {
  const actions = new Map<StepId, StepAction>();
  for (const [id, step] of run.steps) {
    const origin = step.origin === undefined ? undefined : run.steps.get(step.origin);
    const compensation = origin?.spec.execution.compensation;
    if (origin === undefined || compensation === undefined) continue;
    const isDecided = step.state !== "blocked" || step.isCompensationScheduled;
    const verdict = isDecided ? "wait" : targetVerdict(compensation.on, origin, isOpen ? undefined : runEndOf(run));
    if (verdict === "run") actions.set(id, { kind: "schedule_compensation", origin: origin.spec.id });
    else if (verdict === "skip") actions.set(id, { kind: "skip", reason: "compensation_not_needed" });
    else actions.set(id, liveAction(run, step, maxLostAttempts));
  }
  return actions;
}

function runAction(
  run: ProjectedRun,
  { isOpen, targets }: { readonly isOpen: boolean; readonly targets: Actions },
): RunAction {
  if (run.state === "paused_at_step") return { kind: "stay_paused" };
  const toRun = [...targets].filter(([, action]) => isStillOpen(action)).map(([target]) => target);
  if (isOpen || (toRun.length > 0 && run.state === "compensating")) return { kind: "work" };
  if (toRun.length === 0) return { kind: "finalise", state: runEndOf(run) };
  const withOrigins = toRun.map((target) => ({ target, originEndedSeq: originOf(run, target)?.endedSeq ?? 0 }));
  return { kind: "compensate", targets: compensationOrder(withOrigins) };
}

/** What is only to be skipped or cancelled leaves nothing to wait for. */
function isStillOpen({ kind }: StepAction): boolean {
  return kind !== "none" && kind !== "skip" && kind !== "cancel";
}

function originOf(run: ProjectedRun, target: StepId): ProjectedStep | undefined {
  const origin = run.steps.get(target)?.origin;
  return origin === undefined ? undefined : run.steps.get(origin);
}

/** A failure that a later success superseded is in the state already: only the last word about a step counts. */
function liveAction(run: ProjectedRun, step: ProjectedStep, maxLostAttempts: number): StepAction {
  switch (step.state) {
    case "succeeded":
    case "failed":
    case "skipped":
    case "cancelled":
      return { kind: "none" };
    case "blocked":
      return { kind: "stay_blocked" };
    case "held":
      return { kind: "await_approval", approvalId: step.approvalId };
    case "waiting":
      return { kind: "await_event", waitsOn: step.waitsOn ?? {} };
    case "queued":
      return { kind: "queue", notBeforeMs: step.notBeforeMs };
    case "running": {
      const open = step.openAttempt ?? { attempt: step.attemptsMade, leaseEpoch: step.leaseEpoch ?? 0 };
      if (run.isCancelled && step.origin === undefined) return { kind: "close_lost", open, afterwards: "cancel" };
      // exempt from max_attempts, bounded by its own limit (spec 00, attempts)
      return { kind: "close_lost", open, afterwards: step.lostAttempts + 1 >= maxLostAttempts ? "fail" : "queue" };
    }
  }
}

function runEndOf(run: ProjectedRun): RunEnd {
  if (run.isCancelled) return "cancelled";
  return run.failedSteps > 0 ? "failed" : "succeeded";
}

function dependenciesOf(edges: readonly (readonly [StepId, StepId])[]): ReadonlyMap<StepId, readonly StepId[]> {
  const dependencies = new Map<StepId, StepId[]>();
  for (const [from, to] of edges) {
    const before = dependencies.get(to);
    if (before === undefined) dependencies.set(to, [from]);
    else before.push(from);
  }
  return dependencies;
}
