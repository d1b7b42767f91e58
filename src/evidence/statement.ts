/**
 * Records as in-toto Statements v1: canonical text (RFC 8785), id = SHA-256 of its bytes (spec 00, records).
 *
 * In: a kind, subjects, a predicate. Out: an EvidenceRecord; or a parsed statement. Here: what all kinds share.
 * Not here: what each kind says (admission.ts, refusal.ts …), signing (batch.ts).
 */
import { canonicalJson, sha256Hex, sortedKeys } from "../core/canonical-json.ts";
import type { StepSubject } from "../core/capability.ts";
import type { Evaluation, Origin, PackRef } from "../core/decision.ts";
import { DIGEST_PATTERN, type RecordId } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { fields, jsonObject, listOf, oneOf, pattern, type ShapeOf, text } from "./shape.ts";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

export const RECORD_KINDS = ["admission", "refusal", "hold", "outcome", "approval", "decision", "seal"] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One signed-to-be statement. `statement` is canonical: its UTF-8 bytes are stored, hashed and handed out as they are. */
export interface EvidenceRecord {
  readonly kind: RecordKind;
  readonly id: RecordId;
  readonly statement: string;
}

/** What a statement is about: a name, and the SHA-256 that stands for the thing. */
export interface StatementSubject {
  readonly name: string;
  readonly sha256: string;
}

/** Members of a predicate; an undefined one is left out. */
export type Members = { readonly [name: string]: JsonValue | undefined };

/** The predicate type of a record kind, or of a batch. Replay has its own type, so that it never passes for a record. */
export function predicateType(kind: RecordKind | "batch" | "replay"): string {
  return `https://stepgate.dev/${kind}/v1`;
}

/** The canonical text of a statement. */
export function statementText(type: string, subjects: readonly StatementSubject[], predicate: Members): string {
  return canonicalJson({
    _type: STATEMENT_TYPE,
    predicate: members(predicate),
    predicateType: type,
    subject: subjects.map(({ name, sha256 }) => ({ digest: { sha256 }, name })),
  });
}

/** Makes the record of one kind. Pure. */
export function makeRecord(
  kind: RecordKind,
  subjects: readonly StatementSubject[],
  predicate: Members,
): EvidenceRecord {
  const statement = statementText(predicateType(kind), subjects, predicate);
  return { kind, id: recordIdOf(statement), statement };
}

/** The id of a record: lower-case hex SHA-256 of its statement's UTF-8 bytes. */
export function recordIdOf(statement: string): RecordId {
  return sha256Hex(statement) as string as RecordId;
}

export const sha256Text = pattern(DIGEST_PATTERN, "a lower-case hex SHA-256");

const statementShape = fields({
  _type: oneOf([STATEMENT_TYPE]),
  predicate: jsonObject,
  predicateType: text,
  subject: listOf(fields({ digest: fields({ sha256: sha256Text }), name: text })),
});
export type Statement = ShapeOf<typeof statementShape>;

/**
 * Reads a statement's text.
 *
 * @throws {StepgateError} EVIDENCE_MALFORMED for another shape, JSON_INVALID or NUMBER_NOT_EXACT for no strict JSON.
 */
export function readStatement(statement: string | Uint8Array): Statement {
  return statementShape(parseJson(statement), "");
}

/** The members that are there, in canonical order, so that canonicalJson writes them without sorting again. */
export function members(all: Members): JsonObject {
  const there: Record<string, JsonValue> = {};
  for (const name of sortedKeys(all)) {
    const value = all[name];
    if (value !== undefined) there[name] = value;
  }
  return there;
}

/** Milliseconds since the Unix epoch as RFC 3339 text in UTC. */
export function timeText(atMs: number): string {
  return new Date(atMs).toISOString();
}

export function stepMembers(step: StepSubject): JsonObject {
  return { attempt: step.attempt, run_uid: step.runUid, step: step.stepId, tenant: step.tenantUid };
}

export function packMembers(pack: PackRef): JsonObject {
  return { digest: pack.digest, id: pack.id, version: pack.version };
}

export function originMembers(origin: Origin): JsonObject {
  return members({ boundary: origin.boundary, run_uid: origin.runUid, source: origin.source, step: origin.stepId });
}

/** An evaluation as records write it. Obligations by id and type only: their properties may echo what a pack saw. */
export function evaluationMembers(evaluation: Evaluation): JsonObject {
  return {
    boundary: evaluation.boundary,
    duration_us: evaluation.durationUs,
    effect: evaluation.effect,
    obligations: evaluation.obligations.map(({ id, type }) => ({ id, type })),
    origins: evaluation.origins.map(originMembers),
    pack: packMembers(evaluation.pack),
    patch_paths: evaluation.patchPaths,
    reasons: evaluation.reasons,
    stage: evaluation.stage,
  };
}
