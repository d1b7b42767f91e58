/**
 * The hold record: a step waits for an approval of exactly what was shown (spec 04, approval).
 *
 * Not here: who may approve and what became of it (approval.ts).
 */
import type { Digest } from "../core/ids.ts";
import { type GateEvidence, gateMembers, gateSubjects } from "./gate-evidence.ts";
import { type EvidenceRecord, makeRecord, timeText } from "./statement.ts";

export interface HoldEvidence extends GateEvidence {
  /** Commitment to what the approver sees: a plain digest would let a reader guess the request. */
  readonly shownCommitment: Digest;
  /** The role that may decide. */
  readonly role: string;
  readonly expiresAtMs: number;
}

/** Builds the record of one held step. Pure. */
export function buildHold(evidence: HoldEvidence): EvidenceRecord {
  return makeRecord("hold", gateSubjects(evidence), {
    ...gateMembers(evidence),
    expires: timeText(evidence.expiresAtMs),
    role: evidence.role,
    shown_commitment: evidence.shownCommitment,
  });
}
