/**
 * What requests of several resources have in common: runs by name, pages, starts, downloads.
 *
 * What holds of every port: ../ports.ts.
 */
import type { RunUid, StepId } from "../../core/ids.ts";
import type { Caller } from "./caller.ts";

/** How a path names a run: text of UUID form is always the run's uid, any other the id its submitter chose. */
export type RunRef = { readonly runUid: RunUid } | { readonly runId: string };

export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** What every start carries beside its body. */
export interface StartInput {
  readonly caller: Caller;
  /**
   * Kept with the run, in its transaction: the same key with the same submission gives the same run.
   * @throws {StepgateError} (the use case) IDEMPOTENCY_MISMATCH with another submission.
   */
  readonly idempotencyKey: string | undefined;
  /** Of the request; a trace in the body wins. */
  readonly trace: TraceContext | undefined;
}

export interface PageInput {
  readonly caller: Caller;
  /** `next` of the page before. @throws {StepgateError} (the use case) FIELD_INVALID for one it never gave. */
  readonly after: string | undefined;
  /** 1 to 200. */
  readonly limit: number;
}

export interface RunInput {
  readonly caller: Caller;
  readonly run: RunRef;
}

export interface StepInput extends RunInput {
  readonly stepId: StepId;
}

/** Bytes for a download; a reader that goes away ends the iteration. */
export interface ByteContent {
  readonly mediaType: string;
  readonly sizeBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}
