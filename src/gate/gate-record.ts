/**
 * What every record before the start has in common, taken from the context once (spec 00, records).
 *
 * Commitments hide the payload; their random bytes are sealed with it, so that whoever may open the payload can prove it.
 * Not here: what only one kind of record says (prepare-admission.ts, settle-refusal.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { SealedBlob } from "../core/vault.ts";
import type { GateEvidence } from "../evidence/gate-evidence.ts";
import { evaluationMembers } from "../evidence/statement.ts";
import type { StepContext } from "./context.ts";
import { requestText, specDigest } from "./mint.ts";
import type { EvaluationRow, Redaction } from "./settlement.ts";

export interface GateRecord {
  readonly evidence: GateEvidence;
  readonly blobs: readonly SealedBlob[];
  readonly redaction: Redaction | undefined;
  /** The evaluation row, once its record's id is known. */
  readonly evaluations: (recordId: EvaluationRow["recordId"]) => EvaluationRow;
}

export function gateRecord(context: StepContext, atMs: number): GateRecord {
  const { step, vault, runtimeDecision } = context;
  const requested = context.capability?.canonicalRequest ?? requestText(context);
  const request = committed(vault, requested);
  const packInput = runtimeDecision === undefined ? undefined : committed(vault, runtimeDecision.packInput);
  const place = (field: SealedBlob["place"]["field"]) => ({ runUid: step.runUid, stepId: step.stepId, field });
  const inputBlob = sealed(
    vault,
    place("pack_input"),
    canonicalJson({
      pack_input: runtimeDecision?.packInput ?? "",
      pack_input_nonce: packInput?.nonce ?? "",
      request: requested,
      request_nonce: request.nonce,
    }),
  );
  const detailsBlob =
    context.details.length === 0 ? undefined : sealed(vault, place("details"), canonicalJson(context.details));
  const redacted = context.patchPaths.length === 0 ? undefined : sealed(vault, place("input"), context.inputsText);
  return {
    evidence: {
      step: { tenantUid: step.tenantUid, runUid: step.runUid, stepId: step.stepId, attempt: step.attempt },
      specDigest: specDigest(context),
      requestCommitment: request.commitment,
      packInputCommitment: packInput?.commitment,
      pack: runtimeDecision?.pack,
      tool: step.spec.tool,
      evaluations: context.evaluations,
      prev: step.lastRecord,
      atMs,
    },
    blobs: [inputBlob, detailsBlob, redacted].filter((blob) => blob !== undefined),
    redaction: redacted && {
      oldBlob: step.inputBlob,
      newBlob: redacted.blobId,
      event: { paths: context.patchPaths, blob_id: redacted.blobId } satisfies JsonObject,
    },
    evaluations: (recordId) => ({
      phase: "before",
      recordId,
      body: context.evaluations.map(evaluationMembers),
      detailsBlob: detailsBlob?.blobId,
      inputBlob: inputBlob.blobId,
    }),
  };
}

/** A payload that was not sealed must not be taken for stored, nor a record be written over nothing. */
function sealed(vault: StepContext["vault"], place: SealedBlob["place"], text: string): SealedBlob {
  const blob = vault.seal(place, text);
  if (typeof blob?.blobId !== "string" || !(blob.sealed instanceof Uint8Array))
    throw new StepgateError("ANSWER_MALFORMED", { part: "seal" });
  return blob;
}

function committed(vault: StepContext["vault"], text: string): ReturnType<StepContext["vault"]["commit"]> {
  const made = vault.commit(text);
  if (typeof made?.commitment !== "string" || typeof made.nonce !== "string")
    throw new StepgateError("ANSWER_MALFORMED", { part: "commit" });
  return made;
}
