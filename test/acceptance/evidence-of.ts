/**
 * The evidence of a run as a third party sees it: the exported bundle, verified offline with the instance's trust file.
 */
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { type VerifyReport, verifyBundle } from "../../src/evidence/verify-bundle.ts";
import { makeExportEvidence } from "../../src/runs/export-evidence.ts";
import type { Rig } from "./rig.ts";

/** Exports the bundle of an ended, sealed run and verifies it. */
export async function reportOn({ stepgate, tenantUid }: Rig, runUid: RunUid): Promise<VerifyReport> {
  const { store, records, keyRing } = stepgate.rooms;
  const file = await makeExportEvidence({ store, records })(tenantUid, { runUid });
  if (file === undefined) throw new TypeError("the run is not there");
  const trustFile = keyRing.trustFile();
  return verifyBundle(file, { trustFile, pinnedRoot: undefined, nowMs: Date.now(), onProgress: undefined });
}

/** Asserts that the run's evidence verifies, naming what does not. */
export async function verifies(
  t: Test,
  rig: Rig,
  runUid: RunUid,
  why = "the evidence verifies",
): Promise<VerifyReport> {
  const report = await reportOn(rig, runUid);
  const faults = report.checks.filter(({ verdict }) => verdict !== "ok");
  t.match({ status: report.status, faults }, { status: "ok", faults: [] }, why);
  t.equal(faults.length, 0, why);
  return report;
}
