/**
 * Reading approvals: a page of them, and one with exactly what would run (spec 04, approval).
 *
 * Who may decide is shown the request, opened from its sealed form and checked against the signed commitment; all others
 * see everything but payload. Not here: deciding (decide-approval.ts), HTTP.
 */
import { type ApprovalState, rolesOf } from "../core/approval.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import type { PackRef } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import { type TenantUid, UUID_PATTERN } from "../core/ids.ts";
import { isJsonObject } from "../core/json.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import { parseJson } from "../core/parse-json.ts";
import type { Principal } from "../core/tenant.ts";
import type { RunRef } from "../runs/ports.ts";
import type { ApprovalRow, ApprovalStore, EvidenceDeps, PayloadDeps } from "./ports.ts";
import { isShown, readSealedForm } from "./shown-form.ts";
import { readSignedHold, type SignedHold, unverified } from "./signed-hold.ts";

export interface ReadApprovalsDeps extends EvidenceDeps, PayloadDeps {
  readonly store: Pick<ApprovalStore, "find" | "list">;
  /** The sentence of a reason code, if that very pack is loaded here. */
  readonly reasonText: (pack: PackRef, code: string) => string | undefined;
}

export function makeReadApprovals(deps: ReadApprovalsDeps) {
  return {
    /** @throws {StepgateError} FIELD_INVALID for a cursor that was never given. */
    list: async (input: {
      readonly tenantUid: TenantUid;
      readonly state: ApprovalState | undefined;
      readonly run: RunRef | undefined;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      if (input.after !== undefined && !new RegExp(UUID_PATTERN).test(input.after))
        throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
      const read = (mostRows: number) => deps.store.list({ ...input, limit: mostRows });
      const { rows, ...next } = await pageOfRows(input.limit, read, ({ approvalId }) => approvalId);
      return { items: rows.map(viewHead), ...next };
    },
    /** Undefined when the tenant has no such approval. @throws {StepgateError} APPROVAL_UNVERIFIED. */
    get: async (tenantUid: TenantUid, approvalId: string, caller: Pick<Principal, "roles">) => {
      const row = await deps.store.find(tenantUid, approvalId);
      if (row === undefined) return undefined;
      const hold = await readSignedHold(deps, row);
      const mayDecide = rolesOf(hold.role).every((role) => caller.roles.includes(role));
      return {
        ...viewHead(row),
        shown_commitment: hold.shownCommitment,
        holds: viewHolds(deps, hold),
        packs: packsOf(hold),
        ...(hold.evidence.tool === undefined ? {} : { tool: { ...hold.evidence.tool } }),
        ...(mayDecide ? await openedFor(deps, row, hold) : {}),
      };
    },
  };
}

const timeText = (atMs: number): string => new Date(atMs).toISOString();

function viewHead(row: ApprovalRow) {
  return {
    approval_id: row.approvalId,
    state: row.state,
    run_uid: row.runUid,
    ...(row.runId === undefined ? {} : { run_id: row.runId }),
    step_id: row.stepId,
    step_type: row.stepType,
    role: row.role,
    requester: { key_id: row.requester.keyId, owner: row.requester.owner },
    hold_record_id: row.holdRecord,
    created_at: timeText(row.createdAtMs),
    expires_at: timeText(row.expiresAtMs),
    ...(row.decidedBy === undefined ? {} : { decided_by: { key_id: row.decidedBy.keyId, owner: row.decidedBy.owner } }),
    ...(row.decidedAtMs === undefined ? {} : { decided_at: timeText(row.decidedAtMs) }),
    ...(row.approvalRecord === undefined ? {} : { approval_record_id: row.approvalRecord }),
  };
}

function viewHolds({ reasonText }: ReadApprovalsDeps, { evidence }: SignedHold) {
  return evidence.evaluations
    .filter(({ effect }) => effect === "hold")
    .map(({ pack, stage, boundary, reasons }) => ({
      pack: { ...pack },
      stage,
      boundary,
      reasons: reasons.map((code) => {
        const text = reasonText(pack, code);
        return text === undefined ? { code } : { code, text };
      }),
    }));
}

/** Every pack that decided, once. */
function packsOf({ evidence }: SignedHold): readonly PackRef[] {
  const packs = evidence.evaluations.map(({ pack }) => pack);
  return [...new Map(packs.map((pack) => [pack.digest, pack])).values()];
}

async function openedFor(deps: PayloadDeps, row: ApprovalRow, hold: SignedHold) {
  const place = { runUid: row.runUid, stepId: row.stepId };
  const open = async (blobId: NonNullable<ApprovalRow["shownBlob"]>, field: string): Promise<string> =>
    deps.open(row.tenantUid, await deps.readBlob(row.tenantUid, blobId), { ...place, field });
  if (row.shownBlob === undefined) throw unverified(row, "form");
  const { form, nonce } = readSealedForm(await open(row.shownBlob, "approval"));
  // what is shown is what was signed, or nothing is
  if (!isShown(hold.shownCommitment, canonicalJson(form), nonce)) throw unverified(row, "form");
  const given = row.reasonBlob === undefined ? undefined : parseJson(await open(row.reasonBlob, "approval_reason"));
  const reason = isJsonObject(given) ? given["reason"] : undefined;
  return { shown: { form, nonce }, ...(typeof reason === "string" ? { reason } : {}) };
}
