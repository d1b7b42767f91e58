/**
 * The one error class and the one table of error codes.
 *
 * A deny is a decision and never an error; an error means that we could not decide, prove or perform.
 * Here: code → HTTP status, when a retry makes sense, one sentence. Not here: error kinds of steps (error-kind.ts).
 */
interface ErrorRow {
  readonly status: number;
  readonly retry: "never" | "later" | "same_attempt";
  readonly summary: string;
}

export const ERROR_CODES = {
  // requests
  REQUEST_MALFORMED: { status: 400, retry: "never", summary: "the request is not well formed" },
  JSON_INVALID: { status: 400, retry: "never", summary: "the text is not strict JSON" },
  FIELD_INVALID: { status: 400, retry: "never", summary: "a field is missing, unknown or of the wrong form" },
  NUMBER_NOT_EXACT: { status: 400, retry: "never", summary: "a number changes its value when read as a double" },
  MONEY_INVALID: { status: 400, retry: "never", summary: "an amount is not a decimal of at most six places" },
  BODY_TOO_LARGE: { status: 413, retry: "never", summary: "the body is larger than this route accepts" },
  HEADERS_TOO_LARGE: { status: 431, retry: "never", summary: "the request's head is too large" },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, retry: "never", summary: "the content type is not one this route reads" },
  NOT_FOUND: { status: 404, retry: "never", summary: "there is no such thing here" },
  METHOD_NOT_ALLOWED: { status: 405, retry: "never", summary: "this path does not answer to that method" },
  UNAUTHENTICATED: { status: 401, retry: "never", summary: "the request carries no valid key" },
  FORBIDDEN: { status: 403, retry: "never", summary: "the key's roles do not allow this" },
  ORIGIN_REFUSED: {
    status: 403,
    retry: "never",
    summary: "the Host or Origin of the request is not on the allow list",
  },
  IDEMPOTENCY_MISMATCH: { status: 409, retry: "never", summary: "the idempotency key was used with another request" },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, retry: "later", summary: "the first request with this key is still running" },
  INPUT_MISMATCH: { status: 409, retry: "never", summary: "the run id exists with another input" },
  STATE_CONFLICT: { status: 409, retry: "never", summary: "the thing is in a state that does not allow this" },
  RATE_LIMITED: { status: 429, retry: "later", summary: "a quota is used up until its reset" },
  STEP_DENIED: { status: 403, retry: "never", summary: "the gate refused the step" },
  STEP_FAILED: { status: 422, retry: "never", summary: "the step was performed and failed" },
  INTERNAL: { status: 500, retry: "later", summary: "something failed on our side; the log has the cause" },
  ANSWER_OVERDUE: { status: 503, retry: "later", summary: "a part of this process did not answer in time" },
  ANSWER_MALFORMED: { status: 500, retry: "later", summary: "a part of this process gave an answer of another form" },
  REQUEST_TIMEOUT: { status: 408, retry: "later", summary: "the request was not sent in time" },
  TOO_MANY_STREAMS: { status: 503, retry: "later", summary: "this process serves as many event streams as it may" },
  SHUTTING_DOWN: { status: 503, retry: "later", summary: "the process is draining before it stops" },

  // plans and manifests (spec 02, 08)
  PLAN_EMPTY: { status: 422, retry: "never", summary: "the plan has no steps" },
  PLAN_DUPLICATE_STEP: { status: 422, retry: "never", summary: "two steps have the same id" },
  PLAN_MISSING_STEP: { status: 422, retry: "never", summary: "an edge or target names a step that is not in the plan" },
  PLAN_CYCLE: { status: 422, retry: "never", summary: "steps depend on each other in a circle" },
  PLAN_UNKNOWN_TYPE: { status: 422, retry: "never", summary: "no executor serves this step type" },
  PLAN_UNKNOWN_TOOL: { status: 422, retry: "never", summary: "a step of type tool names no tool that is registered" },
  PLAN_BAD_COMPENSATION: { status: 422, retry: "never", summary: "a compensation target is not usable as one" },
  PLAN_BAD_REFERENCE: { status: 422, retry: "never", summary: "a $from reference names a step that is no dependency" },
  PLAN_CONFLICTING_FLAGS: {
    status: 422,
    retry: "never",
    summary: "two guardrail flags of a step contradict each other",
  },
  PLAN_UNKNOWN_PACK: { status: 422, retry: "never", summary: "a step names a policy pack that is not here" },
  PLAN_PACK_OPTIONS: {
    status: 422,
    retry: "never",
    summary: "a step gives a pack options that it does not take, or that hold more than numbers and short identifiers",
  },
  PLAN_TOO_LARGE: { status: 422, retry: "never", summary: "the plan is over a limit" },
  PLAN_NEVER_ADMISSIBLE: { status: 422, retry: "never", summary: "a step asks for more than a whole limit" },
  UNSUPPORTED_EXECUTION_MODE: { status: 422, retry: "never", summary: "this execution mode does not exist" },
  MANIFEST_SERIALIZE_FAILED: { status: 422, retry: "never", summary: "the manifest cannot be written canonically" },
  MANIFEST_NOT_CANONICAL: { status: 422, retry: "never", summary: "a manifest may hold no fraction" },
  SECRETS_DETECTED: { status: 422, retry: "never", summary: "a value in the manifest looks like a credential" },
  MANIFEST_ID_MISMATCH: { status: 422, retry: "never", summary: "plan and manifest id do not match" },
  MANIFEST_OP_ID_MISMATCH: { status: 422, retry: "never", summary: "the manifest belongs to another operation" },
  RUN_CONFIG_MISMATCH: { status: 422, retry: "never", summary: "the run's configuration differs from the manifest's" },
  MANIFEST_NOT_FOUND: { status: 404, retry: "never", summary: "there is no manifest with this id" },
  MANIFEST_CORRUPT: { status: 500, retry: "never", summary: "the stored manifest does not have the digest of its id" },
  MANIFEST_DECODE_FAILED: { status: 500, retry: "never", summary: "the stored manifest is not JSON" },
  MANIFEST_DESERIALIZE_FAILED: { status: 500, retry: "never", summary: "the stored manifest has another shape" },

  // runs and their log (spec 00, 08)
  RUN_NOT_FOUND: { status: 404, retry: "never", summary: "there is no run with this id" },
  RUN_ID_MISMATCH: { status: 500, retry: "never", summary: "the log holds an event of another run" },
  MISSING_RUN_SUBMITTED: { status: 500, retry: "never", summary: "the log does not begin with run_submitted" },
  INVALID_LOG: { status: 500, retry: "never", summary: "the run's log breaks an invariant" },
  LOG_CONFLICT: { status: 409, retry: "later", summary: "another writer appended to the log first" },
  STEP_NOT_IN_PLAN: { status: 500, retry: "never", summary: "the log names a step that the plan does not have" },
  RUN_SUBMITTED_OP_ID_MISMATCH: { status: 500, retry: "never", summary: "log and manifest name different operations" },
  PLAN_OP_ID_MISMATCH: { status: 500, retry: "never", summary: "plan and manifest name different operations" },
  STATE_TRANSITION_REFUSED: { status: 500, retry: "never", summary: "the state table has no such transition" },
  LEDGER_CONFLICT: { status: 500, retry: "never", summary: "a ledger row exists with other amounts" },

  // policy packs
  PACK_NOT_FOUND: { status: 404, retry: "never", summary: "there is no pack of this name" },
  PACK_DIGEST_MISMATCH: {
    status: 500,
    retry: "never",
    summary: "a pack's bytes do not have the digest of its manifest",
  },
  PACK_MANIFEST_INVALID: { status: 422, retry: "never", summary: "a pack's manifest is not of the right form" },
  PACK_IMPORT_REFUSED: { status: 422, retry: "never", summary: "a pack needs something the host does not offer" },
  PACK_CHECK_FAILED: { status: 422, retry: "never", summary: "the pack does not compile" },
  PACK_TEST_FAILED: { status: 422, retry: "never", summary: "a test of the pack fails" },
  PACK_BUILD_FAILED: { status: 422, retry: "never", summary: "the pack could not be built to Wasm" },
  TOOLCHAIN_FAILED: { status: 500, retry: "later", summary: "the Rego toolchain broke down on a request" },
  TOOLCHAIN_UNAVAILABLE: { status: 503, retry: "never", summary: "the Rego toolchain cannot be loaded" },

  // keys, tokens, evidence
  KEYS_UNAVAILABLE: { status: 503, retry: "later", summary: "no verification keys are loaded" },
  KEY_FILE_UNSAFE: { status: 500, retry: "never", summary: "a key file has the wrong owner, mode or is a link" },
  KEY_FILE_UNAVAILABLE: { status: 503, retry: "later", summary: "a key file or its folder cannot be read or written" },
  KEY_FILE_INVALID: { status: 500, retry: "never", summary: "a key file does not hold a key of its kind" },
  KEY_ROW_INVALID: { status: 500, retry: "never", summary: "a stored key was not written with this instance key" },
  INSTANCE_KEY_MISSING: {
    status: 500,
    retry: "never",
    summary: "the database was made with an instance key that is not here",
  },
  INSTANCE_KEY_MISMATCH: { status: 500, retry: "never", summary: "the database was made with another instance key" },
  ADMIN_KEY_WEAK: { status: 500, retry: "never", summary: "the given admin key is too short" },
  BLOB_UNREADABLE: { status: 500, retry: "never", summary: "a sealed payload does not open where it is stored" },
  BLOB_ERASED: { status: 410, retry: "never", summary: "the payload was erased" },
  RECORD_NOT_FOUND: { status: 404, retry: "never", summary: "there is no record with this id" },
  SIGNER_UNAVAILABLE: { status: 503, retry: "later", summary: "the signing key cannot be used" },
  SCOPE_INVALID: { status: 500, retry: "never", summary: "the scope asked for cannot be written into a token" },
  EVIDENCE_MALFORMED: { status: 422, retry: "never", summary: "the evidence file is not one" },
  EVIDENCE_NOT_READY: { status: 409, retry: "later", summary: "the run has not been sealed yet" },

  // approvals (spec 04)
  APPROVAL_ROLE_MISSING: { status: 403, retry: "never", summary: "the key does not have the role that must decide" },
  APPROVAL_OWN: { status: 403, retry: "never", summary: "the run was submitted or resumed by the owner of this key" },
  APPROVAL_DECIDED: { status: 409, retry: "never", summary: "the approval was decided otherwise before" },
  APPROVAL_EXPIRED: { status: 409, retry: "never", summary: "the approval was not decided in time" },
  APPROVAL_VOID: { status: 409, retry: "never", summary: "the step does not wait for this approval any more" },
  APPROVAL_UNVERIFIED: { status: 500, retry: "never", summary: "the approval is not what was signed" },

  // sinks
  SINK_HOST_NOT_APPROVED: {
    status: 422,
    retry: "never",
    summary: "the platform has not approved this host for the tenant's sinks",
  },

  // patches
  PATCH_MALFORMED: { status: 422, retry: "never", summary: "a JSON Patch operation is not of the right form" },
  PATCH_DOES_NOT_APPLY: { status: 422, retry: "never", summary: "a JSON Patch operation does not fit the document" },

  // executors
  SANDBOX_UNAVAILABLE: { status: 503, retry: "never", summary: "this machine cannot give the isolation asked for" },
  PROGRAM_NOT_ALLOWED: { status: 403, retry: "never", summary: "the program is not on the tenant's list" },
  EGRESS_REFUSED: { status: 403, retry: "never", summary: "the address or host is not allowed" },
  EXECUTION_FAILED: { status: 422, retry: "same_attempt", summary: "the executor reported a failure" },
  IO_UNIMPLEMENTED: { status: 500, retry: "never", summary: "no transport was given for outside I/O" },
  TOOL_UNREADABLE: {
    status: 409,
    retry: "never",
    summary: "a tool's stored definition is of a form that this release does not read; it must be registered again",
  },
  TOOL_WORK_EXCEEDED: {
    status: 422,
    retry: "never",
    summary: "holding a value against a tool's schema would take more work than one check may",
  },
  TOOL_SECRET_MISSING: {
    status: 422,
    retry: "never",
    summary: "a tool asks for a secret that its tenant does not keep; put it first: PUT /v1/secrets/{secret}",
  },
  TOOL_SECRET_UNFIT: {
    status: 422,
    retry: "never",
    summary: "a tool asks for a secret as a header, and it is not one line of visible ASCII; put it as one line",
  },
  TOOL_SECRET_PLACE: {
    status: 422,
    retry: "never",
    summary: "a tool's executor takes no secret there: process takes them as `env`, http as `header`, others none",
  },
  EXECUTOR_DUPLICATE: { status: 500, retry: "never", summary: "two executors are registered for one type" },

  // storage
  STORE_UNAVAILABLE: { status: 503, retry: "later", summary: "the database does not answer" },
  STORE_REFUSED: { status: 500, retry: "never", summary: "the database refused the statement" },
  STORE_BUSY: { status: 503, retry: "later", summary: "the database did not get to the statement in time" },
  STORE_FULL: { status: 503, retry: "later", summary: "the database has no space left" },
  STORE_UNSAFE: { status: 503, retry: "never", summary: "the database's settings do not keep what we promise" },
  STORE_ROLES_MISSING: {
    status: 503,
    retry: "never",
    summary: "the database user may not make the roles that the gateway and the worker run as",
  },
  STORE_FENCE_OPEN: {
    status: 503,
    retry: "never",
    summary: "the gateway's database role could see rows of other tenants",
  },
  SCHEMA_NEWER: { status: 500, retry: "never", summary: "the schema was made by a newer version" },
  SCHEMA_CORRUPT: { status: 500, retry: "never", summary: "an applied migration has another digest than ours" },
  EMBEDDED_UNSUPPORTED: {
    status: 500,
    retry: "never",
    summary: "the embedded PostgreSQL does not run on this machine",
  },
  EMBEDDED_USER_NAMELESS: {
    status: 500,
    retry: "never",
    summary: "the embedded PostgreSQL cannot be made by a user that this machine has no name for",
  },
  EMBEDDED_FAILED: { status: 500, retry: "later", summary: "the embedded PostgreSQL did not start" },
  HOME_UNSAFE: { status: 500, retry: "never", summary: "the home folder has the wrong owner, mode or is a link" },

  // configuration and command line
  DISK_FULL: { status: 503, retry: "later", summary: "the disk has no space left" },
  CONFIG_INVALID: { status: 500, retry: "never", summary: "settings do not parse or are unknown" },
  PORT_TAKEN: { status: 500, retry: "later", summary: "the address to listen on is in use" },
  USAGE: { status: 400, retry: "never", summary: "the command line is not understood" },
  GATEWAY_UNREACHABLE: { status: 503, retry: "later", summary: "the gateway does not answer" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Identifiers, counts and paths only: never a token, a payload or SQL text. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean>> & ProblemMembers;

/** Members of a problem that say other things (RFC 9457 §3.1, gateway/errors.ts): a detail of that name would be lost. */
type ProblemMembers = {
  readonly [Member in "type" | "title" | "status" | "detail" | "instance" | "code" | "retry"]?: never;
};

/** An error with a stable code. `detail` may be shown to the caller; `cause` is for the log only. */
export class StepgateError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, detail: ErrorDetail = {}, options: { readonly cause?: unknown } = {}) {
    super(ERROR_CODES[code].summary, options);
    this.name = "StepgateError";
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** Tells whether a caught value is ours, optionally with one of the given codes. */
export function isStepgateError(caught: unknown, ...codes: readonly ErrorCode[]): caught is StepgateError {
  return caught instanceof StepgateError && (codes.length === 0 || codes.includes(caught.code));
}
