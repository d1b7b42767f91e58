/**
 * A tenant's audit chain: every row holds the hash of the one before it, so an edited or missing row shows (spec 04).
 *
 * In: rows in order, as the database or the API has them. Out: the first broken one and why. It finds changes by whoever
 * cannot rewrite all rows after it and the head; what was rewritten whole, only a copy kept elsewhere shows. Not here:
 * writing rows (storage/functions/run-moves.sql), which has the same form of what is hashed.
 */
import { createHash } from "node:crypto";

export interface AuditRow {
  readonly seq: number;
  readonly actor: string;
  readonly action: string;
  /** JSON, as it was hashed. */
  readonly resource: string;
  readonly atMs: number;
  /** Hex. */
  readonly prevHash: string;
  readonly hash: string;
}

export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** `missing`: no row of this seq. `unlinked`: not linked to the row before. `changed`: not what was hashed. `cut`: the
 * chain ends before or beside the head. */
export type AuditFault = "missing" | "unlinked" | "changed" | "cut";

export type AuditVerdict =
  | { readonly ok: true; readonly rows: number; readonly head: AuditHead }
  | { readonly ok: false; readonly seq: number; readonly fault: AuditFault };

const GENESIS: AuditHead = { seq: 0, hash: "00".repeat(32) };

/** Checks a whole chain, from seq 1 to the head that is kept beside it. */
export function checkAuditChain(rows: Iterable<AuditRow>, head: AuditHead): AuditVerdict {
  let last = GENESIS;
  for (const row of rows) {
    const fault = faultOf(row, last);
    if (fault !== undefined) return { ok: false, seq: fault === "missing" ? last.seq + 1 : row.seq, fault };
    last = { seq: row.seq, hash: row.hash };
  }
  if (last.seq !== head.seq || last.hash !== head.hash) return { ok: false, seq: last.seq + 1, fault: "cut" };
  return { ok: true, rows: last.seq, head: last };
}

function faultOf(row: AuditRow, last: AuditHead): AuditFault | undefined {
  if (row.seq !== last.seq + 1) return "missing";
  // an edited row is named itself, not the one after it that no longer fits
  if (hashOf(row) !== row.hash) return "changed";
  return row.prevHash === last.hash ? undefined : "unlinked";
}

/** SHA-256(0x00 ‖ canonical JSON of the row without its hash). */
function hashOf({ action, actor, atMs, prevHash, resource, seq }: AuditRow): string {
  const text = `{"action":${JSON.stringify(action)},"actor":${JSON.stringify(actor)},"at_ms":${atMs},"prev":"${prevHash}","resource":${resource},"seq":${seq}}`;
  return createHash("sha256").update("\0").update(text).digest("hex");
}
