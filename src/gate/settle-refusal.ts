/**
 * Settlements of steps that did not start: refused, held, paused, put back (spec 01, settle).
 *
 * In: a stage's outcome. Out: one value for one transaction. Not here: ends of attempts (settle-attempt.ts).
 */
import { sealedForm } from "../approvals/shown-form.ts";
import type { Ids, RecordId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { buildDecisionArtifact, type DecisionArtifact } from "../evidence/decision-artifact.ts";
import { buildHold } from "../evidence/hold.ts";
import { buildRefusal, type RefusalStage } from "../evidence/refusal.ts";
import type { StageOutcome, StepContext } from "./context.ts";
import { gateRecord } from "./gate-record.ts";
import { specDigest } from "./mint.ts";
import { notifyMember } from "./notified-sinks.ts";
import { retainDays } from "./retain-days.ts";
import type { Settlement } from "./settlement.ts";

export interface SettleDeps {
  readonly instanceUid: string;
  readonly workerName: string;
  readonly ids: Ids;
  readonly databaseClock: { readonly nowMs: () => number };
}

type NotStarted = Exclude<StageOutcome, { readonly kind: "continue" }>;

export function makeSettleRefusal(deps: SettleDeps): (outcome: NotStarted) => Settlement {
  return (outcome) => {
    switch (outcome.kind) {
      case "finish":
        return settleFinish(deps, outcome);
      case "hold":
        return settleHold(deps, outcome);
      case "pause":
        return {
          ...bare(outcome.context),
          kind: "paused",
          breakpoint: outcome.breakpoint,
          event: {
            ...outcome.breakpoint,
            spec_digest: specDigest(outcome.context),
            started_at_ms: deps.databaseClock.nowMs(),
          },
        };
      case "defer":
        return {
          ...bare(outcome.context),
          kind: "deferred",
          delayMs: outcome.delayMs,
          reason: outcome.reason,
          of: outcome.of,
        };
    }
  };
}

function settleFinish(deps: SettleDeps, outcome: Extract<NotStarted, { kind: "finish" }>): Settlement {
  const { context, errorKind, reasons, detail } = outcome;
  const common = gateRecord(context, deps.databaseClock.nowMs());
  const artifact = decisionArtifact(deps, context, []);
  const stage: RefusalStage = outcome.stage === "breakpoint" ? "deadline" : outcome.stage;
  const record = buildRefusal({ ...common.evidence, errorKind, stage, reasons, decisionArtifact: artifact?.id });
  return {
    ...bare(context),
    kind: "refused",
    errorKind,
    reasons,
    records: [record],
    artifact,
    evaluations: common.evaluations(record.id),
    blobs: common.blobs,
    redaction: common.redaction,
    events: [
      ...(common.redaction === undefined
        ? []
        : [{ type: "step_input_redacted" as const, data: common.redaction.event }]),
      {
        type: "step_refused",
        data: {
          error_kind: errorKind,
          stage,
          reasons,
          refusal_record: record.id,
          lease_epoch: context.step.leaseEpoch,
          executor: context.step.spec.type,
          redacted_paths: context.patchPaths,
          detail,
          ...notifyMember(context.evaluations, context),
          budget: { reserved: { tokens: 0, usd_micros: 0 }, actual: { tokens: 0, usd_micros: 0 } },
          ...(artifact === undefined ? {} : { artifact: artifact.id }),
        },
      },
    ],
    audit: auditOf(deps, context, { action: "step.failed", status: "failed" }),
  };
}

function settleHold(deps: SettleDeps, outcome: Extract<NotStarted, { kind: "hold" }>): Settlement {
  const { context, role, ttlSeconds, formText } = outcome;
  const nowMs = deps.databaseClock.nowMs();
  const common = gateRecord(context, nowMs);
  const approvalId = deps.ids.uuid();
  const { vault } = context;
  const shown = vault.commit(formText);
  const place = { runUid: context.step.runUid, stepId: context.step.stepId, field: "approval" } as const;
  const shownBlob = vault.seal(place, sealedForm(formText, shown.nonce));
  const expiresAtMs = nowMs + ttlSeconds * 1000;
  const record = buildHold({
    ...common.evidence,
    shownCommitment: shown.commitment,
    role,
    expiresAtMs,
  });
  return {
    ...bare(context),
    kind: "held",
    approval: {
      approvalId,
      holdRecord: record.id,
      shownDigest: vault.digest("approval", formText),
      shownBlob: shownBlob.blobId,
      role,
      expiresAtMs,
    },
    records: [record],
    evaluations: common.evaluations(record.id),
    blobs: [...common.blobs, shownBlob],
    redaction: common.redaction,
    events: [
      ...(common.redaction === undefined
        ? []
        : [{ type: "step_input_redacted" as const, data: common.redaction.event }]),
      {
        type: "step_held",
        data: {
          hold_record: record.id,
          approval_id: approvalId,
          role,
          expires_at_ms: expiresAtMs,
          executor: context.step.spec.type,
          lease_epoch: context.step.leaseEpoch,
          ...notifyMember(context.evaluations, context),
        },
      },
    ],
    audit: auditOf(deps, context, { action: "step.held", status: "held" }),
  };
}

/** The decision artifact of one end of a step, or undefined when no pack and no guard ever looked at it. */
export function decisionArtifact(
  deps: Pick<SettleDeps, "instanceUid">,
  context: StepContext,
  attestationIds: readonly RecordId[],
  after: StepContext["evaluations"] = [],
): DecisionArtifact | undefined {
  const { step } = context;
  const evaluations = [...context.evaluations, ...after];
  if (evaluations.length === 0) return undefined;
  return buildDecisionArtifact({
    runUid: step.runUid,
    stepId: step.stepId,
    evaluations: evaluations.map((evaluation) => ({ attempt: step.attempt, evaluation })),
    attestationIds,
    instanceUid: deps.instanceUid,
    profile: "policy",
    capability: undefined,
  });
}

export function auditOf(
  deps: Pick<SettleDeps, "workerName">,
  { step }: StepContext,
  {
    action,
    status,
    notBeforeMs,
  }: { readonly action: string; readonly status: string; readonly notBeforeMs?: number | undefined },
): NonNullable<Settlement["audit"]> {
  const resource: JsonObject = {
    attempt: step.attempt,
    ...(notBeforeMs === undefined ? {} : { not_before_ms: notBeforeMs }),
    run_id: step.runUid,
    status,
    step_id: step.stepId,
    worker: deps.workerName,
  };
  return { actor: "scheduler", action, resource };
}

/** A settlement that writes nothing but its state; callers add what they have. */
export function bare({ step, obligations }: StepContext): Omit<Settlement, "kind"> {
  return {
    address: { tenantUid: step.tenantUid, runUid: step.runUid, stepId: step.stepId, leaseEpoch: step.leaseEpoch },
    retainDays: retainDays(obligations),
    events: [],
    records: [],
    artifact: undefined,
    evaluations: undefined,
    blobs: [],
    redaction: undefined,
    audit: undefined,
  } as Omit<Settlement, "kind">;
}
