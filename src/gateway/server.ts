/**
 * The HTTP server: one Fastify whose every part is closed first and opened by name.
 *
 * In: use cases and settings. Out: a server that is ready to listen. Order of a request: log and trace, door (access.ts),
 * body (read-json.ts), schema (validator.ts), idempotency, route. Not here: listening (gateway.ts), routes (routes/).
 */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import type { Config } from "../config/config.ts";
import type { Ids } from "../core/ids.ts";
import { answerUnknownRoutes, guardRoutes } from "./access.ts";
import { makeAnswerWriters } from "./answer-writer.ts";
import { makeAuthorize } from "./auth.ts";
import { makeClientErrorHandler } from "./client-error.ts";
import { answerErrors, convertError, sendError } from "./errors.ts";
import { keepAnswers } from "./idempotency.ts";
import { type ObserveDeps, observeRequests } from "./observe-requests.ts";
import { receiveOddRequests } from "./odd-requests.ts";
import { describeApi, openApiRoute } from "./openapi.ts";
import type { Api } from "./parts.ts";
import type { GatewayPorts } from "./ports.ts";
import { readJsonBodies } from "./read-json.ts";
import { registerRoutes } from "./routes/index.ts";
import { STREAM_TIMES, type StreamTimes } from "./sse.ts";
import { makeStreamSlots } from "./stream-slots.ts";
import { makeValidatorCompiler } from "./validator.ts";
import { NAMED_SCHEMAS } from "./views/named-schemas.ts";

export interface ServerDeps extends ObserveDeps {
  readonly ports: GatewayPorts;
  readonly settings: Config["gateway"];
  readonly ids: Ids;
  readonly version: string;
  /** Default: STREAM_TIMES. */
  readonly streamTimes?: StreamTimes;
}

const MAX_HEADERS_TIMEOUT_MS = 10_000;
/** Longer than any name a path may hold. */
const MAX_PARAM_LENGTH = 256;

export interface Server {
  readonly app: Api;
  /** Ends all streams and refuses what comes; the server can then be closed without waiting for readers. */
  readonly drain: () => void;
}

/** Makes the server with all routes. @throws {StepgateError} INTERNAL for a route without an entry in ROUTE_ACCESS. */
export async function makeServer(deps: ServerDeps): Promise<Server> {
  const { ports, settings, log } = deps;
  const app = makeApp(deps);
  const authorize = makeAuthorize(ports.authenticator);
  const slots = makeStreamSlots(settings.maxStreams);
  let isStopping = false;
  receiveOddRequests(app, deps.ids);
  observeRequests(app, deps);
  guardRoutes(app, { authorize, hosts: settings, isStopping: () => isStopping });
  answerUnknownRoutes(app);
  readJsonBodies(app);
  keepAnswers(app, ports.idempotency, log);
  app.setValidatorCompiler(makeValidatorCompiler());
  for (const schema of NAMED_SCHEMAS) app.addSchema(schema);
  answerErrors(app, log);
  await describeApi(app, deps.version);
  registerRoutes(app, {
    ports,
    authorize,
    slots,
    log,
    times: deps.streamTimes ?? STREAM_TIMES,
    maxRunBodyBytes: settings.maxRunBodyBytes,
    stepWaitMs: settings.stepWaitMs,
    servesMetrics: settings.metricsListen === undefined,
  });
  openApiRoute(app);
  await app.ready();
  return {
    app,
    drain: () => {
      isStopping = true;
      slots.stopAll();
    },
  };
}

function makeApp({ settings, ids }: ServerDeps): Api {
  const { requestTimeoutMs } = settings;
  const app = Fastify({
    logger: false,
    genReqId: () => ids.uuid(),
    requestIdHeader: false,
    bodyLimit: settings.maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    http: {
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(requestTimeoutMs, MAX_HEADERS_TIMEOUT_MS),
      connectionsCheckingInterval: 1_000,
      // the door answers a request without one, with a problem
      requireHostHeader: false,
    },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: makeClientErrorHandler(ids),
    schemaController: { compilersFactory: { buildSerializer: makeAnswerWriters() } },
    // paths that the router cannot read: no hook runs for them
    frameworkErrors: (caught, _request, reply) => void sendError(reply, convertError(caught)),
    routerOptions: {
      caseSensitive: true,
      ignoreTrailingSlash: false,
      ignoreDuplicateSlashes: false,
      maxParamLength: MAX_PARAM_LENGTH,
    },
  });
  app.server.maxConnections = settings.maxConnections;
  return app.withTypeProvider<TypeBoxTypeProvider>();
}
