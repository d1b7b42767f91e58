/**
 * A record by its id, read from its row only if this instance signed it.
 *
 * In: tenant, kind, id. Out: what the record says, or undefined. Not here: what it must say (signed-hold.ts,
 * find-approval.ts).
 */
import type { BatchId, RecordId, TenantUid } from "../core/ids.ts";
import { type OwnRecord, readOwnRecord } from "../evidence/own-record.ts";
import type { EvidenceDeps } from "./ports.ts";

export async function readSigned<K extends "hold" | "approval">(
  { records, trust }: EvidenceDeps,
  kind: K,
  { tenantUid, recordId }: { readonly tenantUid: TenantUid; readonly recordId: RecordId },
): Promise<OwnRecord<K> | undefined> {
  const row = await records.record(tenantUid, recordId);
  const [batch] = row === undefined ? [] : await records.batches([row.batchId]);
  if (row === undefined || batch === undefined || row.kind !== kind) return undefined;
  const stored = { id: row.recordId, kind, statement: row.statement, batchId: row.batchId as BatchId };
  return readOwnRecord(kind, { ...stored, leafIndex: row.leafIndex }, batch, await trust(batch.kid));
}
