/**
 * How a held step ends without a start: rejected, or nobody decided in time (spec 00, error kinds).
 *
 * In: the approval's row and its signed hold. Out: the refusal record, the decision artifact and the event, for one
 * transaction. What the packs said is taken from the hold's own record. Pure.
 */
import { buildDecisionArtifact } from "../evidence/decision-artifact.ts";
import { buildRefusal } from "../evidence/refusal.ts";
import type { ApprovalRow, StepEnd } from "./ports.ts";
import type { SignedHold } from "./signed-hold.ts";

export function endHeldStep(
  { instanceUid }: { readonly instanceUid: string },
  row: ApprovalRow,
  hold: SignedHold,
  errorKind: StepEnd["errorKind"],
): StepEnd {
  const { step, evaluations } = hold.evidence;
  const artifact = buildDecisionArtifact({
    runUid: step.runUid,
    stepId: step.stepId,
    evaluations: evaluations.map((evaluation) => ({ attempt: step.attempt, evaluation })),
    attestationIds: [row.holdRecord],
    instanceUid,
    profile: "policy",
    capability: undefined,
  });
  const reasons = [errorKind];
  const record = buildRefusal({
    ...hold.evidence,
    prev: row.holdRecord,
    atMs: row.nowMs,
    errorKind,
    stage: "approval",
    reasons,
    decisionArtifact: artifact.id,
  });
  return {
    errorKind,
    record,
    artifact,
    event: {
      approval_id: row.approvalId,
      artifact: artifact.id,
      budget: { reserved: { tokens: 0, usd_micros: 0 }, actual: { tokens: 0, usd_micros: 0 } },
      detail: {},
      error_kind: errorKind,
      executor: row.stepType,
      lease_epoch: row.leaseEpoch,
      reasons,
      redacted_paths: [],
      refusal_record: record.id,
      stage: "approval",
    },
  };
}
