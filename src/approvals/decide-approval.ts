/**
 * Deciding an approval: one person's yes or no, signed, and the step's move with it in one transaction (spec 04).
 *
 * In: who decides and what. Out: nothing, or why not. The key must have the role that the signed hold asks for and another
 * owner than who submitted or resumed the run; the same decision again changes nothing. Not here: HTTP, reading.
 */
import { type ApprovalDecision, rolesOf } from "../core/approval.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { Principal } from "../core/tenant.ts";
import type { TenantVault } from "../core/vault.ts";
import { buildApproval } from "../evidence/approval.ts";
import type { SignBatch } from "../evidence/batch.ts";
import { endHeldStep } from "./end-held-step.ts";
import type { ApprovalEnd, ApprovalOutcome, ApprovalRow, ApprovalStore, EvidenceDeps } from "./ports.ts";
import { readSignedHold } from "./signed-hold.ts";

export interface DecideApprovalDeps extends EvidenceDeps {
  readonly store: Pick<ApprovalStore, "find" | "end">;
  readonly vault: (tenantUid: TenantUid) => Promise<Pick<TenantVault, "seal">>;
  readonly sign: SignBatch;
  readonly instanceUid: string;
  readonly onDecided: (runUid: RunUid) => void;
}

export interface ApprovalAnswer {
  readonly tenantUid: TenantUid;
  readonly caller: Principal;
  readonly approvalId: string;
  readonly decision: ApprovalDecision;
  readonly reason: string | undefined;
}

/**
 * Makes the use case; it returns false when there is no such approval in the tenant.
 *
 * @throws {StepgateError} (the use case) APPROVAL_ROLE_MISSING, APPROVAL_OWN, APPROVAL_DECIDED, APPROVAL_EXPIRED,
 *   APPROVAL_VOID, APPROVAL_UNVERIFIED.
 */
export function makeDecideApproval(deps: DecideApprovalDeps): (answer: ApprovalAnswer) => Promise<boolean> {
  return async (answer) => {
    const row = await deps.store.find(answer.tenantUid, answer.approvalId);
    if (row === undefined) return false;
    const hold = await readSignedHold(deps, row);
    const missing = rolesOf(hold.role).filter((role) => !answer.caller.roles.includes(role));
    if (missing.length > 0) throw new StepgateError("APPROVAL_ROLE_MISSING", { role: missing.join(",") });
    const outcome = await deps.store.end(await writeEnd(deps, answer, row, hold));
    refuse(outcome, row);
    if (outcome === "decided") deps.onDecided(row.runUid);
    return outcome !== "missing";
  };
}

async function writeEnd(
  deps: DecideApprovalDeps,
  { tenantUid, caller, decision, reason }: ApprovalAnswer,
  row: ApprovalRow,
  hold: Awaited<ReturnType<typeof readSignedHold>>,
): Promise<ApprovalEnd> {
  const verdict = decision === "approve" ? "approved" : "rejected";
  const { evidence, expiresAtMs, role, shownCommitment } = hold;
  const record = buildApproval({
    step: evidence.step,
    holdRecord: row.holdRecord,
    shownCommitment,
    verdict,
    approver: { keyId: caller.keyId, owner: caller.owner, role },
    expiresAtMs,
    atMs: row.nowMs,
  });
  const stepEnd = verdict === "approved" ? undefined : endHeldStep(deps, row, hold, "approval_rejected");
  const place = { runUid: row.runUid, stepId: row.stepId, field: "approval_reason" } as const;
  const vault = await deps.vault(tenantUid);
  return {
    row,
    verdict,
    actor: `key:${caller.keyId}`,
    approver: { keyId: caller.keyId, owner: caller.owner },
    record,
    reason: reason === undefined ? undefined : vault.seal(place, canonicalJson({ reason })),
    stepEnd,
    batches:
      stepEnd === undefined
        ? [deps.sign("decision", [record.id])]
        : [
            deps.sign("decision", [record.id, stepEnd.record.id]),
            deps.sign("artifact", [stepEnd.artifact.metadataDigest]),
          ],
  };
}

function refuse(outcome: ApprovalOutcome, { approvalId, state }: ApprovalRow): void {
  const detail = { approval_id: approvalId };
  switch (outcome) {
    case "decided":
    case "same":
    case "missing":
      return;
    case "own":
      throw new StepgateError("APPROVAL_OWN", detail);
    case "other":
      throw new StepgateError("APPROVAL_DECIDED", { ...detail, state });
    case "expired":
      throw new StepgateError("APPROVAL_EXPIRED", detail);
    case "void":
      throw new StepgateError("APPROVAL_VOID", detail);
  }
}
