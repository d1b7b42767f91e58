/**
 * The seal: what a whole run consists of, so that nothing can be left out unseen (spec 00, 04).
 *
 * In: counts, the head digest over the run's events, open effects. Out: the seal record, and the digest's maker.
 * Not here: comparing a seal with a bundle (verify-seal.ts).
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../core/canonical-json.ts";
import type { RunEvent } from "../core/event.ts";
import type { ArtifactId, Digest, RecordId, RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { type EvidenceRecord, makeRecord, members, timeText } from "./statement.ts";

export const SEALED_KINDS = ["admission", "refusal", "hold", "outcome", "approval"] as const;
export type SealedKind = (typeof SEALED_KINDS)[number];

export interface SealEvidence {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  /** The caller's label. */
  readonly runId: string | undefined;
  readonly status: "succeeded" | "failed" | "cancelled";
  readonly manifestId: Digest;
  readonly counts: Readonly<Record<SealedKind, number>>;
  /** Events 1 … terminal. */
  readonly events: number;
  /** Of makeHeadDigest over those events. */
  readonly headDigest: Digest;
  /** Admissions whose effect is unknown: the attempt was lost or abandoned. */
  readonly openEffects: readonly RecordId[];
  readonly finalSnapshotId: Digest;
  readonly billOfMaterials: ArtifactId | undefined;
  readonly atMs: number;
}

/** Builds the seal of one ended run. Pure. */
export function buildSeal(evidence: SealEvidence): EvidenceRecord {
  const name = `urn:stepgate:${evidence.tenantUid}:${evidence.runUid}`;
  return makeRecord("seal", [{ name, sha256: evidence.headDigest }], {
    bill_of_materials: evidence.billOfMaterials,
    counts: { ...evidence.counts },
    events: evidence.events,
    final_snapshot_id: evidence.finalSnapshotId,
    head_digest: evidence.headDigest,
    manifest_id: evidence.manifestId,
    open_effects: evidence.openEffects,
    run: members({ id: evidence.runId, run_uid: evidence.runUid, tenant: evidence.tenantUid }),
    status: evidence.status,
    time: timeText(evidence.atMs),
  });
}

/** An event as evidence writes it. */
export function eventMembers(event: RunEvent): JsonObject {
  return members({
    at_ms: event.atMs,
    data: event.data,
    run_uid: event.runUid,
    seq: event.seq,
    step: event.stepId,
    type: event.type,
  });
}

export interface HeadDigest {
  readonly add: (event: JsonObject) => void;
  /** Ends the digest; call once. */
  readonly finish: () => Digest;
}

/** SHA-256 over canonical events in order, each preceded by the length of its UTF-8 bytes as 8 bytes, big endian. */
export function makeHeadDigest(): HeadDigest {
  const hash = createHash("sha256");
  return {
    add: (event) => {
      const bytes = Buffer.from(canonicalJson(event));
      const length = Buffer.alloc(8);
      length.writeBigUInt64BE(BigInt(bytes.length));
      hash.update(length).update(bytes);
    },
    finish: () => hash.digest("hex") as Digest,
  };
}
