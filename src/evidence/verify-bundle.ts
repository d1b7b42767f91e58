/**
 * The offline verifier: an evidence file and a trust file in, a report out (spec 10; T2, T7). Pure, no network, no clock.
 *
 * Trust comes only from the file that the verifier was given beside the bundle; keys inside a bundle prove nothing.
 * Not here: the single checks (verify-*.ts), exit codes and wording (cli/).
 */
import { type Bundle, readBundle } from "./bundle.ts";
import { type Check, type Findings, makeFindings, overall, type Verdict } from "./checks.ts";
import { isNamedAs, readRecordFile } from "./record-file.ts";
import { readable } from "./shape.ts";
import { type Trust, verifyTrustFile } from "./trust-bundle.ts";
import { verifyArtifacts } from "./verify-artifacts.ts";
import { verifyBatches } from "./verify-batches.ts";
import { verifyLinks } from "./verify-links.ts";
import { type LogView, verifyLog } from "./verify-log.ts";
import { verifyRecord, verifyRecords } from "./verify-records.ts";
import { verifySeal } from "./verify-seal.ts";

/** All that a verdict rests on beside the file itself; nothing may be left out by accident. */
export interface VerifyContext {
  /** Text of the `--trust` file; undefined: nothing can be established. */
  readonly trustFile: string | Uint8Array | undefined;
  /** The root's thumbprint as known from elsewhere; undefined trusts the trust file as given. */
  readonly pinnedRoot: string | undefined;
  readonly nowMs: number;
  /** Told how many records of how many were checked, for people who wait. */
  readonly onProgress: ((done: number, total: number) => void) | undefined;
}

export interface VerifySummary {
  readonly records: number;
  readonly batches: number;
  readonly seals: number;
  readonly artifacts: number;
  readonly events: number;
  /** Information events after the terminal one: no seal covers them. */
  readonly unsealedEvents: number;
  readonly instance: string | undefined;
  readonly root: string | undefined;
}

export interface VerifyReport {
  readonly status: Verdict;
  readonly checks: readonly Check[];
  readonly summary: VerifySummary;
}

/** Verifies the evidence of a whole run. A faulty file is a report, never a throw. */
export function verifyBundle(file: string | Uint8Array, context: VerifyContext): VerifyReport {
  const findings = makeFindings();
  const trust = establishTrust(context, findings);
  const bundle = readable(() => readBundle(file));
  if (!findings.expect("form", bundle !== undefined, {}) || bundle === undefined) return report(findings, trust, {});
  const tick = ticker(bundle.records.length, context.onProgress);
  const roots = verifyBatches(bundle.batches, trust, findings);
  const records = verifyRecords(bundle, roots, findings, tick);
  const log = verifyLog(bundle, records, findings);
  verifyLinks(records, log, findings);
  verifyArtifacts(bundle.artifacts, records, trust, findings);
  verifySeal(bundle, records, log, findings);
  return report(findings, trust, sizesOf(bundle, log));
}

/** Verifies one record as `GET /v1/records/{id}` answers it; says nothing about the rest of its run. */
export function verifyRecordFile(file: string | Uint8Array, context: VerifyContext): VerifyReport {
  const findings = makeFindings();
  const trust = establishTrust(context, findings);
  const read = readable(() => readRecordFile(file));
  if (!findings.expect("form", read !== undefined, {}) || read === undefined) return report(findings, trust, {});
  const roots = verifyBatches([read.batch], trust, findings);
  const record = verifyRecord(read.record, roots, findings);
  if (record !== undefined) {
    const isNamed = isNamedAs(record, read.named) && roots.get(read.batch.batch)?.size === read.named.treeSize;
    findings.expect("record_named", isNamed, { record: record.id });
  }
  return report(findings, trust, { records: 1, batches: 1, seals: record?.kind === "seal" ? 1 : 0 });
}

function establishTrust({ trustFile, pinnedRoot, nowMs }: VerifyContext, findings: Findings): Trust | undefined {
  if (trustFile === undefined) {
    findings.leaveOpen("trust", { reason: "no trust given" });
    return undefined;
  }
  const verdict = verifyTrustFile(trustFile, { nowMs, pinnedRoot });
  if (!verdict.ok) {
    findings.leaveOpen("trust", { reason: verdict.reason });
    return undefined;
  }
  findings.expect("trust", true, {});
  return verdict.trust;
}

function sizesOf({ records, batches, artifacts, events }: Bundle, { terminal }: LogView): Partial<VerifySummary> {
  return {
    records: records.length,
    batches: batches.length,
    seals: records.filter(({ kind }) => kind === "seal").length,
    artifacts: artifacts.length,
    events: events.length,
    unsealedEvents: events.length - (terminal?.seq ?? 0),
  };
}

function report(findings: Findings, trust: Trust | undefined, sizes: Partial<VerifySummary>): VerifyReport {
  const checks = findings.checks();
  const none = { records: 0, batches: 0, seals: 0, artifacts: 0, events: 0, unsealedEvents: 0 };
  const summary = { ...none, ...sizes, instance: trust?.instanceUid, root: trust?.rootKid };
  return { status: overall(checks), checks, summary };
}

function ticker(total: number, onProgress: VerifyContext["onProgress"]): () => void {
  let done = 0;
  return () => {
    done += 1;
    onProgress?.(done, total);
  };
}
