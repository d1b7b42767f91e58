/**
 * What every record says that is made before a step starts: who, what was asked, who decided (spec 00, records).
 *
 * Shared by admission, refusal and hold, so that the three cannot drift apart. Commitments and digests, never payload.
 * Not here: what only one of them says (admission.ts, refusal.ts, hold.ts).
 */
import { type StepSubject, subjectUrn } from "../core/capability.ts";
import type { Evaluation, PackRef } from "../core/decision.ts";
import type { Digest, RecordId } from "../core/ids.ts";
import { type ToolRef, toolMembers } from "../core/tool.ts";
import {
  evaluationMembers,
  type Members,
  packMembers,
  type StatementSubject,
  stepMembers,
  timeText,
} from "./statement.ts";

export interface GateEvidence {
  readonly step: StepSubject;
  readonly specDigest: Digest;
  /** Commitment to the canonical request, in the form after all patches. */
  readonly requestCommitment: Digest;
  /** Commitment to the last pack input; undefined only when no pack was asked. */
  readonly packInputCommitment: Digest | undefined;
  /** The runtime pack that decided; undefined when the step ended before that. */
  readonly pack: PackRef | undefined;
  /** The version that the step is bound to; undefined for a step of another type. */
  readonly tool: ToolRef | undefined;
  /** In the order of the stages. */
  readonly evaluations: readonly Evaluation[];
  /** The previous record of the same step (admission, refusal, hold or outcome). */
  readonly prev: RecordId | undefined;
  readonly atMs: number;
}

/** The request, as the subject of the statement. */
export function gateSubjects(evidence: GateEvidence): readonly StatementSubject[] {
  return [{ name: subjectUrn(evidence.step), sha256: evidence.requestCommitment }];
}

export function gateMembers(evidence: GateEvidence): Members {
  const { pack, tool } = evidence;
  return {
    evaluations: evidence.evaluations.map(evaluationMembers),
    pack: pack === undefined ? undefined : packMembers(pack),
    pack_input_commitment: evidence.packInputCommitment,
    prev: evidence.prev,
    request_commitment: evidence.requestCommitment,
    spec_digest: evidence.specDigest,
    step: stepMembers(evidence.step),
    time: timeText(evidence.atMs),
    tool: tool === undefined ? undefined : toolMembers(tool),
  };
}
