/**
 * The state of a run as its log tells it: what rows in `runs`, `steps` and `ready_steps` hold (spec 00, one log per run).
 *
 * Here: the words. Not here: how events lead to them (projection.ts), what to do next (resume.ts).
 */
import type { ErrorKind } from "../core/error-kind.ts";
import type { BlobId, Digest, LeaseEpoch, RunUid, StepId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { RunState, StepState } from "../core/state.ts";
import type { OpenAttempt } from "./check-log.ts";
import type { PlannedStep } from "./manifest-shape.ts";
import type { Breakpoint } from "./submission.ts";

/** A log does not tell a leased step from a queued one: leases are not events. */
export type ProjectedStepState = Exclude<StepState, "leased">;

export interface ProjectedStep {
  readonly spec: PlannedStep;
  /** Position in topological order. */
  readonly idx: number;
  /** For a target: the step that it compensates. */
  readonly origin: StepId | undefined;
  readonly state: ProjectedStepState;
  readonly totalDependencies: number;
  readonly pendingDependencies: number;
  readonly attemptsMade: number;
  /** Of those, the ones that ended in an error, and the ones that were lost. */
  readonly errorAttempts: number;
  readonly lostAttempts: number;
  readonly openAttempt: OpenAttempt | undefined;
  /** Of the last attempt started. */
  readonly leaseEpoch: LeaseEpoch | undefined;
  readonly firstReadyAtMs: number | undefined;
  /** Since when it waits in the queue, or may after a retry. */
  readonly readyAtMs: number | undefined;
  readonly notBeforeMs: number | undefined;
  /** First ready + `deadline_ms`, moved by the time held or paused; undefined without a deadline. */
  readonly deadlineAtMs: number | undefined;
  readonly inputBlob: BlobId;
  readonly outputBlob: BlobId | undefined;
  /** Keyed digest, for snapshots. */
  readonly outputDigest: Digest | undefined;
  readonly checkpointBlob: BlobId | undefined;
  readonly errorBlob: BlobId | undefined;
  /** Of the last attempt or refusal that ended badly; a later success clears it. */
  readonly lastErrorKind: ErrorKind | undefined;
  readonly skipReason: string | undefined;
  readonly isCompensationScheduled: boolean;
  readonly approvalId: string | undefined;
  /** What a waiting step waits for, as `step_waiting` says it. */
  readonly waitsOn: JsonObject | undefined;
  readonly endedAtMs: number | undefined;
  readonly endedSeq: number | undefined;
}

export interface ActivePause {
  /** The state that resume goes back to. */
  readonly from: RunState;
  readonly stepId: StepId | undefined;
  readonly reason: string;
  readonly atMs: number;
}

export interface ProjectedRun {
  readonly runUid: RunUid;
  readonly state: RunState;
  readonly isCancelled: boolean;
  readonly activePause: ActivePause | undefined;
  readonly breakpoints: readonly Breakpoint[];
  readonly steps: ReadonlyMap<StepId, ProjectedStep>;
  /** Steps that are neither ended nor targets. */
  readonly openSteps: number;
  /** Failed steps that are no targets. */
  readonly failedSteps: number;
  readonly headSeq: number;
  readonly submittedAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
  readonly finalSnapshotId: Digest | undefined;
}
