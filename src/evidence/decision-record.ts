/**
 * The decision record: what the packs said to one question outside a run (`POST /v1/decisions`, dialects).
 *
 * The evaluation part of an admission record with its own type: nothing was started, no chain, durable before the answer.
 */
import type { Effect, Evaluation } from "../core/decision.ts";
import type { Digest, TenantUid } from "../core/ids.ts";
import { type ToolRef, toolMembers } from "../core/tool.ts";
import { type EvidenceRecord, evaluationMembers, makeRecord, timeText } from "./statement.ts";

export interface DecisionEvidence {
  readonly tenantUid: TenantUid;
  readonly decisionUid: string;
  /** Commitment to the canonical pack input. */
  readonly inputCommitment: Digest;
  /** The dominant effect. */
  readonly effect: Effect;
  readonly evaluations: readonly Evaluation[];
  /** The newest version of the tool that was asked about; undefined for a step of another type. */
  readonly tool: ToolRef | undefined;
  readonly atMs: number;
}

/** Builds the record of one decision outside a run. Pure. */
export function buildDecision(evidence: DecisionEvidence): EvidenceRecord {
  const name = `urn:stepgate:${evidence.tenantUid}:decision:${evidence.decisionUid}`;
  return makeRecord("decision", [{ name, sha256: evidence.inputCommitment }], {
    decision_uid: evidence.decisionUid,
    effect: evidence.effect,
    evaluations: evidence.evaluations.map(evaluationMembers),
    pack_input_commitment: evidence.inputCommitment,
    tenant: evidence.tenantUid,
    time: timeText(evidence.atMs),
    tool: evidence.tool && toolMembers(evidence.tool),
  });
}
