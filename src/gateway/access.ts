/**
 * The door of every route: path, Host, credential, roles and the body's headers, in this order, before a body is read.
 *
 * A route without an entry in the access table does not register. Out: `callerOf`, `holderOf` for handlers.
 * Not here: the table (roles.ts), credentials (auth.ts), validation (validator.ts).
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { StepgateError } from "../core/errors.ts";
import { type Authority, type Authorize, TENANT_HEADER } from "./auth.ts";
import type { HostSettings } from "./host-check.ts";
import { makeHostCheck } from "./host-check.ts";
import { IDEMPOTENCY_HEADER } from "./idempotency.ts";
import type { Caller, KeyHolder } from "./ports/caller.ts";
import { checkBodyHeaders } from "./read-json.ts";
import { type Access, findAccess } from "./roles.ts";
import { closedObject } from "./views/schema.ts";

declare module "fastify" {
  interface FastifyRequest {
    authority: Authority | undefined;
  }
  interface FastifyContextConfig {
    access?: Access;
  }
}

/** What a path of ours is made of; an encoded, doubled or trailing slash is another path, and that one is nowhere. */
const PATH = /^(?:\/[A-Za-z0-9._~-]+)+$/;
/** Probes come by address, and their answer tells nothing. */
const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

const NO_QUERY = closedObject({}, "None.");

export interface DoorDeps {
  readonly authorize: Authorize;
  readonly hosts: HostSettings;
  readonly isStopping: () => boolean;
}

/** Puts the door before every route that is registered afterwards. */
export function guardRoutes(app: FastifyInstance, deps: DoorDeps): void {
  const checkHost = makeHostCheck(deps.hosts);
  app.decorateRequest("authority");
  app.addHook("onRoute", (route) => {
    const methods = typeof route.method === "string" ? [route.method] : route.method;
    for (const method of methods) {
      const access = findAccess(method, route.url);
      if (access === undefined) {
        throw new StepgateError("INTERNAL", { route: `${method} ${route.url}`, reason: "it is not in ROUTE_ACCESS" });
      }
      route.config = { ...route.config, access };
    }
    // a query that nobody reads is a question that nobody answers
    route.schema = { querystring: NO_QUERY, ...route.schema };
  });
  app.addHook("onRequest", async (request) => {
    if (deps.isStopping()) throw new StepgateError("SHUTTING_DOWN");
    const path = pathOf(request);
    if (!PATH.test(path)) throw new StepgateError("NOT_FOUND");
    refuseRepeated(request.raw.rawHeaders);
    if (!PROBES.has(path)) {
      if (request.headers.host === undefined)
        throw new StepgateError("REQUEST_MALFORMED", { reason: "host is missing" });
      checkHost(request.headers);
    }
    if (request.is404) return;
    const { access } = request.routeOptions.config;
    if (access === undefined) throw new StepgateError("INTERNAL", { reason: "the route has no access entry" });
    if (access.who !== "anyone") request.authority = await deps.authorize(request.headers, access);
    checkBodyHeaders(request);
  });
}

/** No client of ours sends a tenth of them. */
const MAX_HEADERS = 256;
/** Headers that mean one thing: Node keeps the first of several, and what stands before us may keep the last. */
const SINGLE: ReadonlySet<string> = new Set([
  "host",
  "origin",
  "authorization",
  TENANT_HEADER,
  IDEMPOTENCY_HEADER,
  "last-event-id",
  "content-type",
  "content-encoding",
  "content-length",
  "transfer-encoding",
  "expect",
]);

/**
 * Refuses heads that two readers could read in two ways.
 *
 * @throws {StepgateError} REQUEST_MALFORMED for a header of SINGLE that was sent twice (RFC 9112 §3.2 for Host),
 *   HEADERS_TOO_LARGE for more than MAX_HEADERS.
 */
export function refuseRepeated(rawHeaders: readonly string[]): void {
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new StepgateError("HEADERS_TOO_LARGE", { limit: MAX_HEADERS });
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? "";
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) throw new StepgateError("REQUEST_MALFORMED", { reason: `${name} was sent twice` });
    seen.add(name);
  }
}

/**
 * Answers a path or method that no route has: 405 with `allow` when other methods are there (RFC 9110 §15.5.6).
 * Registered after the door, so that its checks come first; no body is read for it.
 */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const routes: { readonly method: string; readonly form: RegExp }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    const form = new RegExp(`^${url.replaceAll(".", "\\.").replace(/:[a-z]+/g, "[^/]+")}$`);
    for (const one of typeof method === "string" ? [method] : method) routes.push({ method: one, form });
  });
  app.addHook("onRequest", async (request, reply) => {
    if (!request.is404) return;
    const path = pathOf(request);
    const methods = routes.filter(({ form }) => form.test(path)).map(({ method }) => method);
    if (methods.length === 0) throw new StepgateError("NOT_FOUND");
    reply.header("allow", methods.join(", "));
    throw new StepgateError("METHOD_NOT_ALLOWED");
  });
  // hooks run for unknown routes only where there is such a handler
  app.setNotFoundHandler(async () => {
    throw new StepgateError("NOT_FOUND");
  });
}

/** Who calls, acting in one tenant. @throws {StepgateError} INTERNAL on a route whose access is not `tenant`. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = request.authority?.caller;
  if (caller === undefined) throw new StepgateError("INTERNAL", { reason: "the route acts in no tenant" });
  return caller;
}

/** Whose key it is. @throws {StepgateError} INTERNAL on a route for anyone. */
export function holderOf(request: FastifyRequest): KeyHolder {
  const holder = request.authority?.holder;
  if (holder === undefined) throw new StepgateError("INTERNAL", { reason: "the route asks for no key" });
  return holder;
}

/** The path as it was sent, without the query. */
export function pathOf(request: FastifyRequest): string {
  return request.raw.url?.split("?", 1)[0] ?? "";
}
