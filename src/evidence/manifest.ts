/**
 * The C2PA-style manifest of an artifact: C2PA's vocabulary in our own JSON, signed by our own means (spec 04).
 *
 * No C2PA reader accepts it and none is promised to. It is part of an artifact's metadata, whose digest the `artifact` key
 * signs. Not here: payloads (decision-artifact.ts), signing (batch.ts).
 */
import type { Boundary, Effect, ReasonCode } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { ArtifactId, Digest, RecordId, RunUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { members } from "./statement.ts";

const MANIFEST_PROFILES = ["basic", "policy", "full"] as const;
export type ManifestProfile = (typeof MANIFEST_PROFILES)[number];

/** What the token of the attempt allowed; only profile `full` shows it. */
export interface CapabilityEvidence {
  readonly jti: string;
  readonly scopeDigest: Digest;
  readonly audience: string;
  /** Seconds since the Unix epoch, as in the token. */
  readonly expiresSec: number;
}

export interface PolicyEvidence {
  readonly effect: Effect;
  readonly boundaries: readonly Boundary[];
  readonly reasons: readonly ReasonCode[];
}

export interface ManifestEvidence {
  readonly artifactId: ArtifactId;
  readonly mediaType: string;
  /** `policy_decisions`, `aibom` … */
  readonly kind: string;
  readonly runUid: RunUid;
  /** Undefined for an artifact of the whole run. */
  readonly stepId: string | undefined;
  /** The records that attest what the artifact says. */
  readonly attestationIds: readonly RecordId[];
  readonly profile: ManifestProfile;
  readonly policy: PolicyEvidence;
  readonly capability: CapabilityEvidence | undefined;
}

/** Reads a profile's name; `policy-evidence` is `policy`. @throws {StepgateError} FIELD_INVALID for any other word. */
export function readProfile(name: string): ManifestProfile {
  const profile = MANIFEST_PROFILES.find((known) => known === (name === "policy-evidence" ? "policy" : name));
  if (profile === undefined) throw new StepgateError("FIELD_INVALID", { field: "c2pa_profile" });
  return profile;
}

/** Who or what an artifact is about: `run:<uid>:step:<id>:<kind>`, or `run:<uid>:<kind>`. */
function manifestSubject({ runUid, stepId, kind }: Pick<ManifestEvidence, "runUid" | "stepId" | "kind">): string {
  return stepId === undefined ? `run:${runUid}:${kind}` : `run:${runUid}:step:${stepId}:${kind}`;
}

/** Builds the manifest in its profile. Pure. */
export function buildManifest(evidence: ManifestEvidence): JsonObject {
  const subject = manifestSubject(evidence);
  const { profile, policy, capability } = evidence;
  return members({
    attestation_ids: evidence.attestationIds,
    capability_evidence: profile === "full" && capability !== undefined ? capabilityMembers(capability) : undefined,
    identity_evidence:
      profile === "basic" ? undefined : members({ run: evidence.runUid, step: evidence.stepId, subject }),
    media_type: evidence.mediaType,
    payload_digest: { sha256: evidence.artifactId },
    policy_evidence:
      profile === "basic"
        ? undefined
        : {
            boundaries: policy.boundaries,
            effect: policy.effect,
            ids: evidence.attestationIds,
            reasons: policy.reasons,
          },
    profile,
    subject,
  });
}

function capabilityMembers(capability: CapabilityEvidence): JsonObject {
  return {
    audience: capability.audience,
    expires: capability.expiresSec,
    scope_digest: capability.scopeDigest,
    token_id: capability.jti,
  };
}
