/**
 * Stage 9, admit, first half: everything one admission writes, as one value (spec 01).
 *
 * Pure but for randomness in the vault. The reservation in the record is what *admit* holds exactly; a step that the
 * transaction turns away leaves nothing of this behind. Not here: signing and the transaction (commit-batch.ts).
 */
import { canonicalDigest } from "../core/canonical-json.ts";
import type { JsonObject } from "../core/json.ts";
import { toolMembers } from "../core/tool.ts";
import { buildAdmission } from "../evidence/admission.ts";
import type { Capability, StepContext } from "./context.ts";
import { gateRecord } from "./gate-record.ts";
import { isWeakerAllowed } from "./guard.ts";
import { describeAdapter } from "./mint.ts";
import { notifyMember } from "./notified-sinks.ts";
import { retainDays } from "./retain-days.ts";
import type { Admission } from "./settlement.ts";

export function prepareAdmission(
  context: StepContext,
  capability: Capability,
  { worker, atMs }: { readonly worker: string; readonly atMs: number },
): Admission {
  const { step, request } = context;
  const common = gateRecord(context, atMs);
  const { jti } = capability.claims;
  const record = buildAdmission({
    ...common.evidence,
    admissionUid: capability.admissionUid,
    token: { jti, scopeDigest: canonicalDigest({ ...capability.scope } as unknown as JsonObject) },
    reserved: request,
    isolation: capability.isolation,
    approvalRecord: context.approval?.recordId,
    isWeakerIsolationAllowed: isWeakerAllowed(context),
  });
  return {
    address: { tenantUid: step.tenantUid, runUid: step.runUid, stepId: step.stepId, leaseEpoch: step.leaseEpoch },
    authorityVersion: step.authorityVersion,
    callerKeyId: step.run.caller.keyId,
    request,
    meters: describeAdapter(capability.adapter).meters,
    attempt: step.attempt,
    record,
    jti,
    started: {
      admission_record: record.id,
      admission_uid: capability.admissionUid,
      ...(context.approval === undefined ? {} : { approval_id: context.approval.approvalId }),
      attempt: step.attempt,
      effects: [...new Set(context.evaluations.map((evaluation) => evaluation.effect))],
      executor: step.spec.type,
      ...(context.execution.concurrency_key === undefined
        ? {}
        : { concurrency_key: context.execution.concurrency_key }),
      isolation: capability.isolation,
      jti,
      lease_epoch: step.leaseEpoch,
      ...notifyMember(context.evaluations, context),
      redacted_paths: context.patchPaths,
      reserved: { tokens: request.tokens, usd_micros: request.usdMicros },
      ...(step.spec.tool === undefined ? {} : { tool: toolMembers(step.spec.tool) }),
      worker,
    },
    evaluations: common.evaluations(record.id),
    blobs: common.blobs,
    redaction: common.redaction,
    approvalId: context.approval?.approvalId,
    retainDays: retainDays(context.obligations),
  };
}
