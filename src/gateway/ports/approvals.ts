/**
 * Approvals of held steps.
 *
 * What holds of every port: ../ports.ts.
 */
import type { ApprovalDecision, ApprovalState } from "../../core/approval.ts";
import type { ApprovalPage, ApprovalView } from "../views/approval.ts";
import type { Caller } from "./caller.ts";
import type { PageInput, RunRef } from "./request.ts";

export interface ApprovalInput {
  readonly caller: Caller;
  readonly approvalId: string;
}

export interface Approvals {
  readonly list: (
    input: PageInput & { readonly state: ApprovalState | undefined; readonly run: RunRef | undefined },
  ) => Promise<ApprovalPage>;
  /** What would run is in it only for a caller with the role that must decide. @throws {StepgateError} APPROVAL_UNVERIFIED. */
  readonly get: (input: ApprovalInput) => Promise<ApprovalView | undefined>;
  /**
   * Decides, signed and audited, in one transaction with the step's move. The same decision again changes nothing.
   * @throws {StepgateError} APPROVAL_ROLE_MISSING, APPROVAL_OWN, APPROVAL_DECIDED, APPROVAL_EXPIRED, APPROVAL_VOID,
   *   APPROVAL_UNVERIFIED.
   */
  readonly decide: (
    input: ApprovalInput & { readonly decision: ApprovalDecision; readonly reason: string | undefined },
  ) => Promise<ApprovalView | undefined>;
}
