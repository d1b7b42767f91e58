import t from "tap";
import { canonicalDigest, sha256Hex } from "../../src/core/canonical-json.ts";
import type { ArtifactId, BatchId, RecordId, StepId } from "../../src/core/ids.ts";
import { withSignature } from "../../src/evidence/artifact-signature.ts";
import { signBatch } from "../../src/evidence/batch.ts";
import { makeFindings, overall } from "../../src/evidence/checks.ts";
import {
  buildDecisionArtifact,
  type DecisionArtifactEvidence,
  summarise,
  viewWithDecisions,
} from "../../src/evidence/decision-artifact.ts";
import { readProfile } from "../../src/evidence/manifest.ts";
import { makeSigner } from "../../src/evidence/signing-key.ts";
import { verifyTrustFile } from "../../src/evidence/trust-bundle.ts";
import { verifyArtifact } from "../../src/evidence/verify-artifacts.ts";
import { digest, evaluation, INSTANCE, RUN, sampleKeys, sampleTrust } from "./sample-run.ts";
import { NOW_MS } from "./seeded.ts";

const KEYS = sampleKeys("artifact");
const redacted = evaluation({ effect: "redact", reasons: ["pii.email"], patchPaths: ["/inputs/email"] });
const evidence = (change: Partial<DecisionArtifactEvidence> = {}): DecisionArtifactEvidence => ({
  runUid: RUN,
  stepId: "fetch" as StepId,
  evaluations: [{ attempt: 1, evaluation: redacted }],
  attestationIds: [digest("admission") as string as RecordId],
  instanceUid: INSTANCE,
  profile: "policy",
  capability: { jti: "jti-1", scopeDigest: digest("scope"), audience: "runtime-tool-adapter", expiresSec: 1 },
  ...change,
});

t.test("A13 one redact record yields a signed artifact of kind policy_decisions with a trust origin", async (t) => {
  const artifact = buildDecisionArtifact(evidence());
  t.equal(artifact.id, sha256Hex(artifact.payload));
  t.match(artifact.metadata, {
    kind: "policy_decisions",
    count: 1,
    effects: ["redact"],
    redacted: true,
    denied: false,
    origins: [{ boundary: "ingress_tool", source: "user" }],
    trust_origin: { artifact: artifact.id, run: RUN, step: "fetch", system: INSTANCE },
  });
  const context = { batchId: "b" as BatchId, instanceUid: INSTANCE, nowMs: NOW_MS };
  const leaves = [digest("neighbour"), artifact.metadataDigest];
  const batch = signBatch(leaves, makeSigner("artifact", KEYS.artifact), context);
  const metadata = withSignature(artifact.metadata, batch, 1);
  t.match(metadata["signature"], { algorithm: "Ed25519", key_id: KEYS.artifact.publicJwk.kid, value: String });
  const trust = verifyTrustFile(sampleTrust(KEYS), { nowMs: NOW_MS, pinnedRoot: undefined });
  const findings = makeFindings();
  const bundled = { id: artifact.id, media_type: artifact.mediaType, payload: artifact.payload, metadata };
  verifyArtifact(bundled, trust.ok ? trust.trust : undefined, findings);
  t.equal(overall(findings.checks()), "ok");
});

t.test("A13 in the pipeline one record per evaluation, in order", async (t) => {
  const { payload, metadata } = buildDecisionArtifact(
    evidence({
      evaluations: [
        { attempt: 1, evaluation: redacted },
        { attempt: 2, evaluation: evaluation({ boundary: "scheduler", stage: "decide", reasons: ["pii.email", "b"] }) },
      ],
    }),
  );
  t.match(JSON.parse(payload), [
    { attempt: 1, effect: "redact", stage: "guardrails", step: "fetch", run_uid: RUN },
    { attempt: 2, effect: "allow", stage: "decide" },
  ]);
  t.match(metadata, { count: 2, boundaries: ["ingress_tool", "scheduler"], reasons: ["pii.email", "b"] });
});

t.test("two steps judged alike do not share an artifact", async (t) => {
  const [one, other] = ["one", "other"].map((stepId) => buildDecisionArtifact(evidence({ stepId: stepId as StepId })));
  t.not(one?.id, other?.id);
});

t.test("the manifest shows what its profile says, and no more", async (t) => {
  const manifestIn = (profile: DecisionArtifactEvidence["profile"]) => {
    const { metadata, id } = buildDecisionArtifact(evidence({ profile }));
    t.match(metadata["c2pa_manifest"], {
      payload_digest: { sha256: id },
      subject: `run:${RUN}:step:fetch:policy_decisions`,
      attestation_ids: [digest("admission")],
      profile,
    });
    return Object.keys(metadata["c2pa_manifest"] as object).filter((key) => key.endsWith("_evidence"));
  };
  t.same(manifestIn("basic"), []);
  t.same(manifestIn("policy").sort(), ["identity_evidence", "policy_evidence"].sort());
  t.same(manifestIn("full").sort(), ["capability_evidence", "identity_evidence", "policy_evidence"]);
  t.equal(readProfile("policy-evidence"), "policy");
  t.throws(() => readProfile("Full"), { code: "FIELD_INVALID" });
});

t.test("what is signed covers the whole metadata", async (t) => {
  const { metadata, metadataDigest } = buildDecisionArtifact(evidence());
  t.equal(metadataDigest, canonicalDigest(metadata));
  t.not(metadataDigest, canonicalDigest({ ...metadata, denied: true }));
});

t.test("A14 the summary view keeps what was there and replaces an artifacts that is no object", async (t) => {
  const summary = summarise([{ ...redacted, origins: [] }]);
  const artifact = digest("artifact") as string as ArtifactId;
  const kept = viewWithDecisions(
    { text: "hi", artifacts: { log: "x" }, policy_decisions: { note: 1 } },
    summary,
    artifact,
  );
  t.match(kept, {
    text: "hi",
    artifacts: { log: "x", policy_decisions: artifact },
    policy_decisions: { note: 1, count: 1, redacted: true, artifact },
  });
  for (const artifacts of ["text", 1, null, ["a"]]) {
    t.same(viewWithDecisions({ artifacts }, summary, artifact)["artifacts"], { policy_decisions: artifact });
  }
});
