/**
 * Errors on their way out: whatever was thrown becomes one problem (RFC 9457) with one of our codes.
 *
 * The caller gets code, summary and detail; the cause stays in the log. Not here: the codes (core/errors.ts), the shape
 * of a problem (views/problem.ts), refusals below HTTP (client-error.ts).
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { ERROR_CODES, type ErrorCode, isStepgateError, StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Log } from "../telemetry/logger.ts";

export const PROBLEM_MEDIA_TYPE = "application/problem+json";
/** RFC 6750 §3: which credential is wanted. */
const CHALLENGE = 'Bearer realm="stepgate"';

/** Fastify's own refusals that a caller can cause; every other one is a fault of ours. */
const FRAMEWORK_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "BODY_TOO_LARGE",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "MEDIA_TYPE_UNSUPPORTED",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "REQUEST_MALFORMED",
  FST_ERR_BAD_URL: "NOT_FOUND",
  FST_ERR_MAX_PARAM_LENGTH: "NOT_FOUND",
  ECONNRESET: "REQUEST_MALFORMED",
};

/** The error as one of ours; what is not known is INTERNAL, with the cause for the log. */
export function convertError(caught: unknown): StepgateError {
  if (isStepgateError(caught)) return caught;
  const code = caught instanceof Error && "code" in caught ? String(caught.code) : "";
  const known = Object.hasOwn(FRAMEWORK_CODES, code) ? FRAMEWORK_CODES[code] : undefined;
  return new StepgateError(known ?? "INTERNAL", {}, { cause: caught });
}

/** The body of a problem; `members` are shown to the caller and never shadow the standard ones. */
export function problemBody(code: ErrorCode, requestId: string, members: JsonObject): JsonObject {
  const { status, summary, retry } = ERROR_CODES[code];
  const { field, reason } = members;
  const detail = [field, reason].filter((part) => typeof part === "string" && part !== "").join(": ");
  const standard = {
    type: `urn:stepgate:error:${code.toLowerCase()}`,
    title: summary,
    status,
    ...(detail !== "" && { detail }),
    code,
    instance: `urn:uuid:${requestId}`,
    retry,
  };
  return { ...standard, ...members, ...standard };
}

/** Long enough for what passes by itself: a claim, a seal, a full pool. */
const RETRY_AFTER_SEC = "1";

/**
 * Tells clients that try again by themselves whether and when to: `retry-after` (RFC 9110 §10.2.3), and `x-should-retry`
 * for those of model APIs, which would repeat every 408, 409, 429 and 5xx.
 */
function retryHeaders(code: ErrorCode, { resets_at_ms: resetsAtMs }: JsonObject): Readonly<Record<string, string>> {
  const { status, retry } = ERROR_CODES[code];
  if (typeof resetsAtMs === "number") return { "retry-after": new Date(resetsAtMs).toUTCString() };
  // a quota that names no reset has none
  if (retry === "later" && code !== "RATE_LIMITED") return { "retry-after": RETRY_AFTER_SEC };
  return [408, 409, 429].includes(status) || status >= 500 ? { "x-should-retry": "false" } : {};
}

/** Sends a problem with what its code asks of the headers: challenge on 401, when to try again. */
export function sendProblem(reply: FastifyReply, code: ErrorCode, members: JsonObject): FastifyReply {
  const { status } = ERROR_CODES[code];
  if (status === 401) reply.header("www-authenticate", CHALLENGE);
  reply.headers(retryHeaders(code, members));
  return reply
    .code(status)
    .type(PROBLEM_MEDIA_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problemBody(code, reply.request.id, members));
}

/** Sends an error as its problem. */
export function sendError(reply: FastifyReply, error: StepgateError): FastifyReply {
  const members = error instanceof FieldErrors ? { ...error.detail, errors: [...error.fields] } : error.detail;
  return sendProblem(reply, error.code, members);
}

/** Makes every error of a server's routes and hooks a problem; faults of ours are logged with their cause. */
export function answerErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((caught, request, reply) => {
    const error = convertError(caught);
    if (error.status >= 500) log.error({ err: error, request_id: request.id }, "request failed");
    return sendError(reply, error);
  });
}

/** A wrong field: where it is, and what is wrong with it; never its value. */
export type FieldError = { readonly field: string; readonly reason: string };

/** FIELD_INVALID with every wrong field that was found, the first one in the detail. */
export class FieldErrors extends StepgateError {
  readonly fields: readonly FieldError[];

  constructor(fields: readonly [FieldError, ...FieldError[]]) {
    super("FIELD_INVALID", fields[0]);
    this.fields = fields;
  }
}
