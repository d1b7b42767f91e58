/**
 * The seal of a bundle against everything it counts: nothing may be missing, added or cut off.
 *
 * In: the seal, records, events, manifest. Out: findings. Not here: the seal's own signature (it is a record like others).
 */
import { sha256Hex } from "../core/canonical-json.ts";
import type { Bundle } from "./bundle.ts";
import type { Findings } from "./checks.ts";
import { isStepRecord, type LinkedRecord, type Links } from "./record-links.ts";
import { makeHeadDigest, SEALED_KINDS } from "./seal.ts";
import { members } from "./statement.ts";
import type { LogView } from "./verify-log.ts";

/** Checks the seal; without one the whole is not established. */
export function verifySeal(
  bundle: Bundle,
  records: ReadonlyMap<string, LinkedRecord>,
  { terminal }: LogView,
  findings: Findings,
): void {
  const seals = [...records.values()].flatMap((record) => (record.kind === "seal" ? [record.links] : []));
  const [seal] = seals;
  if (seal === undefined) {
    findings.leaveOpen("seal", { reason: "no seal" });
    return;
  }
  findings.expect("seal", seals.length === 1, { seals: seals.length });
  findings.expect("seal_run", seal.run.id === bundle.run.id, {});
  const isSameEnd = seal.status === bundle.run.status && terminal?.type === `run_${seal.status}`;
  findings.expect("seal_status", isSameEnd, { sealed: seal.status, run: bundle.run.status });
  verifyCounts(seal, records, findings);
  findings.expect("seal_events", seal.events === terminal?.seq, { sealed: seal.events, found: terminal?.seq ?? 0 });
  findings.expect("seal_head", headDigestOf(bundle, seal.events) === seal.head_digest, { events: seal.events });
  findings.expect("seal_manifest", sha256Hex(bundle.manifest) === seal.manifest_id, { manifest: seal.manifest_id });
  verifyOpenEffects(seal, records, findings);
  if (seal.bill_of_materials !== undefined) {
    const isHere = bundle.artifacts.some(({ id }) => id === seal.bill_of_materials);
    findings.expect("seal_artifact", isHere, { artifact: seal.bill_of_materials });
  }
}

function verifyCounts({ counts }: Links<"seal">, records: ReadonlyMap<string, LinkedRecord>, findings: Findings): void {
  for (const kind of SEALED_KINDS) {
    const found = [...records.values()].filter((record) => record.kind === kind).length;
    findings.expect("seal_counts", counts[kind] === found, { kind, sealed: counts[kind], found });
  }
}

function headDigestOf({ events }: Bundle, sealedEvents: number): string {
  const digest = makeHeadDigest();
  for (const event of events.slice(0, sealedEvents)) digest.add(members(event));
  return digest.finish();
}

/** Every lost attempt is an open effect; every open effect is an admission of this run. */
function verifyOpenEffects(
  { open_effects }: Links<"seal">,
  records: ReadonlyMap<string, LinkedRecord>,
  findings: Findings,
): void {
  const sealed = new Set(open_effects);
  for (const id of sealed) {
    findings.expect("seal_effects", records.get(id)?.kind === "admission", {
      admission: id,
      reason: "no such admission",
    });
  }
  for (const record of [...records.values()].filter(isStepRecord)) {
    if (record.kind !== "outcome" || record.links.status !== "lost") continue;
    const { admission_record: admission } = record.links;
    findings.expect("seal_effects", sealed.has(admission), { admission, reason: "lost, and not sealed as open" });
  }
}
