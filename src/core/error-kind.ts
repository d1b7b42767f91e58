/**
 * Error kinds: how a step can end badly, as one table (spec 00, error kinds).
 *
 * A kind is part of the step's outcome and of its records. Not here: error codes of the API (errors.ts).
 */
interface KindRow {
  /** Whether an attempt was made when a step ends this way ("maybe": before start no, during yes). */
  readonly attempt: "no" | "yes" | "maybe";
  /** Whether another attempt may follow ("if_retryable": the executor has the last word). */
  readonly retried: "no" | "if_retryable";
  readonly charged: "nothing" | "actual" | "reserved";
}

const refused = { attempt: "no", retried: "no", charged: "nothing" } as const;

export const ERROR_KINDS = {
  invalid_request: refused,
  policy_denied: refused,
  policy_error: refused,
  patch_not_allowed: refused,
  redaction_not_stable: refused,
  quota_exceeded: refused,
  budget_exceeded: refused,
  no_executor: refused,
  sandbox_unavailable: refused,
  program_not_allowed: refused,
  capability_mint_failed: refused,
  capability_denied: refused,
  pack_retired: refused,
  caller_revoked: refused,
  approval_rejected: refused,
  approval_expired: refused,
  deadline_exceeded: { attempt: "maybe", retried: "no", charged: "actual" },
  execution_error: { attempt: "yes", retried: "if_retryable", charged: "actual" },
  result_not_storable: { attempt: "yes", retried: "no", charged: "actual" },
  bad_outcome: { attempt: "yes", retried: "no", charged: "actual" },
  fact_conflict: { attempt: "yes", retried: "if_retryable", charged: "actual" },
  child_run_conflict: { attempt: "yes", retried: "if_retryable", charged: "actual" },
  io_unimplemented: { attempt: "yes", retried: "no", charged: "actual" },
  output_denied: { attempt: "yes", retried: "no", charged: "actual" },
  lease_exhausted: { attempt: "yes", retried: "no", charged: "reserved" },
  cancelled: { attempt: "maybe", retried: "no", charged: "actual" },
} as const satisfies Record<string, KindRow>;

export type ErrorKind = keyof typeof ERROR_KINDS;

/** Tells whether a step that ended with this kind may be tried again, given the executor's word. */
export function isRetried(kind: ErrorKind, isRetryable: boolean): boolean {
  return ERROR_KINDS[kind].retried === "if_retryable" && isRetryable;
}
