/**
 * A transport for HTTP requests to hosts that somebody else named: the wall against server-side request forgery.
 *
 * In: a request, the hosts and methods it may reach, bounds. Out: a response, or a fault with a stable code. Addresses are
 * checked where they are connected to; redirects are followed by hand, each through every check. For `http` and webhooks.
 * Not here: addresses (checked-connect.ts), bodies (read-body.ts), what a status means (http-result.ts).
 */
import type { Readable } from "node:stream";
import { Agent, request as send } from "undici";
import { type ConnectDeps, makeCheckedConnect } from "./checked-connect.ts";
import { type BodyFault, readBody } from "./read-body.ts";
import { type Hop, isRedirect, type Method, nextHop } from "./redirect.ts";
import { faultOf, type TransportFault } from "./transport-fault.ts";

export interface GuardedRequest {
  readonly method: Method;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Asked for the first URL and for each redirect's. */
  readonly mayReach: (url: URL, method: Method) => boolean;
  /** Asked before the body is read; undefined is a response without a content type. */
  readonly mayRead: (contentType: string | undefined) => boolean;
  /** Of the body, on the wire and unpacked. */
  readonly maxBytes: number;
  /** For everything: names, connections, redirects, the last byte. */
  readonly timeoutMs: number;
  /** From an answer's head to the last byte of its body; `timeoutMs` may end it sooner. */
  readonly maxBodyMs: number;
  /** Followed by hand, each through every check; one more is a fault. */
  readonly maxRedirects: number;
}

export interface GuardedHead {
  readonly status: number;
  /** As received, names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export interface GuardedResponse extends GuardedHead {
  /** Undefined where `mayRead` said no. */
  readonly body: Buffer | undefined;
}

export type GuardedResult =
  | { readonly ok: true; readonly response: GuardedResponse }
  | {
      readonly ok: false;
      readonly fault: TransportFault | BodyFault;
      /** Where an answer began and its body is not one, or did not end. */
      readonly head?: GuardedHead;
    };

export interface GuardedTransport {
  readonly request: (request: GuardedRequest, signal: AbortSignal) => Promise<GuardedResult>;
  /** Closes idle connections; running requests end first. */
  readonly close: () => Promise<void>;
}

export type GuardDeps = Omit<ConnectDeps, "connectTimeoutMs">;

const CONNECT_TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS_PER_ORIGIN = 32;
const KEEP_ALIVE_MS = 4000;

/**
 * Makes a transport. Connections are kept for four seconds and used again by whoever holds this transport, so tenants with
 * other private hosts, or that must not share connections, get one each.
 */
export function makeGuardedTransport(deps: GuardDeps): GuardedTransport {
  // never the global dispatcher: proxies of the environment, or an older undici inside Node, would go around the checks
  const agent = new Agent({
    connect: makeCheckedConnect({ ...deps, connectTimeoutMs: CONNECT_TIMEOUT_MS }),
    maxHeaderSize: MAX_HEADER_BYTES,
    // the request's own deadline is the only clock: one of the agent's would end what was given longer
    headersTimeout: 0,
    bodyTimeout: 0,
    connections: MAX_CONNECTIONS_PER_ORIGIN,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
  });
  return {
    close: () => agent.close(),
    request: async (request, signal) => {
      const deadline = withDeadline(signal, request.timeoutMs);
      try {
        return await follow(agent, request, deadline);
      } catch (caught) {
        return { ok: false, fault: faultOf(caught, deadline) };
      } finally {
        deadline.clear();
      }
    },
  };
}

async function follow(agent: Agent, request: GuardedRequest, deadline: Deadline): Promise<GuardedResult> {
  const { method, url, headers, body, maxRedirects } = request;
  let hop: Hop = { method, url, headers, body };
  for (let redirects = 0; ; redirects += 1) {
    if (!isReachable(hop, request)) return { ok: false, fault: "egress_refused" };
    const answer = await send(hop.url, {
      dispatcher: agent,
      method: hop.method,
      headers: hop.headers,
      body: hop.body ?? null,
      signal: deadline.signal,
    });
    // undici reports the end of a destroyed body as an error event; without a listener it would end the process
    answer.body.on("error", () => undefined);
    if (!isRedirect(answer.statusCode, answer.headers)) return read(answer, hop.method, request, deadline);
    answer.body.destroy();
    if (redirects === maxRedirects) return { ok: false, fault: "too_many_redirects" };
    const next = nextHop(hop, answer.statusCode, answer.headers["location"]);
    if (next === undefined) return { ok: false, fault: "redirect_refused" };
    hop = next;
  }
}

/** http and https only, no user in the URL, and on the caller's list. */
function isReachable({ url, method }: Hop, { mayReach }: GuardedRequest): boolean {
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  return isWeb && url.username === "" && url.password === "" && mayReach(url, method);
}

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

async function read(
  { statusCode: status, headers: received, body }: Answer,
  method: Method,
  request: GuardedRequest,
  deadline: Deadline,
): Promise<GuardedResult> {
  const headers = Object.fromEntries(
    Object.entries(received).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const head = { status, headers };
  const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
  if (hasBody && !request.mayRead(single(received["content-type"]))) {
    body.destroy();
    return { ok: true, response: { ...head, body: undefined } };
  }
  const encoding = received["content-encoding"];
  const packing = hasBody ? (Array.isArray(encoding) ? encoding.join(",") : encoding) : undefined;
  deadline.endWithin(request.maxBodyMs);
  try {
    const result = await readBody(body, packing, request.maxBytes);
    return result.ok ? { ok: true, response: { ...head, body: result.bytes } } : { ...result, head };
  } catch (caught) {
    return { ok: false, fault: faultOf(caught, deadline), head };
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

interface Deadline {
  readonly signal: AbortSignal;
  readonly isPast: () => boolean;
  /** Brings it forward; never puts it off. */
  readonly endWithin: (ms: number) => void;
  readonly clear: () => void;
}

/** The caller's signal and a deadline as one signal, without what AbortSignal.timeout leaves behind until it fires. */
function withDeadline(outer: AbortSignal, timeoutMs: number): Deadline {
  const controller = new AbortController();
  let isPast = false;
  const end = () => {
    isPast = true;
    controller.abort();
  };
  const timers = [setTimeout(end, timeoutMs)];
  const onAbort = () => controller.abort();
  if (outer.aborted) onAbort();
  outer.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    isPast: () => isPast,
    endWithin: (ms) => {
      timers.push(setTimeout(end, ms));
    },
    clear: () => {
      for (const timer of timers) clearTimeout(timer);
      outer.removeEventListener("abort", onAbort);
    },
  };
}
