/**
 * Runs, single steps and decisions.
 *
 * What holds of every port: ../ports.ts.
 */
import type { ErrorKind } from "../../core/error-kind.ts";
import type { RunUid } from "../../core/ids.ts";
import type { DecisionRequest, RunSubmission, StepRequest } from "../../runs/submission.ts";
import type { EventPage } from "../views/event.ts";
import type { BreakpointView, CancelView, RunPage, RunView } from "../views/run.ts";
import type { DecisionSummary, DecisionView, StepPendingView, StepResultView } from "../views/step.ts";
import type { Caller } from "./caller.ts";
import type { ByteContent, PageInput, RunInput, StartInput } from "./request.ts";

export interface Runs {
  readonly submit: (
    input: StartInput & { readonly submission: RunSubmission },
  ) => Promise<{ readonly run: RunView; readonly isNew: boolean }>;
  readonly get: (input: RunInput) => Promise<RunView | undefined>;
  readonly list: (input: PageInput & { readonly status: string | undefined }) => Promise<RunPage>;
  /** Up to `limit` events after `afterSeq`, in order; `end` once the last event is in this page and the run is sealed. */
  readonly events: (
    input: RunInput & { readonly afterSeq: number; readonly limit: number },
  ) => Promise<EventPage | undefined>;
  /**
   * Calls `onChange` whenever the run's log may have grown or its seal may have been written; calls too many are
   * harmless, a missed one costs the poll interval. Returns how to stop.
   */
  readonly subscribe: (input: RunInput & { readonly onChange: () => void }) => Promise<(() => void) | undefined>;
  /** @throws {StepgateError} EVIDENCE_NOT_READY before the seal. */
  readonly evidence: (input: RunInput) => Promise<ByteContent | undefined>;
  /** Never an error for a run that has ended: `cancelled` is false then (spec 05). */
  readonly cancel: (input: RunInput) => Promise<CancelView | undefined>;
  /** @throws {StepgateError} STATE_CONFLICT when the run is neither pending nor running nor compensating. */
  readonly pause: (input: RunInput) => Promise<RunView | undefined>;
  /** @throws {StepgateError} STATE_CONFLICT when the run is not paused. */
  readonly resume: (input: RunInput) => Promise<RunView | undefined>;
  readonly breakpoints: (input: RunInput) => Promise<readonly BreakpointView[] | undefined>;
  /** Setting one twice is setting it once. @throws {StepgateError} STATE_CONFLICT when the run has ended. */
  readonly setBreakpoint: (
    input: RunInput & { readonly breakpoint: BreakpointView },
  ) => Promise<readonly BreakpointView[] | undefined>;
  /** Removing one that is not there changes nothing. */
  readonly removeBreakpoint: (
    input: RunInput & { readonly breakpoint: BreakpointView },
  ) => Promise<readonly BreakpointView[] | undefined>;
}

/** What became of a step that somebody waited for. */
export type StepOutcome =
  | { readonly kind: "succeeded"; readonly result: StepResultView }
  /** Refused before anything ran, or its output was refused. */
  | { readonly kind: "denied"; readonly end: StepEnd }
  | { readonly kind: "failed"; readonly end: StepEnd }
  /** Held, deferred, to be tried again, waiting, or longer than `waitMs`. */
  | { readonly kind: "pending"; readonly pending: StepPendingView };

export interface StepEnd {
  readonly runUid: RunUid;
  readonly stepId: string;
  readonly errorKind: ErrorKind;
  readonly reasons: readonly string[];
  readonly recordIds: readonly string[];
  readonly decision: DecisionSummary | undefined;
}

export interface Steps {
  /** Submits a one-step run and waits for its end, at most `waitMs`; the caller's leaving (`signal`) only ends the wait. */
  readonly perform: (
    input: StartInput & { readonly request: StepRequest; readonly waitMs: number; readonly signal: AbortSignal },
  ) => Promise<StepOutcome>;
}

export interface Decisions {
  /** Decides without performing; the decision record is durable before the answer. A deny is an answer. */
  readonly decide: (input: { readonly caller: Caller; readonly request: DecisionRequest }) => Promise<DecisionView>;
}
