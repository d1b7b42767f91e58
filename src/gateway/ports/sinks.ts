/**
 * Where events go.
 *
 * What holds of every port: ../ports.ts.
 */
import type { RunUid } from "../../core/ids.ts";
import type {
  DeliveryPage,
  PutSinkView,
  SinkDeadLetterPage,
  SinkPage,
  SinkRedriveView,
  SinkSecretView,
  SinkSubmission,
  SinkView,
} from "../views/sink.ts";
import type { Caller } from "./caller.ts";
import type { PageInput } from "./request.ts";

export interface SinkInput {
  readonly caller: Caller;
  readonly name: string;
}

export interface Sinks {
  readonly list: (input: PageInput) => Promise<SinkPage>;
  readonly get: (input: SinkInput) => Promise<SinkView | undefined>;
  /**
   * Makes or replaces a sink, audited; the secret of a new one is in this answer only.
   * @throws {StepgateError} FIELD_INVALID for no URL, SINK_HOST_NOT_APPROVED.
   */
  readonly put: (
    input: SinkInput & { readonly submission: SinkSubmission },
  ) => Promise<{ readonly sink: PutSinkView; readonly isNew: boolean }>;
  /** Makes a new secret, audited; the one before stays good for a day. @throws {StepgateError} STATE_CONFLICT beside a change. */
  readonly rotate: (input: SinkInput) => Promise<SinkSecretView | undefined>;
  /** Removes it with everything that waits for it, audited. */
  readonly remove: (input: SinkInput) => Promise<true | undefined>;
  readonly waiting: (input: SinkInput & PageInput) => Promise<DeliveryPage | undefined>;
  readonly deadLetters: (input: SinkInput & PageInput) => Promise<SinkDeadLetterPage | undefined>;
  /** Sends dead letters again, audited; with the ids that they had. */
  readonly redrive: (
    input: SinkInput & { readonly runUid: RunUid | undefined },
  ) => Promise<SinkRedriveView | undefined>;
}
