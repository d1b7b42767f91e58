/**
 * One log line and one span per request: route, status, duration, who; never a path, a query or a body.
 *
 * In: hooks of the server. Out: `request.span`, the request's place in its trace, which starts hand on.
 * Not here: what a log may hold (telemetry/redact-fields.ts), metrics of steps (the gate's).
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../telemetry/logger.ts";
import { readTraceHeaders, type TraceContext } from "../telemetry/trace-context.ts";
import type { Tracing } from "../telemetry/tracing.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Undefined when no trace was sent and no spans are made. */
    span: TraceContext | undefined;
    startedMs: number;
  }
}

export interface ObserveDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly tracing: Tracing;
}

/** Observes every request, also those that no route answers. */
export function observeRequests(app: FastifyInstance, { clock, log, tracing }: ObserveDeps): void {
  app.decorateRequest("span");
  app.decorateRequest("startedMs", 0);
  app.addHook("onRequest", async (request, reply) => {
    request.startedMs = clock.nowMs();
    request.span = tracing.childOf(parentOf(request));
    reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff", "cache-control": "no-store" });
  });
  app.addHook("onResponse", async (request, reply) => {
    const endMs = clock.nowMs();
    const route = request.routeOptions.url ?? "none";
    log.info(
      {
        request_id: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: endMs - request.startedMs,
        key_id: request.authority?.holder.keyId,
        tenant: request.authority?.caller?.tenantId,
      },
      "request",
    );
    if (tracing.isEnabled) report(tracing, request, reply, endMs);
  });
}

function report(tracing: Tracing, request: FastifyRequest, reply: FastifyReply, endMs: number): void {
  if (request.span === undefined) return;
  tracing.report({
    name: "request",
    place: request.span,
    parent: parentOf(request),
    startMs: request.startedMs,
    endMs,
    isFailed: reply.statusCode >= 500,
    attributes: {
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status_code: reply.statusCode,
    },
  });
}

function parentOf({ headers }: FastifyRequest): TraceContext | undefined {
  return readTraceHeaders(single(headers["traceparent"]), single(headers["tracestate"]));
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
