/**
 * The outcome record: how an admitted attempt ended, as reported (spec 00, records).
 *
 * Links its admission record and every token of the attempt. What a tool did beyond its report is not observed.
 */
import type { Amount } from "../core/amount.ts";
import { type StepSubject, subjectUrn } from "../core/capability.ts";
import type { Evaluation } from "../core/decision.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { ArtifactId, Digest, RecordId } from "../core/ids.ts";
import { type ToolRef, toolMembers } from "../core/tool.ts";
import { type EvidenceRecord, evaluationMembers, makeRecord, members, stepMembers, timeText } from "./statement.ts";

/** How an attempt can end; the words of its attempt row. */
export const ATTEMPT_STATUSES = ["succeeded", "failed", "retry_scheduled", "lost", "cancelled"] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

/** Who counted: the executor, the host, or nobody (then the reservation is charged). */
const USAGE_SOURCES = ["reported", "host", "assumed"] as const;
export type UsageSource = (typeof USAGE_SOURCES)[number];

export interface OutcomeEvidence {
  readonly step: StepSubject;
  readonly admissionRecord: RecordId;
  /** The admission's token first, then the renewed ones. */
  readonly jtis: readonly string[];
  readonly status: AttemptStatus;
  /** `code` is the executor's stable code, never its text. */
  readonly error: { readonly kind: ErrorKind; readonly code: string | undefined } | undefined;
  readonly usage: Amount & { readonly source: UsageSource };
  /** Commitment to the output in its form after *inspect*; undefined when nothing was stored. */
  readonly outputCommitment: Digest | undefined;
  /** The evaluations of *inspect*, in order. */
  readonly evaluations: readonly Evaluation[];
  readonly decisionArtifact: ArtifactId | undefined;
  /** The version that was called: that of the admission. */
  readonly tool: ToolRef | undefined;
  readonly startedAtMs: number;
  readonly atMs: number;
}

/** Builds the record of one ended attempt. Its `prev` is its admission record. Pure. */
export function buildOutcome(evidence: OutcomeEvidence): EvidenceRecord {
  const { error, usage, outputCommitment, tool } = evidence;
  const urn = subjectUrn(evidence.step);
  const attempt = { name: urn, sha256: evidence.admissionRecord };
  const subjects =
    outputCommitment === undefined ? [attempt] : [attempt, { name: `${urn}:output`, sha256: outputCommitment }];
  return makeRecord("outcome", subjects, {
    admission_record: evidence.admissionRecord,
    decision_artifact: evidence.decisionArtifact,
    error: error === undefined ? undefined : members({ code: error.code, kind: error.kind }),
    evaluations: evidence.evaluations.map(evaluationMembers),
    jtis: evidence.jtis,
    output_commitment: outputCommitment,
    prev: evidence.admissionRecord,
    started: timeText(evidence.startedAtMs),
    status: evidence.status,
    step: stepMembers(evidence.step),
    time: timeText(evidence.atMs),
    tool: tool === undefined ? undefined : toolMembers(tool),
    usage: { source: usage.source, tokens: usage.tokens, usd_micros: usage.usdMicros },
  });
}
