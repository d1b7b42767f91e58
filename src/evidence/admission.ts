/**
 * The admission record: a step was permitted, under this token and reservation. Durable before the effect.
 *
 * One per attempt. Permitted is not performed: what happened is in the outcome record (outcome.ts).
 */
import type { Amount } from "../core/amount.ts";
import type { Digest, RecordId } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import { type GateEvidence, gateMembers, gateSubjects } from "./gate-evidence.ts";
import { type EvidenceRecord, makeRecord } from "./statement.ts";

export interface AdmissionEvidence extends GateEvidence {
  /** UUIDv7 made before *mint*; the token carries it too, so token and record need not know each other's digest. */
  readonly admissionUid: string;
  readonly token: { readonly jti: string; readonly scopeDigest: Digest };
  readonly reserved: Amount;
  readonly isolation: IsolationLevel;
  /** The tenant allows levels below the floors for this step's type, by its name. */
  readonly isWeakerIsolationAllowed: boolean;
  /** The approval that *admit* consumed. */
  readonly approvalRecord: RecordId | undefined;
}

/** Builds the record of one admitted attempt. Pure. */
export function buildAdmission(evidence: AdmissionEvidence): EvidenceRecord {
  return makeRecord("admission", gateSubjects(evidence), {
    ...gateMembers(evidence),
    admission_uid: evidence.admissionUid,
    approval_record: evidence.approvalRecord,
    isolation: evidence.isolation,
    reservation: { tokens: evidence.reserved.tokens, usd_micros: evidence.reserved.usdMicros },
    weaker_isolation_allowed: evidence.isWeakerIsolationAllowed || undefined,
    token: { jti: evidence.token.jti, scope_digest: evidence.token.scopeDigest },
  });
}
