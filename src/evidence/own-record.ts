/**
 * A stored record, checked by the offline verifier's own code before this process acts on it (spec 10, K4).
 *
 * In: the record's row, its batch's row, the keys this instance trusts. Out: its links and predicate; undefined for
 * anything that was not signed here as this kind. Not here: what the caller needs it to say (approvals/).
 */
import type { JsonObject } from "../core/json.ts";
import { type Batch, batchEnvelope, inclusionOf } from "./batch.ts";
import type { StoredRecord } from "./bundle.ts";
import { makeFindings, overall } from "./checks.ts";
import type { Links } from "./record-links.ts";
import { type RecordKind, readStatement } from "./statement.ts";
import type { Trust } from "./trust-bundle.ts";
import { verifyBatches } from "./verify-batches.ts";
import { verifyRecord } from "./verify-records.ts";

/** What a running process knows of its instance's keys. */
export type OwnTrust = Pick<Trust, "instanceUid" | "keys">;

const LEAF_BYTES = 32;

export interface OwnRecord<K extends RecordKind> {
  readonly links: Links<K>;
  readonly predicate: JsonObject;
}

/** Verifies id, form, kind, inclusion and signature of one stored record. A faulty row is undefined, never a throw. */
export function readOwnRecord<K extends RecordKind>(
  kind: K,
  row: StoredRecord,
  batch: Batch,
  trust: OwnTrust,
): OwnRecord<K> | undefined {
  if (row.leafIndex < 0 || (row.leafIndex + 1) * LEAF_BYTES > batch.leaves.length) return undefined;
  const findings = makeFindings();
  const roots = verifyBatches([{ batch: batch.batchId, envelope: batchEnvelope(batch) }], trust, findings);
  const { path } = inclusionOf(batch, row.leafIndex);
  const { leafIndex: index, statement } = row;
  const record = verifyRecord({ batch: batch.batchId, index, kind, path, statement }, roots, findings);
  if (record === undefined || record.id !== row.id || overall(findings.checks()) !== "ok") return undefined;
  // the kind was checked above; TypeScript cannot follow the union by it
  return { links: record.links as Links<K>, predicate: readStatement(statement).predicate };
}
