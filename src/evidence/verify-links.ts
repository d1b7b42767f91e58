/**
 * Records of a bundle among each other: chain of each step, one admission an attempt, outcome to admission, approvals and
 * what used them.
 *
 * In: records by id and their place in the log. Out: findings. Not here: a record by itself (verify-records.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Findings } from "./checks.ts";
import { isStepRecord, type LinkedRecord, type StepRecord } from "./record-links.ts";
import type { LogView } from "./verify-log.ts";

type OfKind<K extends StepRecord["kind"]> = Extract<StepRecord, { readonly kind: K }>;

/** Checks every link between records of a run. */
export function verifyLinks(records: ReadonlyMap<string, LinkedRecord>, log: LogView, findings: Findings): void {
  const steps = [...records.values()].filter(isStepRecord);
  verifyChains(steps, log, findings);
  verifyTools(steps, log, findings);
  verifyAdmissions(steps, log, findings);
  const used = new Set<string>();
  for (const record of steps) {
    if (record.kind === "outcome") verifyOutcome(record, records, log, findings);
    if (record.kind === "approval") verifyApproval(record, records, log, findings);
    if (record.kind === "admission") verifyUsedApproval(record, { records, log, findings, used });
  }
}

/** `prev` follows the log within each step; an approval stands beside the chain and names its hold. */
function verifyChains(steps: readonly StepRecord[], { seqOf }: LogView, findings: Findings): void {
  const placed = steps
    .flatMap((record) => (record.kind === "approval" ? [] : [{ record, seq: seqOf.get(record.id) }]))
    .filter(({ seq }) => seq !== undefined)
    .sort((one, other) => (one.seq ?? 0) - (other.seq ?? 0));
  const last = new Map<string, string>();
  for (const { record } of placed) {
    const { prev, step } = record.links;
    findings.expect("record_chain", prev === last.get(step.step), { record: record.id, step: step.step });
    last.set(step.step, record.id);
  }
}

/** A step is bound to one version of a tool from its submission on, whatever is registered later. */
function verifyTools(steps: readonly StepRecord[], { toolOf }: LogView, findings: Findings): void {
  for (const record of steps) {
    if (record.kind === "approval") continue;
    const { step, tool } = record.links;
    const named = tool && canonicalJson({ ...tool });
    findings.expect("step_tool", toolOf.get(step.step) === named, { record: record.id, step: step.step });
  }
}

function verifyAdmissions(steps: readonly StepRecord[], { terminal }: LogView, findings: Findings): void {
  const settled = new Set(
    steps.flatMap((record) => (record.kind === "outcome" ? [record.links.admission_record] : [])),
  );
  const admitted = new Set<string>();
  for (const record of steps) {
    if (record.kind !== "admission") continue;
    const { step, attempt } = record.links.step;
    const key = JSON.stringify([step, attempt]);
    findings.expect("admission_single", !admitted.has(key), { record: record.id, step, attempt });
    admitted.add(key);
    if (terminal !== undefined) {
      findings.expect("admission_outcome", settled.has(record.id), { record: record.id, step, attempt });
    }
  }
}

function verifyOutcome(
  outcome: OfKind<"outcome">,
  records: ReadonlyMap<string, LinkedRecord>,
  { seqOf }: LogView,
  findings: Findings,
): void {
  const { admission_record, jtis, step } = outcome.links;
  const admission = records.get(admission_record);
  const detail = { record: outcome.id, admission: admission_record };
  if (admission?.kind !== "admission") {
    findings.fail("outcome_admission", { ...detail, reason: "no such admission" });
    return;
  }
  const isSame = admission.links.step.step === step.step && admission.links.step.attempt === step.attempt;
  const isEarlier = isBefore(seqOf.get(admission.id), seqOf.get(outcome.id));
  findings.expect("outcome_admission", isSame && isEarlier, {
    ...detail,
    reason: isSame ? "not admitted before" : "another attempt",
  });
  findings.expect("outcome_token", jtis[0] === admission.links.token.jti, detail);
}

function verifyApproval(
  approval: OfKind<"approval">,
  records: ReadonlyMap<string, LinkedRecord>,
  { seqOf }: LogView,
  findings: Findings,
): void {
  const { approver, expires, hold_record, shown_commitment, step, time } = approval.links;
  const hold = records.get(hold_record);
  const isOfHold =
    hold?.kind === "hold" &&
    hold.links.shown_commitment === shown_commitment &&
    hold.links.step.step === step.step &&
    hold.links.step.attempt === step.attempt &&
    hold.links.role === approver.role &&
    hold.links.expires === expires &&
    time < expires &&
    isBefore(seqOf.get(hold.id), seqOf.get(approval.id));
  findings.expect("approval_hold", isOfHold, { record: approval.id, hold: hold_record });
}

interface UsedContext {
  readonly records: ReadonlyMap<string, LinkedRecord>;
  readonly log: LogView;
  readonly findings: Findings;
  /** Approvals that an admission has named already. */
  readonly used: Set<string>;
}

/** An approval serves one admission: that of the attempt it was given for, right after its hold. */
function verifyUsedApproval(
  admission: OfKind<"admission">,
  { records, log: { seqOf }, findings, used }: UsedContext,
): void {
  const { approval_record: id, evaluations, prev, step } = admission.links;
  const isHeld = evaluations.some(({ effect }) => effect === "hold");
  if (id === undefined) {
    if (isHeld) findings.fail("approval_used", { record: admission.id, reason: "held, and names no approval" });
    return;
  }
  const approval = records.get(id);
  const isGood =
    approval?.kind === "approval" &&
    approval.links.verdict === "approved" &&
    approval.links.step.step === step.step &&
    approval.links.step.attempt === step.attempt &&
    approval.links.hold_record === prev &&
    isBefore(seqOf.get(id), seqOf.get(admission.id));
  findings.expect("approval_hold", isGood, { record: admission.id, approval: id });
  findings.expect("approval_used", !used.has(id), { record: admission.id, approval: id });
  used.add(id);
}

function isBefore(seq: number | undefined, later: number | undefined): boolean {
  return seq !== undefined && later !== undefined && seq < later;
}
