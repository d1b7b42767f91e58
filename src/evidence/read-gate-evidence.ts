/**
 * What a record said before a step started, read back from its predicate: the inverse of gate-evidence.ts.
 *
 * In: the predicate of a verified hold. Out: the same evidence, for the record that ends the step without a start. Of an
 * obligation only id and type come back, since records hold no more. Not here: verifying the record (own-record.ts).
 */
import { BOUNDARIES, EFFECTS, type Evaluation, OBLIGATION_TYPES } from "../core/decision.ts";
import type { Digest, RecordId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { DIGEST_PATTERN } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { GateEvidence } from "./gate-evidence.ts";
import { count, fields, instant, listOf, oneOf, optional, pattern, picks, type ShapeOf, text } from "./shape.ts";

const digest = pattern<Digest>(DIGEST_PATTERN, "a lower-case hex SHA-256");
const packShape = fields({ digest, id: text, version: text });
const originShape = fields({
  boundary: oneOf(BOUNDARIES),
  run_uid: optional(text),
  source: oneOf(["user", "tool", "model", "system"]),
  step: optional(text),
});
const evaluationShape = fields({
  boundary: oneOf(BOUNDARIES),
  duration_us: count,
  effect: oneOf(EFFECTS),
  obligations: listOf(fields({ id: text, type: oneOf(OBLIGATION_TYPES) })),
  origins: listOf(originShape),
  pack: packShape,
  patch_paths: listOf(text),
  reasons: listOf(text),
  stage: oneOf(["guardrails", "decide", "guard", "admit", "inspect"]),
});
const gateShape = picks({
  evaluations: listOf(evaluationShape),
  pack: optional(packShape),
  pack_input_commitment: optional(digest),
  prev: optional(pattern<RecordId>(DIGEST_PATTERN, "a record id")),
  request_commitment: digest,
  spec_digest: digest,
  step: fields({ attempt: count, run_uid: text, step: text, tenant: text }),
  time: instant,
  tool: optional(fields({ digest, name: text, version: count })),
});

/** Reads the members that gateMembers wrote. @throws {StepgateError} EVIDENCE_MALFORMED for any other predicate. */
export function readGateEvidence(predicate: JsonObject): GateEvidence {
  const read = gateShape(predicate, "/predicate");
  const { step } = read;
  return {
    step: {
      tenantUid: step.tenant as TenantUid,
      runUid: step.run_uid as RunUid,
      stepId: step.step as StepId,
      attempt: step.attempt,
    },
    specDigest: read.spec_digest,
    requestCommitment: read.request_commitment,
    packInputCommitment: read.pack_input_commitment,
    pack: read.pack,
    tool: read.tool,
    evaluations: read.evaluations.map(evaluationOf),
    prev: read.prev,
    atMs: read.time,
  };
}

function evaluationOf(read: ShapeOf<typeof evaluationShape>): Evaluation {
  return {
    stage: read.stage,
    boundary: read.boundary,
    effect: read.effect,
    reasons: read.reasons,
    patchPaths: read.patch_paths,
    obligations: read.obligations.map(({ id, type }) => ({ id, type, properties: {} })),
    pack: read.pack,
    origins: read.origins.map(({ boundary, source, run_uid, step }) => ({
      boundary,
      source,
      ...(run_uid === undefined ? {} : { runUid: run_uid }),
      ...(step === undefined ? {} : { stepId: step }),
    })),
    durationUs: read.duration_us,
  };
}
