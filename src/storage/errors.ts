/**
 * What the database and its driver throw, as our own errors.
 *
 * Out: a code of the table, the SQLSTATE, the name of a violated constraint, and whether a commit is in doubt. A message or
 * DETAIL of PostgreSQL can quote a row, so neither goes into `detail` nor into `cause`. Not here: retries (the callers').
 */
import pg from "pg";
import { type ErrorCode, type ErrorDetail, isStepgateError, StepgateError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** What was under way: it decides whether a broken connection leaves open what became of a write. */
export type StoreMoment = "connect" | "in_transaction" | "autocommit" | "commit";

/** Raised by our own functions (`using errcode = 'SG…'`); their DETAIL is a JSON object of ids and counts. */
const RAISED: Readonly<Record<string, ErrorCode>> = {
  SG001: "STATE_TRANSITION_REFUSED",
  SG002: "STATE_CONFLICT",
  SG003: "STORE_REFUSED",
  SG004: "RATE_LIMITED",
  SG005: "STORE_ROLES_MISSING",
};

const CODES_BY_SQLSTATE: Readonly<Record<string, ErrorCode>> = {
  "25P03": "STORE_UNAVAILABLE", // idle_in_transaction_session_timeout: the session is gone
  "40001": "STORE_BUSY", // serialization_failure
  "40P01": "STORE_BUSY", // deadlock_detected
  "53100": "STORE_FULL", // disk_full
  "55P03": "STORE_BUSY", // lock_not_available: lock_timeout
  "57014": "STORE_BUSY", // query_canceled: statement_timeout
  "58030": "STORE_UNAVAILABLE", // io_error
};

/** 08 connection exception, 53 insufficient resources, 57 operator intervention: starting, stopping, terminated. */
const UNAVAILABLE_CLASSES: ReadonlySet<string> = new Set(["08", "53", "57"]);
/** Raised before a commit record is written, in whatever language the server writes its severities. */
const DEFINITE_CLASSES: ReadonlySet<string> = new Set(["22", "23", "25", "42", "P0", "SG"]);
/** Messages of these classes name our own identifiers only: types and syntax, sign-in, resources. */
const NAMEABLE_CLASSES: ReadonlySet<string> = new Set(["08", "0A", "28", "3D", "42", "53", "57"]);

/** Converts whatever `pg` threw; errors of our own pass unchanged. */
export function convertStoreError(caught: unknown, moment: StoreMoment): StepgateError {
  if (isStepgateError(caught)) return caught;
  if (caught instanceof pg.DatabaseError) return convertDatabaseError(caught, moment);
  // a value that cannot be sent never left this process
  if (caught instanceof TypeError || caught instanceof RangeError) {
    return new StepgateError("STORE_REFUSED", { reason: "a value cannot be sent" }, { cause: caught });
  }
  const detail = { ...systemCode(caught), ...doubt(canBeInDoubt(moment)) };
  return new StepgateError("STORE_UNAVAILABLE", detail, { cause: caught });
}

/**
 * Tells whether a write may have been made although it failed: the connection broke before the answer came.
 * Ids are made by the client, so whoever wrote reads back before writing again.
 */
export function isInDoubt(caught: unknown): boolean {
  return isStepgateError(caught) && caught.detail["inDoubt"] === true;
}

/** Tells whether the connection that threw this may serve again: only after a plain error of a statement. */
export function leavesConnectionUsable(caught: unknown): boolean {
  // 0A000: a cached plan whose result type a migration changed; 26000: a pooler that does not know our statement
  return caught instanceof pg.DatabaseError && isDefinite(caught) && caught.code !== "0A000" && caught.code !== "26000";
}

function convertDatabaseError(error: pg.DatabaseError, moment: StoreMoment): StepgateError {
  const sqlState = error.code ?? "";
  const code = codeOf(sqlState);
  const detail: ErrorDetail = {
    ...(sqlState.startsWith("SG") ? raisedDetail(error.detail) : {}),
    // a quota that is used up is an answer of ours, no fault of the database
    ...(code === "RATE_LIMITED" ? {} : { sqlState }),
    ...(error.constraint === undefined ? {} : { constraint: error.constraint }),
    ...doubt(canBeInDoubt(moment) && !isDefinite(error)),
  };
  return new StepgateError(code, detail, { cause: speakableCause(error, sqlState) });
}

function codeOf(sqlState: string): ErrorCode {
  const exact = RAISED[sqlState] ?? CODES_BY_SQLSTATE[sqlState];
  if (exact !== undefined) return exact;
  return UNAVAILABLE_CLASSES.has(sqlState.slice(0, 2)) ? "STORE_UNAVAILABLE" : "STORE_REFUSED";
}

/** PostgreSQL reports what rolled back as ERROR; FATAL and PANIC end the session, perhaps after the commit record. */
function isDefinite(error: pg.DatabaseError): boolean {
  if (error.code === "40003") return false; // statement_completion_unknown
  return error.severity === "ERROR" || DEFINITE_CLASSES.has((error.code ?? "").slice(0, 2));
}

function canBeInDoubt(moment: StoreMoment): boolean {
  return moment === "autocommit" || moment === "commit";
}

function doubt(isOpen: boolean): ErrorDetail {
  return isOpen ? { inDoubt: true } : {};
}

function raisedDetail(text: string | undefined): ErrorDetail {
  if (text === undefined) return {};
  try {
    const value = parseJson(text);
    if (!isJsonObject(value)) return {};
    return Object.fromEntries(Object.entries(value).filter(isPlainEntry));
  } catch (caught) {
    // a DETAIL that is not ours says nothing a caller may see
    if (isStepgateError(caught, "JSON_INVALID", "NUMBER_NOT_EXACT")) return {};
    throw caught;
  }
}

function isPlainEntry(entry: readonly [string, unknown]): entry is [string, string | number | boolean] {
  return ["string", "number", "boolean"].includes(typeof entry[1]);
}

function systemCode(caught: unknown): ErrorDetail {
  const code = caught instanceof Error && "code" in caught ? caught.code : undefined;
  return typeof code === "string" ? { system: code } : {};
}

/** What the log may hold: PostgreSQL's routine and line name the message without quoting a row. */
function speakableCause(error: pg.DatabaseError, sqlState: string): Error {
  const message = NAMEABLE_CLASSES.has(sqlState.slice(0, 2)) ? `: ${error.message}` : "";
  const { severity, schema, table, column, constraint, routine, file, line, position } = error;
  const fields = { sqlState, severity, schema, table, column, constraint, routine, file, line, position };
  return Object.assign(new Error(`PostgreSQL ${sqlState}${message}`), fields);
}
