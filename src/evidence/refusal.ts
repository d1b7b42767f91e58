/**
 * The refusal record: a step ended before it started, why and where. No token, no reservation.
 *
 * Written in the transaction that ends the step. Not here: an end during or after an attempt (outcome.ts).
 */
import type { ReasonCode } from "../core/decision.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { ArtifactId } from "../core/ids.ts";
import { type GateEvidence, gateMembers, gateSubjects } from "./gate-evidence.ts";
import { type EvidenceRecord, makeRecord } from "./statement.ts";

/** Where a step can be refused: a stage of the gate, or its approval. */
const REFUSAL_STAGES = ["deadline", "guardrails", "decide", "mint", "guard", "admit", "approval"] as const;
export type RefusalStage = (typeof REFUSAL_STAGES)[number];

export interface RefusalEvidence extends GateEvidence {
  readonly errorKind: ErrorKind;
  readonly stage: RefusalStage;
  /** All reasons, in order. */
  readonly reasons: readonly ReasonCode[];
  /** Undefined when the step never reached *guardrails*. */
  readonly decisionArtifact: ArtifactId | undefined;
}

/** Builds the record of one refused step. Pure. */
export function buildRefusal(evidence: RefusalEvidence): EvidenceRecord {
  return makeRecord("refusal", gateSubjects(evidence), {
    ...gateMembers(evidence),
    decision_artifact: evidence.decisionArtifact,
    error_kind: evidence.errorKind,
    reasons: evidence.reasons,
    stage: evidence.stage,
  });
}
