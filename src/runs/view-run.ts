/**
 * A run as its readers see it: rows turned into the view's words. Times are RFC 3339, money micro-USD.
 *
 * No payload beside the labels, which are opened by the caller of this file. Not here: reading rows (storage/).
 */
import type { JsonObject } from "../core/json.ts";
import { isStepEnded } from "../core/state.ts";
import type { BudgetRow, EventRow, RunHeadRow, RunRow, StepRow } from "./ports.ts";

const timeText = (atMs: number): string => new Date(atMs).toISOString();

export function viewRunHead(run: RunHeadRow) {
  return {
    run_uid: run.runUid,
    ...(run.runId === undefined ? {} : { id: run.runId }),
    kind: run.kind,
    status: run.status,
    op_id: run.opId,
    manifest_id: run.manifestId,
    priority: run.priority,
    submitted_at: timeText(run.submittedAtMs),
    ...(run.startedAtMs === undefined ? {} : { started_at: timeText(run.startedAtMs) }),
    ...(run.endedAtMs === undefined ? {} : { ended_at: timeText(run.endedAtMs) }),
  };
}

export function viewRun(run: RunRow, steps: readonly StepRow[], labels: Readonly<Record<string, string>> | undefined) {
  const failed = steps.filter((step) => step.state === "failed").map((step) => step.stepId);
  return {
    ...viewRunHead(run),
    ...(labels === undefined ? {} : { labels }),
    steps: steps.map(viewStep),
    budget: viewBudget(run),
    ...(run.pause === undefined
      ? {}
      : {
          active_pause: {
            ...(run.pause.stepId === undefined ? {} : { step_id: run.pause.stepId }),
            started_at: timeText(run.pause.atMs),
          },
        }),
    ...(run.finalSnapshotId === undefined ? {} : { final_snapshot_id: run.finalSnapshotId }),
    ...(run.endedAtMs === undefined
      ? {}
      : {
          outcome: {
            failed_steps: failed,
            ...(run.sealRecord === undefined ? {} : { seal_record_id: run.sealRecord }),
          },
        }),
  };
}

function viewStep(step: StepRow) {
  const isTrying = !isStepEnded(step.state) && step.state !== "blocked";
  return {
    id: step.stepId,
    type: step.type,
    ...(step.slug === undefined ? {} : { slug: step.slug }),
    status: step.state,
    attempt: step.attemptsMade,
    depends_on: step.dependsOn,
    ...(step.notBeforeMs === undefined || !isTrying ? {} : { not_before: timeText(step.notBeforeMs) }),
    ...(step.errorKind === undefined ? {} : { error_kind: step.errorKind }),
    reasons: step.reasons,
    record_ids: step.recordIds,
    ...(step.decisionArtifact === undefined ? {} : { decision_artifact: step.decisionArtifact }),
    ...(step.provider === undefined ? {} : { provider: step.provider }),
    ...(step.providerVersion === undefined ? {} : { provider_version: step.providerVersion }),
    ...(step.approval === undefined
      ? {}
      : {
          approval: {
            approval_id: step.approval.approvalId,
            role: step.approval.role,
            expires_at: timeText(step.approval.expiresAtMs),
          },
        }),
    cost: { tokens: step.tokens, usd_micros: step.usdMicros },
  };
}

export function viewBudget({ budget }: Pick<RunRow, "budget">) {
  const untracked: BudgetRow = { limit: undefined, used: 0, reserved: 0, overrun: 0 };
  return {
    tracked: budget !== undefined,
    tokens: viewAllowance(budget?.tokens ?? untracked),
    usd_micros: viewAllowance(budget?.usdMicros ?? untracked),
  };
}

function viewAllowance({ limit, used, reserved, overrun }: BudgetRow) {
  return {
    ...(limit === undefined ? {} : { limit, remaining: Math.max(0, limit - used - reserved) }),
    used,
    reserved,
    overrun,
  };
}

export function viewEvent(event: EventRow, traceparent: string | undefined) {
  return {
    seq: event.seq,
    type: event.type,
    ...(event.stepId === undefined ? {} : { step_id: event.stepId }),
    at: timeText(event.atMs),
    ...(traceparent === undefined ? {} : { trace: traceparent }),
    data: event.data satisfies JsonObject,
  };
}
