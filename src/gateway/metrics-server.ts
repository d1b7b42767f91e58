/**
 * The listener for /metrics alone, which asks for no key: whoever reaches it can read, and nothing else.
 *
 * Its limits are small and of its own, so that a flood here takes nothing of the API's. Errors are the same problems.
 * Not here: what is measured (telemetry/names.ts), the address (gateway.ts).
 */
import Fastify, { type FastifyInstance } from "fastify";
import type { Ids } from "../core/ids.ts";
import type { Log } from "../telemetry/logger.ts";
import { answerUnknownRoutes, refuseRepeated } from "./access.ts";
import { makeClientErrorHandler } from "./client-error.ts";
import { answerErrors, convertError, sendError } from "./errors.ts";
import { receiveOddRequests } from "./odd-requests.ts";
import type { Health } from "./ports/health.ts";
import { checkBodyHeaders } from "./read-json.ts";
import { metricsRoute } from "./routes/health.ts";

export interface MetricsServerDeps {
  readonly ports: { readonly health: Health };
  readonly ids: Ids;
  readonly log: Log;
}

export interface MetricsLimits {
  readonly maxConnections: number;
  /** In which a scraper sends its whole request. */
  readonly requestTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** Some scrapers at once, each with one short request. */
export const METRICS_LIMITS: MetricsLimits = {
  maxConnections: 32,
  requestTimeoutMs: 5_000,
  maxHeaderBytes: 8_192,
};

/** Makes the server, ready to listen. */
export function makeMetricsServer(
  { ports, ids, log }: MetricsServerDeps,
  { maxConnections, requestTimeoutMs, maxHeaderBytes }: MetricsLimits = METRICS_LIMITS,
): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: () => ids.uuid(),
    requestIdHeader: false,
    requestTimeout: requestTimeoutMs,
    http: {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: maxHeaderBytes,
      requireHostHeader: false,
    },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: makeClientErrorHandler(ids),
    frameworkErrors: (caught, _request, reply) => void sendError(reply, convertError(caught)),
  });
  app.server.maxConnections = maxConnections;
  receiveOddRequests(app, ids);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff", "cache-control": "no-store" });
    refuseRepeated(request.raw.rawHeaders);
    // no route here reads a body
    if (!request.is404) checkBodyHeaders(request);
  });
  answerUnknownRoutes(app);
  answerErrors(app, log);
  metricsRoute(app, ports);
  return app;
}
