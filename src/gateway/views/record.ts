/**
 * Signed records and artifacts as callers see them.
 *
 * A record comes with its inclusion path and its signed batch, so that it verifies offline alone (spec 00, records).
 * Not here: verification (evidence/), the bytes of artifacts (routes/artifacts.ts).
 */
import Type from "typebox";
import { anyObject, closedObject, count, digest, named, oneOf, text, time, uuid, type View } from "./schema.ts";

export const RECORD_KINDS = ["admission", "refusal", "hold", "outcome", "approval", "decision", "seal"] as const;

export const EnvelopeView = closedObject(
  {
    payload: text("The signed bytes, base64."),
    payloadType: text("`application/vnd.in-toto+json`."),
    signatures: Type.Array(
      closedObject({ keyid: text("RFC 7638 thumbprint."), sig: text("Ed25519, base64.") }, "One signature."),
    ),
  },
  "A DSSE envelope.",
);

export const InclusionView = closedObject(
  {
    batch_id: uuid("The batch."),
    statement: EnvelopeView,
    leaf_index: count("Position among the leaves, from 0."),
    tree_size: count("Number of leaves.", 1),
    path: Type.Array(Type.String(), { description: "Audit path from the leaf to the root, hex (RFC 6962 §2.1.1)." }),
  },
  "Where a record stands in the batch that was signed.",
);

export const RecordView = named(
  "RecordView",
  {
    record_id: digest("SHA-256 of the record's canonical bytes."),
    kind: oneOf(RECORD_KINDS, "What kind of record it is."),
    run_uid: Type.Optional(uuid("Absent for a decision outside a run.")),
    step_id: Type.Optional(text("Its step.")),
    attempt: Type.Optional(count("Its attempt.", 1)),
    created_at: time("When it was written."),
    record: anyObject("The in-toto statement; its RFC 8785 form hashes to `record_id`."),
    inclusion: InclusionView,
  },
  "A signed record with what is needed to verify it offline.",
);
export type RecordView = View<typeof RecordView>;

export const ArtifactView = named(
  "ArtifactView",
  {
    artifact_id: digest("SHA-256 of the stored bytes."),
    kind: text("`policy_decisions`, `aibom`, or what its step called it."),
    media_type: text("Media type of the bytes."),
    size_bytes: count("Size of the bytes."),
    run_uid: Type.Optional(uuid("The run that wrote it.")),
    step_id: Type.Optional(text("The step that wrote it.")),
    created_at: time("When it was written."),
    metadata: anyObject("Signature, manifest, summary, transparency (spec 04)."),
  },
  "An artifact without its bytes.",
);
export type ArtifactView = View<typeof ArtifactView>;
