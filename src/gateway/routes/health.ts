/**
 * The process itself: alive, ready, public keys, metrics. All but metrics answer without a key.
 *
 * Not here: what readiness means (main.ts), what is measured (telemetry/names.ts).
 */
import type { FastifyInstance } from "fastify";
import type { Api } from "../parts.ts";
import type { Health } from "../ports/health.ts";
import { HealthView, JwksView, ReadyView } from "../views/health.ts";
import { ref } from "../views/schema.ts";

/** Text format 0.0.4, which every scraper reads. */
const PROMETHEUS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function healthRoutes(app: Api, { health }: { readonly health: Health }): void {
  app.get(
    "/healthz",
    {
      schema: {
        operationId: "getHealth",
        summary: "Whether the process answers",
        tags: ["process"],
        response: { 200: ref(HealthView) },
      },
    },
    async () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      schema: {
        operationId: "getReadiness",
        summary: "Whether the process can serve",
        tags: ["process"],
        response: { 200: ref(ReadyView), 503: ref(ReadyView) },
      },
    },
    async (_request, reply) => {
      const view = await health.ready();
      return reply.code(view.ready ? 200 : 503).send(view);
    },
  );
  app.get(
    "/.well-known/jwks.json",
    {
      schema: {
        operationId: "getJwks",
        summary: "Public keys that verify capability tokens",
        tags: ["process"],
        response: { 200: ref(JwksView) },
      },
    },
    async (_request, reply) => reply.header("cache-control", "public, max-age=300").code(200).send(health.jwks()),
  );
}

/** Serves metrics, on the API with a key, or on a listener of its own. */
export function metricsRoute(app: FastifyInstance, { health }: { readonly health: Health }): void {
  app.get(
    "/metrics",
    {
      schema: { operationId: "getMetrics", summary: "Metrics as Prometheus text", tags: ["process"] },
    },
    async (_request, reply) => reply.type(PROMETHEUS_MEDIA_TYPE).send(await health.metricsText()),
  );
}
