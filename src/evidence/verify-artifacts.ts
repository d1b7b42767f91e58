/**
 * Evidence artifacts of a bundle: payload, metadata with its manifest, signature, and the records that name them.
 *
 * In: artifacts, trust, records by id. Out: findings. Not here: payload artifacts, which are sealed and stay at home.
 */
import { canonicalDigest, sha256Hex } from "../core/canonical-json.ts";
import type { BundledArtifact } from "./bundle.ts";
import type { CheckCode, Findings } from "./checks.ts";
import { DECISION_ARTIFACT_KIND } from "./decision-artifact.ts";
import { makeEnvelope, STATEMENT_PAYLOAD_TYPE } from "./dsse.ts";
import type { LinkedRecord } from "./record-links.ts";
import { count, listOf, oneOf, picks, readable, type ShapeOf, text } from "./shape.ts";
import { sha256Text } from "./statement.ts";
import type { Trust } from "./trust-bundle.ts";
import { isLeaf, readBatch } from "./verify-batches.ts";
import { verifyStatement } from "./verify-signature.ts";

const metadataShape = picks({
  c2pa_manifest: picks({
    attestation_ids: listOf(sha256Text),
    media_type: text,
    payload_digest: picks({ sha256: sha256Text }),
  }),
  kind: text,
  signature: picks({
    algorithm: oneOf(["Ed25519"]),
    batch: picks({ index: count, path: listOf(sha256Text), statement: text }),
    key_id: text,
    value: text,
  }),
});
type Metadata = ShapeOf<typeof metadataShape>;

/** Checks all artifacts, and that decision artifacts and records name each other. */
export function verifyArtifacts(
  artifacts: readonly BundledArtifact[],
  records: ReadonlyMap<string, LinkedRecord>,
  trust: Trust | undefined,
  findings: Findings,
): void {
  const named = new Set([...records.values()].flatMap(decisionArtifactOf));
  for (const bundled of artifacts) {
    const metadata = verifyArtifact(bundled, trust, findings);
    const attested = metadata?.c2pa_manifest.attestation_ids ?? [];
    findings.expect(
      "artifact_record",
      attested.every((id) => records.has(id)),
      { artifact: bundled.id },
    );
    if (metadata?.kind !== DECISION_ARTIFACT_KIND) continue;
    findings.expect("artifact_record", named.delete(bundled.id), {
      artifact: bundled.id,
      reason: "no record names it",
    });
  }
  for (const artifact of named) findings.fail("artifact_record", { artifact, reason: "it is not here" });
}

/** Checks one artifact by itself; undefined when its metadata cannot be read. */
export function verifyArtifact(
  { id, media_type, payload, metadata }: BundledArtifact,
  trust: Trust | undefined,
  findings: Findings,
): Metadata | undefined {
  findings.expect("artifact_payload", sha256Hex(payload) === id, { artifact: id });
  const read = readable(() => metadataShape(metadata, "/metadata"));
  if (read === undefined) {
    findings.fail("artifact_metadata", { artifact: id, reason: "form" });
    return undefined;
  }
  const { batch } = read.signature;
  const root = readBatch(batch.statement);
  const { signature, ...signed } = metadata;
  const leaf = canonicalDigest(signed);
  const isSigned = root !== undefined && isLeaf(leaf, batch.index, batch.path, root);
  const { payload_digest: named, media_type: namedType } = read.c2pa_manifest;
  const isOfPayload = named.sha256 === id && namedType === media_type;
  findings.expect("artifact_metadata", isSigned && isOfPayload, {
    artifact: id,
    reason: isOfPayload ? "not what was signed" : "another payload",
  });
  if (trust !== undefined) checkArtifactSignature(read, trust, id, findings);
  return read;
}

const ARTIFACT_CODES = ["artifact_key", "artifact_signature", "artifact_keyid"] as const satisfies readonly CheckCode[];

function checkArtifactSignature({ signature }: Metadata, trust: Trust, artifact: string, findings: Findings): void {
  const { batch, key_id, value } = signature;
  const bytes = Buffer.from(value, "base64");
  const envelope = makeEnvelope(STATEMENT_PAYLOAD_TYPE, Buffer.from(batch.statement), key_id, bytes);
  const verdict = verifyStatement(envelope, trust, "artifact");
  const isOurs = readBatch(batch.statement)?.instance === trust.instanceUid;
  if (!verdict.ok || bytes.toString("base64") !== value || !isOurs) {
    const code = verdict.ok ? "artifact_signature" : (`artifact_${verdict.fault}` as const);
    findings.fail(code, { artifact, reason: verdict.ok ? "encoding or instance" : verdict.reason });
    return;
  }
  for (const code of ARTIFACT_CODES) findings.expect(code, true, {});
}

function decisionArtifactOf(record: LinkedRecord): readonly string[] {
  if (record.kind !== "outcome" && record.kind !== "refusal") return [];
  return record.links.decision_artifact === undefined ? [] : [record.links.decision_artifact];
}
