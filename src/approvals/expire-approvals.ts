/**
 * Ends approvals whose time is up: held → failed `approval_expired`, with its record, like any other end (spec 00).
 *
 * Called by the reaper of any process; the transaction decides who was first, also against an approver. Not here: when.
 */
import { isStepgateError } from "../core/errors.ts";
import type { RunUid } from "../core/ids.ts";
import type { SignBatch } from "../evidence/batch.ts";
import { endHeldStep } from "./end-held-step.ts";
import type { ApprovalRow, ApprovalStore, EvidenceDeps, FindDueApprovals } from "./ports.ts";
import { readSignedHold } from "./signed-hold.ts";

export interface ExpireApprovalsDeps extends EvidenceDeps {
  readonly findDue: FindDueApprovals;
  readonly store: Pick<ApprovalStore, "find" | "end" | "discard">;
  readonly sign: SignBatch;
  readonly instanceUid: string;
  readonly onExpired: (runUid: RunUid) => void;
  /** A row that no signed hold stands behind: somebody wrote it by hand. */
  readonly onUnverified: (caught: unknown, approvalId: string) => void;
}

/** Makes the round; it returns how many were due. */
export function makeExpireApprovals(deps: ExpireApprovalsDeps): (limit: number) => Promise<number> {
  return async (limit) => {
    const due = await deps.findDue(limit);
    for (const { tenantUid, approvalId } of due) {
      const row = await deps.store.find(tenantUid, approvalId);
      if (row?.state === "open") await expire(deps, row);
    }
    return due.length;
  };
}

async function expire(deps: ExpireApprovalsDeps, row: ApprovalRow): Promise<void> {
  const { tenantUid, approvalId } = row;
  try {
    const stepEnd = endHeldStep(deps, row, await readSignedHold(deps, row), "approval_expired");
    const outcome = await deps.store.end({
      row,
      verdict: "expired",
      actor: "reaper",
      approver: undefined,
      record: undefined,
      reason: undefined,
      stepEnd,
      batches: [deps.sign("decision", [stepEnd.record.id]), deps.sign("artifact", [stepEnd.artifact.metadataDigest])],
    });
    if (outcome === "decided") deps.onExpired(row.runUid);
    // of a step that waits no more: left open it would be due for ever
    if (outcome === "void") await deps.store.discard(tenantUid, approvalId);
  } catch (caught) {
    if (!isStepgateError(caught, "APPROVAL_UNVERIFIED", "EVIDENCE_MALFORMED")) throw caught;
    deps.onUnverified(caught, approvalId);
    await deps.store.discard(tenantUid, approvalId);
  }
}
