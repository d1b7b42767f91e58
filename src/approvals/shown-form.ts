/**
 * Exactly what an approver is shown and approves, as canonical JSON (spec 04, approval).
 *
 * Tenant, run, step, the request with all patches, executor settings, digests of the packs that decided and of the tool;
 * nothing that changes by itself: no time, attempt or budget. Signed records hold a commitment to this text.
 */
import { canonicalDigest, canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { Digest, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { isCommittedTo } from "../evidence/commitment.ts";

export interface ShownForm {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  /** Canonical text of type, inputs and execution. */
  readonly requestText: string;
  readonly executorSettings: JsonObject;
  readonly packs: readonly Digest[];
  readonly toolDigest: Digest | undefined;
}

export function shownFormText(form: ShownForm): string {
  const request = parseJson(form.requestText);
  return canonicalJson({
    packs: [...new Set(form.packs)].sort(),
    request,
    run_uid: form.runUid,
    settings_digest: canonicalDigest(form.executorSettings),
    step: form.stepId,
    tenant: form.tenantUid,
    ...(form.toolDigest === undefined ? {} : { tool: form.toolDigest }),
  });
}

/** The text that is sealed with the hold: the form, and the random bytes of its commitment. */
export function sealedForm(formText: string, nonce: string): string {
  return `{"form":${formText},"nonce":"${nonce}"}`;
}

/** What a sealed text holds. */
export interface OpenedForm {
  readonly form: JsonObject;
  readonly nonce: string;
}

/** Reads a sealed form. @throws {StepgateError} BLOB_UNREADABLE when it is none. */
export function readSealedForm(text: string): OpenedForm {
  const value = parseJson(text);
  const { form, nonce }: JsonObject = isJsonObject(value) ? value : {};
  if (form === undefined || !isJsonObject(form) || typeof nonce !== "string")
    throw new StepgateError("BLOB_UNREADABLE", { reason: "no form of an approval" });
  return { form, nonce };
}

/** Tells whether a signed commitment is to this form. */
export function isShown(commitment: string, formText: string, nonce: string): boolean {
  return isCommittedTo(commitment as Digest, formText, Buffer.from(nonce, "hex"));
}
