/**
 * Submitting a run: what callers send, as the start that it is (spec 02, 08).
 *
 * In: a checked submission and who sends it. Out: the run's uid and whether it is new. Not here: looking up, sealing,
 * storing (start-run.ts), HTTP.
 */
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { Principal } from "../core/tenant.ts";
import { normalizeSubmission, submissionIdentity } from "./normalize-submission.ts";
import type { StartRun } from "./start-run.ts";
import type { RunSubmission } from "./submission.ts";

export interface SubmitInput {
  readonly tenantUid: TenantUid;
  readonly caller: Principal;
  readonly submission: RunSubmission;
  readonly idempotencyKey: string | undefined;
  /** Of the request; a trace in the submission wins. */
  readonly trace: { readonly traceparent: string; readonly tracestate?: string } | undefined;
}

export type SubmitRun = (input: SubmitInput) => Promise<{ readonly runUid: RunUid; readonly isNew: boolean }>;

/** Makes the use case. @throws {StepgateError} (the use case) the codes of `normalizeSubmission` and of `StartRun`. */
export function makeSubmitRun(startRun: StartRun): SubmitRun {
  return ({ tenantUid, caller, submission, idempotencyKey, trace }) =>
    startRun({
      tenantUid,
      caller,
      runId: submission.id,
      idempotencyKey,
      identity: submissionIdentity(submission),
      make: () => ({
        run: normalizeSubmission(
          submission.trace === undefined && trace !== undefined ? { ...submission, trace } : submission,
        ),
        fork: undefined,
      }),
    });
}
