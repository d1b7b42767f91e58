/**
 * The queue and what died in it.
 *
 * What holds of every port: ../ports.ts.
 */
import type { JsonObject } from "../../core/json.ts";
import type { DeadLetterPage, DeadLetterView, QueueView, WaitView } from "../views/queue.ts";
import type { RunView } from "../views/run.ts";
import type { Caller } from "./caller.ts";
import type { PageInput, StepInput } from "./request.ts";

export interface Queue {
  readonly get: (input: { readonly caller: Caller }) => Promise<QueueView>;
  /** Audited; without a type the whole tenant. @throws {StepgateError} PLAN_UNKNOWN_TYPE for a type without an executor. */
  readonly setPaused: (input: {
    readonly caller: Caller;
    readonly type: string | undefined;
    readonly isPaused: boolean;
  }) => Promise<QueueView>;
  readonly waits: (input: StepInput) => Promise<WaitView | undefined>;
}

export interface DeadLetters {
  readonly list: (input: PageInput) => Promise<DeadLetterPage>;
  readonly get: (input: StepInput) => Promise<DeadLetterView | undefined>;
  /**
   * Goes on from the step in a new run; the same key with the same request gives the same run.
   * @throws {StepgateError} STATE_CONFLICT for a run that has not ended, or a step that also needs one that did not
   *   succeed; BLOB_ERASED when its inputs are gone.
   */
  readonly redrive: (
    input: StepInput & { readonly inputs: JsonObject | undefined; readonly idempotencyKey: string | undefined },
  ) => Promise<{ readonly run: RunView; readonly isNew: boolean } | undefined>;
}
