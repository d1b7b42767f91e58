/**
 * The approval record: who said yes or no to which hold, for how long (spec 04, approval).
 *
 * Packs see only approvals whose record verifies. Its reason text is payload and stays sealed.
 */
import { type StepSubject, subjectUrn } from "../core/capability.ts";
import type { Digest, RecordId } from "../core/ids.ts";
import { type EvidenceRecord, makeRecord, stepMembers, timeText } from "./statement.ts";

export const VERDICTS = ["approved", "rejected"] as const;
export type ApprovalVerdict = (typeof VERDICTS)[number];

export interface ApprovalEvidence {
  readonly step: StepSubject;
  readonly holdRecord: RecordId;
  /** As the hold record has it. */
  readonly shownCommitment: Digest;
  readonly verdict: ApprovalVerdict;
  readonly approver: { readonly keyId: string; readonly owner: string; readonly role: string };
  readonly expiresAtMs: number;
  readonly atMs: number;
}

/** Builds the record of one decided approval. Pure. */
export function buildApproval(evidence: ApprovalEvidence): EvidenceRecord {
  const { approver } = evidence;
  return makeRecord("approval", [{ name: subjectUrn(evidence.step), sha256: evidence.holdRecord }], {
    approver: { key: approver.keyId, owner: approver.owner, role: approver.role },
    expires: timeText(evidence.expiresAtMs),
    hold_record: evidence.holdRecord,
    shown_commitment: evidence.shownCommitment,
    step: stepMembers(evidence.step),
    time: timeText(evidence.atMs),
    verdict: evidence.verdict,
  });
}
