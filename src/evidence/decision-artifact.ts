/**
 * The decision artifact: all that the packs said about a step, as one content-addressed document (spec 04).
 *
 * In: the step's evaluations with their attempts. Out: payload, id, metadata with its C2PA-style manifest, and the
 * summary that a step's view shows. It holds no payload of the step, so it is stored unsealed.
 */
import { canonicalDigest, canonicalJson, sha256Hex } from "../core/canonical-json.ts";
import { type Boundary, dominantEffect, type Effect, type Evaluation, type ReasonCode } from "../core/decision.ts";
import type { ArtifactId, Digest, RecordId, RunUid, StepId } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { buildManifest, type CapabilityEvidence, type ManifestProfile } from "./manifest.ts";
import { evaluationMembers, members, originMembers } from "./statement.ts";

export const DECISION_ARTIFACT_KIND = "policy_decisions";
const DECISION_ARTIFACT_MEDIA_TYPE = "application/vnd.stepgate.policy-decisions+json";

export interface DecisionArtifactEvidence {
  readonly runUid: RunUid;
  readonly stepId: StepId;
  /** In the order they were made, over all attempts. */
  readonly evaluations: readonly { readonly attempt: number; readonly evaluation: Evaluation }[];
  /** Records that were written before this artifact and hold these evaluations. */
  readonly attestationIds: readonly RecordId[];
  readonly instanceUid: string;
  readonly profile: ManifestProfile;
  readonly capability: CapabilityEvidence | undefined;
}

export interface DecisionArtifact {
  /** SHA-256 of the payload's UTF-8 bytes. */
  readonly id: ArtifactId;
  /** Canonical JSON. */
  readonly payload: string;
  readonly mediaType: typeof DECISION_ARTIFACT_MEDIA_TYPE;
  /** Without its signature (artifact-signature.ts). */
  readonly metadata: JsonObject;
  /** What the `artifact` key signs, as a leaf of its batch: SHA-256 of the canonical metadata, which names the payload. */
  readonly metadataDigest: Digest;
}

/** Of an evaluation as records write it: what the summary is made of. */
export interface WrittenEvaluation {
  readonly boundary: Boundary;
  readonly effect: Effect;
  readonly reasons: readonly ReasonCode[];
  readonly origins: readonly JsonObject[];
}

/** What a step's view shows of its decisions; previews are added by who may open them. */
export interface DecisionSummary {
  readonly count: number;
  readonly effects: readonly Effect[];
  readonly boundaries: readonly Boundary[];
  /** Unique, in order of first occurrence, as are effects and boundaries. */
  readonly reasons: readonly ReasonCode[];
  readonly denied: boolean;
  readonly redacted: boolean;
  readonly origins: readonly JsonObject[];
}

/** Builds the decision artifact of one ended step. Pure. */
export function buildDecisionArtifact(evidence: DecisionArtifactEvidence): DecisionArtifact {
  // run and step make the payload this step's own: equal evaluations of two steps must not share one artifact
  const entries = evidence.evaluations.map(({ attempt, evaluation }): JsonObject => {
    const { stage = "", ...written } = evaluationMembers(evaluation);
    // in canonical order, which spares sorting
    return { attempt, ...written, run_uid: evidence.runUid, stage, step: evidence.stepId };
  });
  const payload = canonicalJson(entries);
  const id = sha256Hex(payload) as string as ArtifactId;
  const summary = summarise(
    evidence.evaluations.map(({ evaluation }) => ({ ...evaluation, origins: evaluation.origins.map(originMembers) })),
  );
  const manifest = buildManifest({
    artifactId: id,
    mediaType: DECISION_ARTIFACT_MEDIA_TYPE,
    kind: DECISION_ARTIFACT_KIND,
    runUid: evidence.runUid,
    stepId: evidence.stepId,
    attestationIds: evidence.attestationIds,
    profile: evidence.profile,
    policy: { effect: dominantEffect(summary.effects), boundaries: summary.boundaries, reasons: summary.reasons },
    capability: evidence.capability,
  });
  const metadata = members({
    ...summary,
    attestation_ids: evidence.attestationIds,
    c2pa_manifest: manifest,
    kind: DECISION_ARTIFACT_KIND,
    trust_origin: { artifact: id, run: evidence.runUid, step: evidence.stepId, system: evidence.instanceUid },
  });
  return { id, payload, mediaType: DECISION_ARTIFACT_MEDIA_TYPE, metadata, metadataDigest: canonicalDigest(metadata) };
}

/** The summary of some evaluations, in their order. */
export function summarise(evaluations: readonly WrittenEvaluation[]): DecisionSummary {
  const effects = unique(evaluations.map(({ effect }) => effect));
  const origins = evaluations.flatMap((evaluation) => evaluation.origins);
  return {
    count: evaluations.length,
    effects,
    boundaries: unique(evaluations.map(({ boundary }) => boundary)),
    reasons: unique(evaluations.flatMap(({ reasons }) => reasons)),
    denied: effects.includes("deny"),
    redacted: effects.includes("redact"),
    origins: [...new Map(origins.map((origin) => [canonicalJson(origin), origin])).values()],
  };
}

/**
 * The view of a step's output with its decisions (A14): sets `policy_decisions` and `artifacts.policy_decisions`, keeps
 * what else was there, replaces an `artifacts` that is no object. A view only: what is stored stays without it.
 */
export function viewWithDecisions(output: JsonObject, summary: DecisionSummary, artifact: ArtifactId): JsonObject {
  const { policy_decisions: decisions, artifacts } = output;
  return {
    ...output,
    artifacts: { ...(isJsonObject(artifacts) ? artifacts : {}), [DECISION_ARTIFACT_KIND]: artifact },
    policy_decisions: { ...(isJsonObject(decisions) ? decisions : {}), ...summary, artifact },
  };
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
