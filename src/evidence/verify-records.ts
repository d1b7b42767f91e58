/**
 * Records of a bundle, each by itself: canonical text, kind, run, leaf of its batch.
 *
 * In: records with their paths, the roots of their batches. Out: records by id with their links, findings.
 * Not here: what they say about each other and about the log (verify-links.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Bundle, BundledRecord } from "./bundle.ts";
import type { Findings } from "./checks.ts";
import { isStepRecord, type LinkedRecord, readLinks } from "./record-links.ts";
import { readable } from "./shape.ts";
import { predicateType, readStatement, recordIdOf } from "./statement.ts";
import { type BatchRoot, isLeaf } from "./verify-batches.ts";

/** Checks all records of one run; those that cannot be read are left out of the result. */
export function verifyRecords(
  { records, run }: Pick<Bundle, "records" | "run">,
  roots: ReadonlyMap<string, BatchRoot>,
  findings: Findings,
  tick: () => void,
): ReadonlyMap<string, LinkedRecord> {
  const byId = new Map<string, LinkedRecord>();
  for (const bundled of records) {
    tick();
    const record = verifyRecord(bundled, roots, findings);
    if (record === undefined) continue;
    findings.expect("record_run", isOfRun(record, run), { record: record.id });
    if (findings.expect("record_unique", !byId.has(record.id), { record: record.id })) byId.set(record.id, record);
  }
  return byId;
}

/** Checks one record by itself; undefined when it cannot be read as what it is listed as. */
export function verifyRecord(
  { statement, kind, batch, index, path }: BundledRecord,
  roots: ReadonlyMap<string, BatchRoot>,
  findings: Findings,
): LinkedRecord | undefined {
  const id = recordIdOf(statement);
  const root = roots.get(batch);
  findings.expect("record_inclusion", root !== undefined && isLeaf(id, index, path, root), { record: id, batch });
  const read = readable(() => readStatement(statement));
  // text that is not canonical could be read differently elsewhere, under the same id
  const isCanonical = read !== undefined && canonicalJson(read) === statement;
  if (!findings.expect("record_form", isCanonical, { record: id }) || read === undefined) return undefined;
  // a replay's record, or any other statement of ours, is not what it is listed as
  const isOfKind = read.predicateType === predicateType(kind);
  if (!findings.expect("record_kind", isOfKind, { record: id, kind })) return undefined;
  const linked = readable(() => readLinks(kind, id, read.predicate));
  if (linked === undefined) findings.fail("record_form", { record: id, kind });
  return linked;
}

function isOfRun(record: LinkedRecord, run: Bundle["run"]): boolean {
  if (record.kind === "decision") return false;
  const { run_uid, tenant } = isStepRecord(record) ? record.links.step : record.links.run;
  return run_uid === run.run_uid && tenant === run.tenant;
}
