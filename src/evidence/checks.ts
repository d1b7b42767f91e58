/**
 * The verifier's report: every check by its code, and what the whole comes to (spec 10: ok, failed, not established).
 *
 * Here: the table of codes and how single findings add up. Not here: the checks (verify-*.ts), exit codes (cli/).
 */

export const CHECKS = {
  form: "the file is an evidence file of a known format",
  trust: "the signing keys are vouched for by the given root",
  batch_key: "batches are signed by a known, unretired key of purpose decision",
  batch_signature: "the signatures of the batches fit their statements",
  batch_keyid: "batches name the key that signed them",
  batch_statement: "batch statements are of the right form and of the trusted instance",
  record_form: "records are canonical statements",
  record_kind: "records are of the kind they are listed as",
  record_run: "records belong to this run",
  record_unique: "no record is listed twice",
  record_named: "a record shown alone is named as what it is",
  record_inclusion: "records are leaves of their signed batch",
  event_order: "the log begins with run_submitted, has no gap, and ends with its terminal event",
  event_record: "events name their records, and records of the same step and attempt",
  record_event: "every record is named by an event",
  record_chain: "every record names the previous one of its step",
  step_tool: "records name the version of the tool that their step was bound to when the run was submitted",
  admission_single: "an attempt was admitted once",
  admission_outcome: "every admitted attempt of an ended run has an outcome",
  outcome_admission: "outcomes name an earlier admission of the same attempt",
  outcome_token: "outcomes name the token that was admitted",
  approval_hold: "approvals name what was held and shown, by role and time, and only approved ones were used",
  approval_used: "an admission whose packs held names the approval it used, which no other admission does",
  artifact_payload: "artifacts have the digest of their id",
  artifact_metadata: "metadata and manifest are those that were signed, and name their payload",
  artifact_key: "artifacts are signed by a known, unretired key of purpose artifact",
  artifact_signature: "the signatures of the artifacts fit",
  artifact_keyid: "artifacts name the key that signed them",
  artifact_record: "decision artifacts and records name each other",
  seal: "the run is sealed once",
  seal_run: "the run has the sealed label",
  seal_status: "seal, run and log name the same end",
  seal_counts: "as many records of each kind as the seal counts",
  seal_events: "as many events as the seal counts",
  seal_head: "the events have the seal's digest",
  seal_manifest: "the manifest is the sealed one",
  seal_effects: "effects left open are the sealed ones",
  seal_artifact: "the sealed bill of materials is here",
} as const;
export type CheckCode = keyof typeof CHECKS;

const VERDICTS = ["ok", "failed", "not_established"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Identifiers and counts only. */
type FindingDetail = Readonly<Record<string, string | number | boolean>>;

export interface Check {
  readonly code: CheckCode;
  readonly verdict: Verdict;
  /** `checked`: how many things passed; else ids, counts and a reason word. */
  readonly detail: FindingDetail;
}

/** Collects findings; each function says whether the thing passed. */
export interface Findings {
  /** Counts a thing that was checked: passed, or failed with its detail. */
  readonly expect: (code: CheckCode, isOk: boolean, detail: FindingDetail) => boolean;
  readonly fail: (code: CheckCode, detail: FindingDetail) => false;
  readonly leaveOpen: (code: CheckCode, detail: FindingDetail) => false;
  /** Failures and open checks one by one, then what passed as one line per code; in the order of the table. */
  readonly checks: () => readonly Check[];
}

export function makeFindings(): Findings {
  const passed = new Map<CheckCode, number>();
  const others: Check[] = [];
  const add = (code: CheckCode, verdict: Verdict, detail: FindingDetail): false => {
    others.push({ code, verdict, detail });
    return false;
  };
  const linesOf = (code: CheckCode): readonly Check[] => {
    const lines = others.filter((check) => check.code === code);
    const checked = passed.get(code);
    return lines.length > 0 || checked === undefined ? lines : [{ code, verdict: "ok", detail: { checked } }];
  };
  return {
    expect: (code, isOk, detail) => {
      if (!isOk) return add(code, "failed", detail);
      passed.set(code, (passed.get(code) ?? 0) + 1);
      return true;
    },
    fail: (code, detail) => add(code, "failed", detail),
    leaveOpen: (code, detail) => add(code, "not_established", detail),
    checks: () => (Object.keys(CHECKS) as CheckCode[]).flatMap(linesOf),
  };
}

/** Any failure fails the whole; else anything open leaves the whole open. */
export function overall(checks: readonly Check[]): Verdict {
  if (checks.some(({ verdict }) => verdict === "failed")) return "failed";
  return checks.length === 0 || checks.some(({ verdict }) => verdict === "not_established") ? "not_established" : "ok";
}
