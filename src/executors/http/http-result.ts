/**
 * What a response means for the step: any status below 500 but 429 is an answer, and the step succeeded in getting it.
 *
 * In: what the transport brought. Out: the adapter's result. JSON is read strictly, text is UTF-8. Not here: the transport.
 */
import { isStepgateError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { ExecutorResult } from "../contract.ts";
import { executionError, NO_COST, stopped } from "../failure.ts";
import type { GuardedResponse, GuardedResult } from "./guard.ts";
import { retryAfterMs } from "./retry-after.ts";

type Fault = Extract<GuardedResult, { readonly ok: false }>["fault"];

const MAX_HEADERS = 64;
const MAX_HEADER_VALUE = 2048;
/** Credentials, and what belongs to one connection only (RFC 9110 §7.6.1). */
const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  ...["set-cookie", "set-cookie2", "authorization", "proxy-authenticate", "proxy-authentication-info"],
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "alt-svc"],
]);

const MESSAGES: Readonly<
  Record<Exclude<Fault, "aborted">, { readonly message: string; readonly isRetryable: boolean }>
> = {
  egress_refused: { message: "the host, or an address behind it, is not allowed", isRetryable: false },
  too_many_redirects: { message: "more than three redirects", isRetryable: false },
  redirect_refused: { message: "a redirect leads to no URL, or from https to http", isRetryable: false },
  headers_too_large: { message: "the response's headers are over 16 KiB", isRetryable: false },
  response_too_large: { message: "the response is over max_bytes", isRetryable: false },
  encoding_refused: { message: "the response is packed in a way that was not asked for", isRetryable: false },
  response_malformed: { message: "the response is not well formed", isRetryable: true },
  certificate_refused: { message: "the host's certificate does not verify", isRetryable: false },
  connection_failed: { message: "the host cannot be reached, or the connection broke", isRetryable: true },
  timeout: { message: "the exchange took longer than its timeout", isRetryable: true },
};

/** The result of an exchange. */
export function httpResult(result: GuardedResult, signal: AbortSignal, nowMs: number): ExecutorResult {
  if (!result.ok)
    return result.fault === "aborted"
      ? stopped(signal)
      : executionError({ code: result.fault, ...MESSAGES[result.fault] });
  const { response } = result;
  const isUnavailable = response.status >= 500 || response.status === 429;
  const content = contentOf(response);
  if (!isUnavailable && !content.ok)
    return executionError({
      code: content.code,
      message: content.message,
      isRetryable: false,
      details: answerOf(response),
    });
  const answer = { ...answerOf(response), ...(content.ok ? content.fields : {}) };
  if (!isUnavailable) return { ok: true, output: answer, usage: NO_COST, toolEvents: [] };
  return executionError({
    code: "http_status",
    message: `the host answered ${response.status}`,
    isRetryable: true,
    retryAfterMs: retryAfterMs(response.headers["retry-after"], nowMs),
    details: answer,
  });
}

function answerOf({ status, headers }: GuardedResponse): JsonObject {
  const kept = Object.entries(headers)
    .filter(([name]) => !DROPPED_HEADERS.has(name))
    .map(([name, value]) => [name, typeof value === "string" ? value : value.join(", ")] as const)
    .filter(([, value]) => value.length <= MAX_HEADER_VALUE)
    .slice(0, MAX_HEADERS);
  return { status, headers: Object.fromEntries(kept) };
}

type Content =
  | { readonly ok: true; readonly fields: JsonObject }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** `json` where the response says that it is JSON, else `body` as text; neither where there is no body to read. */
function contentOf({ headers, body }: GuardedResponse): Content {
  const { type, charset } = contentType(headers["content-type"]);
  if (body === undefined || (body.length > 0 && type === ""))
    return { ok: false, code: "content_type_refused", message: "the response's content type is not one that is read" };
  if (body.length > 0 && (type === "application/json" || type.endsWith("+json"))) return jsonContent(body);
  const text = charset === "utf-8" || charset === "us-ascii" ? exactText(body) : undefined;
  if (text === undefined) return { ok: false, code: "output_not_text", message: "the response is not UTF-8 text" };
  return { ok: true, fields: { body: text } };
}

function jsonContent(body: Buffer): Content {
  try {
    return { ok: true, fields: { json: parseJson(body) } };
  } catch (caught) {
    if (!isStepgateError(caught)) throw caught;
    return {
      ok: false,
      code: "output_not_json",
      message: "the response says that it is JSON and is not, strictly read",
    };
  }
}

function exactText(body: Buffer): string | undefined {
  if (body.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

/** Type in lower case and charset, UTF-8 unless another is named (RFC 9110 §8.3). */
export function contentType(header: string | readonly string[] | undefined): {
  readonly type: string;
  readonly charset: string;
} {
  const [type = "", ...parameters] = (typeof header === "string" ? header : (header?.[0] ?? ""))
    .toLowerCase()
    .split(";");
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/.exec(parameter)?.[1])
    .find((name) => name !== undefined);
  return { type: type.trim(), charset: charset ?? "utf-8" };
}
