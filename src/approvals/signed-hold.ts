/**
 * The hold behind an approval row: who may decide, until when, about what; from the signed record alone (spec 10, K4).
 *
 * In: a row. Out: the hold, if its record verifies and the row says the same; anything else is APPROVAL_UNVERIFIED.
 * Not here: approvals that were given (find-approval.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";
import type { GateEvidence } from "../evidence/gate-evidence.ts";
import { readGateEvidence } from "../evidence/read-gate-evidence.ts";
import type { ApprovalRow, EvidenceDeps } from "./ports.ts";
import { readSigned } from "./signed-record.ts";

export interface SignedHold {
  readonly role: string;
  readonly expiresAtMs: number;
  readonly shownCommitment: Digest;
  /** What the packs said, as the record has it. */
  readonly evidence: GateEvidence;
}

/** Reads the hold of an approval. @throws {StepgateError} APPROVAL_UNVERIFIED. */
export async function readSignedHold(deps: EvidenceDeps, row: ApprovalRow): Promise<SignedHold> {
  const signed = await readSigned(deps, "hold", { tenantUid: row.tenantUid, recordId: row.holdRecord });
  if (signed === undefined) throw unverified(row, "hold_record");
  const { expires, role, shown_commitment: shownCommitment, step } = signed.links;
  if (step.tenant !== row.tenantUid || step.run_uid !== row.runUid || step.step !== row.stepId)
    throw unverified(row, "step");
  if (role !== row.role) throw unverified(row, "role");
  if (expires !== row.expiresAtMs) throw unverified(row, "expiry");
  const evidence = readGateEvidence(signed.predicate);
  return { role, expiresAtMs: expires, shownCommitment: shownCommitment as Digest, evidence };
}

export function unverified({ approvalId }: Pick<ApprovalRow, "approvalId">, reason: string): StepgateError {
  return new StepgateError("APPROVAL_UNVERIFIED", { approval_id: approvalId, reason });
}
