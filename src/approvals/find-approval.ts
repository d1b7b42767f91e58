/**
 * The approval that a held step may use now: signed here, for this hold and this very form, unexpired and unused.
 *
 * In: the step at the gate and the form that would run. Out: the approval, none, or that a row claims what nobody signed:
 * such a row refuses the step, it never lets it pass (spec 10, K4). Not here: asking the packs again (gate/).
 */
import { isStepgateError } from "../core/errors.ts";
import type { RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { OwnRecord } from "../evidence/own-record.ts";
import type { ApprovalRow, ApprovalStore, EvidenceDeps, PayloadDeps } from "./ports.ts";
import { isShown, readSealedForm } from "./shown-form.ts";
import { readSigned } from "./signed-record.ts";

export interface FindApprovalDeps extends EvidenceDeps, PayloadDeps {
  readonly store: Pick<ApprovalStore, "granted">;
  readonly databaseClock: { readonly nowMs: () => number };
}

export interface HeldStep {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly attempt: number;
  /** The step's last record: its hold, if it was held last. */
  readonly lastRecord: RecordId | undefined;
  readonly formText: string;
  readonly formDigest: string;
}

export interface UsableApproval {
  readonly approvalId: string;
  readonly recordId: RecordId;
  /** As packs see it in `approvals[]`. */
  readonly view: JsonObject;
}

export type FoundApproval =
  | { readonly kind: "usable"; readonly approval: UsableApproval }
  | { readonly kind: "none" }
  | { readonly kind: "forged"; readonly approvalId: string; readonly reason: string };

export type FindApproval = (step: HeldStep) => Promise<FoundApproval>;

export function makeFindApproval(deps: FindApprovalDeps): FindApproval {
  return async (step) => {
    for (const row of await deps.store.granted(step.tenantUid, step.runUid, step.stepId)) {
      const found = await judge(deps, row, step);
      if (found.kind !== "none") return found;
    }
    return { kind: "none" };
  };
}

async function judge(deps: FindApprovalDeps, row: ApprovalRow, step: HeldStep): Promise<FoundApproval> {
  const { approvalId, approvalRecord: recordId } = row;
  const forged = (reason: string): FoundApproval => ({ kind: "forged", approvalId, reason });
  if (recordId === undefined) return forged("no_record");
  const signed = await readSigned(deps, "approval", { tenantUid: step.tenantUid, recordId });
  if (signed === undefined) return forged("not_signed");
  const fault = faultOf(row, signed, step);
  if (fault !== undefined) return forged(fault);
  const { approver, expires, shown_commitment: commitment, step: subject } = signed.links;
  if (expires <= deps.databaseClock.nowMs()) return { kind: "none" };
  // an earlier attempt's, or one whose hold was followed by something else: good evidence, and of no use now
  if (subject.attempt !== step.attempt || row.holdRecord !== step.lastRecord) return { kind: "none" };
  const nonce = await nonceOf(deps, row);
  if (nonce === undefined) return forged("form_unreadable");
  // another form than the one that was shown: void, and the step is held anew
  if (row.shownDigest !== step.formDigest || !isShown(commitment, step.formText, nonce)) return { kind: "none" };
  const view = {
    expires_ms: expires,
    key: approver.key,
    owner: approver.owner,
    record: recordId,
    role: approver.role,
    time_ms: signed.links.time,
  };
  return { kind: "usable", approval: { approvalId, recordId, view } };
}

/** In what the row and its signed record differ; undefined when they say the same. */
function faultOf(row: ApprovalRow, { links }: OwnRecord<"approval">, step: HeldStep): string | undefined {
  const { step: subject } = links;
  if (links.verdict !== "approved") return "verdict";
  if (subject.tenant !== step.tenantUid || subject.run_uid !== step.runUid || subject.step !== step.stepId)
    return "another_step";
  if (links.hold_record !== row.holdRecord) return "another_hold";
  if (links.expires !== row.expiresAtMs) return "expiry";
  return row.isSpent ? "used_before" : undefined;
}

async function nonceOf(deps: PayloadDeps, row: ApprovalRow): Promise<string | undefined> {
  if (row.shownBlob === undefined) return undefined;
  try {
    const blob = await deps.readBlob(row.tenantUid, row.shownBlob);
    const place = { runUid: row.runUid, stepId: row.stepId, field: "approval" };
    return readSealedForm(await deps.open(row.tenantUid, blob, place)).nonce;
  } catch (caught) {
    if (isStepgateError(caught, "BLOB_ERASED", "BLOB_UNREADABLE")) return undefined;
    throw caught;
  }
}
