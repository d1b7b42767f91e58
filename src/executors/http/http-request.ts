/**
 * What an `http` step asks for, read by its schemas and held against the tenant's settings.
 *
 * In: spec and settings as they come. Out: a request that may be sent, or a refusal with its kind and codes.
 * Not here: addresses and redirects (guard.ts).
 */
import { canonicalJson } from "../../core/canonical-json.ts";
import type { ScopeDemand } from "../../core/capability.ts";
import type { JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import type { AdapterCheck } from "../contract.ts";
import { makeReader } from "../schema.ts";
import { hostPortOf, hostPortText, isListed } from "./host-port.ts";
import { HttpInputs } from "./http-inputs.ts";
import { type HttpSettings, makeReadHttpSettings } from "./http-settings.ts";
import { ACCEPTED_ENCODINGS } from "./read-body.ts";

export type Refusal = Extract<AdapterCheck, { readonly ok: false }>;

/** A request that its tenant's settings allow. */
export interface HttpRequest {
  readonly ok: true;
  readonly inputs: HttpInputs;
  readonly settings: HttpSettings;
  readonly url: URL;
  /** Names in lower case; what the transport adds is in it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Headers that decide where a message ends or goes, or what comes back. */
const TRANSPORT_HEADERS: ReadonlySet<string> = new Set([
  ...["accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te"],
  ...["trailer", "transfer-encoding", "upgrade", "via", "forwarded", "x-forwarded-for", "x-forwarded-host"],
]);

/** Whether a header of this name, in lower case, is not a step's to set. */
export function isTransportHeader(name: string): boolean {
  return TRANSPORT_HEADERS.has(name) || name.startsWith("proxy-");
}

/** Makes the reader. */
export function makeReadHttpRequest(): (spec: StepSpec, settings: JsonObject) => HttpRequest | Refusal {
  const readSettings = makeReadHttpSettings();
  const readInputs = makeReader(HttpInputs);
  return (spec, given) => {
    const settings = readSettings(given);
    if (settings === undefined) return refusal("invalid_request", "settings_malformed");
    const inputs = readInputs(spec.inputs);
    if (inputs === undefined) return refusal("invalid_request", "inputs_malformed");
    const url = URL.canParse(inputs.url) ? new URL(inputs.url) : undefined;
    if (url === undefined) return refusal("invalid_request", "url_malformed");
    const headers = headersOf(inputs);
    if (headers === undefined) return refusal("invalid_request", "header_refused");
    if (inputs.body !== undefined && (inputs.method === "GET" || inputs.method === "HEAD"))
      return refusal("invalid_request", "body_refused");
    const reasons = disallowed(url, inputs.method, settings);
    if (reasons.length > 0) return refusal("capability_denied", ...reasons);
    const body =
      typeof inputs.body === "string" || inputs.body === undefined ? inputs.body : canonicalJson(inputs.body);
    return { ok: true, inputs, settings, url, headers, body };
  };
}

/** Codes of what the settings do not allow; also asked for every redirect. */
export function disallowed(url: URL, method: string, { hosts, methods }: HttpSettings): readonly string[] {
  const reasons: string[] = [];
  if (url.protocol !== "http:" && url.protocol !== "https:") reasons.push("scheme_not_allowed");
  if (url.username !== "" || url.password !== "") reasons.push("url_names_user");
  if (!isListed(hostPortOf(url), hosts)) reasons.push("host_not_allowed");
  if (!methods.some((allowed) => allowed === method)) reasons.push("method_not_allowed");
  return reasons;
}

/** In lower case, with what the transport adds; undefined when one is not the step's to set, or is given twice. */
function headersOf({ headers: given = {}, body }: HttpInputs): Readonly<Record<string, string>> | undefined {
  const headers: Record<string, string> = { "user-agent": "stepgate", "accept-encoding": ACCEPTED_ENCODINGS };
  if (body !== undefined)
    headers["content-type"] = typeof body === "string" ? "text/plain; charset=utf-8" : "application/json";
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase();
    if (seen.has(lower) || isTransportHeader(lower)) return undefined;
    seen.add(lower);
    headers[lower] = value;
  }
  return headers;
}

/** What the token must allow: this request to this host. One that the settings do not allow is in no scope. */
export function httpScope(request: HttpRequest | Refusal): ScopeDemand {
  return {
    action: "invoke",
    location: "adapter:http",
    tool: "http",
    arguments: request.ok ? requestArguments(request.inputs) : {},
    limits: { calls: 1 },
    egress: request.ok ? [hostPortText(hostPortOf(request.url))] : [],
    data: [],
  };
}

function requestArguments({ method, url, headers, body }: HttpInputs): ScopeDemand["arguments"] {
  return {
    method,
    url,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  };
}

/** A check that failed. */
export function refusal(kind: Refusal["kind"], ...reasons: readonly string[]): Refusal {
  return { ok: false, kind, reasons };
}
