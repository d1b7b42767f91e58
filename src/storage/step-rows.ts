/**
 * A step with its live state as a row: the columns that statements/runs.ts names, and what they mean.
 */
import type { ErrorKind } from "../core/error-kind.ts";
import type { BlobId, RecordId, StepId } from "../core/ids.ts";
import type { StepState } from "../core/state.ts";
import type { StepRow } from "../runs/ports.ts";

export interface StepColumns {
  readonly step_id: StepId;
  readonly type: string;
  readonly slug: string | null;
  readonly state: StepState;
  readonly attempts_made: number;
  readonly not_before_ms: number | null;
  readonly error_kind: ErrorKind | null;
  readonly reasons: readonly string[];
  readonly decision_artifact: string | null;
  readonly provider: string | null;
  readonly provider_version: string | null;
  readonly actual_tokens: number;
  readonly actual_usd_micros: number;
  readonly output_blob: BlobId | null;
  readonly approval_id: string | null;
  readonly approval_role: string | null;
  readonly approval_expires_at_ms: number | null;
  readonly depends_on: readonly StepId[];
  readonly record_ids: readonly RecordId[];
}

export function stepRow(row: StepColumns): StepRow {
  return {
    stepId: row.step_id,
    type: row.type,
    slug: row.slug ?? undefined,
    state: row.state,
    attemptsMade: row.attempts_made,
    notBeforeMs: row.not_before_ms ?? undefined,
    errorKind: row.error_kind ?? undefined,
    reasons: row.reasons,
    decisionArtifact: row.decision_artifact ?? undefined,
    provider: row.provider ?? undefined,
    providerVersion: row.provider_version ?? undefined,
    tokens: row.actual_tokens,
    usdMicros: row.actual_usd_micros,
    outputBlob: row.output_blob ?? undefined,
    approval: approvalOf(row),
    dependsOn: row.depends_on,
    recordIds: row.record_ids,
  };
}

function approvalOf({
  approval_id: approvalId,
  approval_role: role,
  approval_expires_at_ms: expiresAtMs,
}: StepColumns) {
  return approvalId === null || role === null || expiresAtMs === null ? undefined : { approvalId, role, expiresAtMs };
}
