/**
 * `http`: one request to a listed host, through a transport that checks every address and every redirect (spec 09).
 *
 * In: `{method, url, headers?, body?, timeout_ms?}`. Out: `{status, headers, body | json}` for any status below 500 but 429.
 * It runs inside the gateway's own process. Not here: the wall (guard.ts), what a status means (http-result.ts).
 */
import type { Clock } from "../../core/clock.ts";
import { flagsNamed } from "../../core/guardrail-flag.ts";
import { isAtLeast } from "../../core/isolation.ts";
import type { AdapterCheck, ExecutionContext, ExecutorAdapter, ExecutorResult, IsolationReport } from "../contract.ts";
import { executionError, stopped } from "../failure.ts";
import type { AdapterDeps } from "../ports.ts";
import { publishSchema } from "../schema.ts";
import { makeTokenGuard } from "../token-guard.ts";
import type { GuardDeps, GuardedTransport } from "./guard.ts";
import { hostPortOf, isGranted } from "./host-port.ts";
import { HttpInputs } from "./http-inputs.ts";
import { disallowed, type HttpRequest, httpScope, makeReadHttpRequest, refusal } from "./http-request.ts";
import { contentType, httpResult } from "./http-result.ts";
import { DEFAULT_HTTP_SETTINGS, HttpSettingsSchema } from "./http-settings.ts";
import { makeHttpSecrets } from "./secret-headers.ts";
import { makeTransports } from "./transports.ts";

export const HTTP_AUDIENCE = "adapter.http";

export interface HttpAdapterDeps extends AdapterDeps, Omit<GuardDeps, "allowPrivate"> {
  readonly clock: Pick<Clock, "nowMs">;
  /** Shows that the guard stands, with a control (self-test.ts). */
  readonly proveGuard: () => Promise<IsolationReport>;
}

const MAX_REDIRECTS = 3;

/**
 * Makes the adapter; it refuses every step until `selfTest` has shown that the guard stands. Its isolation is `none`: it is
 * our own code that runs, and the guard that holds it.
 */
export function makeHttpAdapter(deps: HttpAdapterDeps): ExecutorAdapter {
  const guard = makeTokenGuard({ ...deps, audience: HTTP_AUDIENCE });
  const readRequest = makeReadHttpRequest();
  const transports = makeTransports(deps);
  let isGuardProved = false;
  return {
    type: "http",
    audience: HTTP_AUDIENCE,
    settingsSchema: publishSchema(HttpSettingsSchema),
    inputsSchema: publishSchema(HttpInputs),
    defaultSettings: DEFAULT_HTTP_SETTINGS,
    secrets: makeHttpSecrets(readRequest),
    describe: () => ({
      type: "http",
      version: "1.0.0",
      summary: "Sends one HTTP request to a listed host.",
      effects: "write",
      meters: [],
      isolation: "none",
    }),
    scope: (spec, settings) => httpScope(readRequest(spec, settings)),
    check: (spec, settings, { minimum, weakerAllowed }): AdapterCheck => {
      const request = readRequest(spec, settings);
      if (!request.ok) return request;
      if (!isGuardProved) return refusal("sandbox_unavailable", "guard_unproved");
      const isIsolated = isAtLeast("none", minimum) || weakerAllowed;
      return isIsolated ? { ok: true, isolation: "none" } : refusal("sandbox_unavailable", "isolation_too_weak");
    },
    selfTest: async () => {
      // what an earlier test showed may not hold any more, also where this one breaks down
      isGuardProved = false;
      const report = await deps.proveGuard();
      isGuardProved = report.checks.length > 0 && report.checks.every(({ held }) => held);
      return report;
    },
    execute: async (context, signal) => {
      const request = readRequest(context.spec, context.settings);
      const guarded = guard(context, httpScope(request));
      if (!guarded.ok) return guarded.result;
      if (!request.ok) {
        const code = request.reasons.join(",");
        return executionError({ code, message: `the request was not sent: ${request.kind}`, isRetryable: false });
      }
      if (!isGuardProved) {
        const message = "the request was not sent: nothing shows that the egress guard stands";
        return executionError({ code: "guard_unproved", message, isRetryable: false });
      }
      if (signal.aborted) return stopped(signal);
      const transport = transports.of(context.tenantUid, request.settings.allow_private);
      return perform(request, { context, egress: guarded.scope.egress, signal, transport, nowMs: deps.clock.nowMs });
    },
  };
}

interface Exchange {
  readonly context: ExecutionContext;
  /** What the token grants. */
  readonly egress: readonly string[];
  readonly signal: AbortSignal;
  readonly transport: GuardedTransport;
  readonly nowMs: () => number;
}

async function perform(
  request: HttpRequest,
  { context, egress, signal, transport, nowMs }: Exchange,
): Promise<ExecutorResult> {
  const { inputs, settings, url, body } = request;
  const { limits } = context;
  // not among the arguments that the token was minted for: those are in records, these are in memory
  const secrets = context.secrets.map(({ name, value }) => [name.toLowerCase(), value] as const);
  const headers = { ...request.headers, ...Object.fromEntries(secrets) };
  const timeoutMs = Math.min(
    settings.timeout_ms,
    inputs.timeout_ms ?? settings.timeout_ms,
    limits.wall_ms ?? settings.timeout_ms,
  );
  const result = await transport.request(
    {
      method: inputs.method,
      url,
      headers,
      body,
      // the token was checked for the first URL; a redirect must stay in what it grants, and in the settings
      mayReach: (next, method) =>
        disallowed(next, method, settings).length === 0 && isGranted(hostPortOf(next), egress),
      mayRead: (type) => isRead(type, settings.content_types) && isFlagged(type, context.spec.policy.guardrails),
      maxBytes: Math.min(settings.max_bytes, limits.bytes_out ?? settings.max_bytes),
      timeoutMs,
      maxBodyMs: timeoutMs,
      maxRedirects: MAX_REDIRECTS,
    },
    signal,
  );
  return httpResult(result, signal, nowMs());
}

/** Without a type there should be nothing to read; that there was is found when it is read. */
function isRead(header: string | undefined, allowed: readonly string[]): boolean {
  const { type } = contentType(header);
  return (
    type === "" ||
    allowed.some((entry) => (entry.endsWith("/*") ? type.startsWith(entry.slice(0, -1)) : type === entry))
  );
}

/** With `egress_http_content_type` flags of the step only their types are read. */
function isFlagged(header: string | undefined, flags: readonly string[]): boolean {
  const mimes = flagsNamed(flags, "egress_http_content_type").map(({ mime }) => mime);
  const { type } = contentType(header);
  return type === "" || mimes.length === 0 || mimes.includes(type);
}
