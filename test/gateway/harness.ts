/**
 * A server over the fakes, with a counting clock and ids, and requests as a caller of one role sends them.
 */
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { makeIds } from "../../src/core/ids.ts";
import { makeServer, type ServerDeps } from "../../src/gateway/server.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { noTracing } from "../../src/telemetry/tracing.ts";
import { type Fakes, makeFakes } from "./fakes.ts";

export interface Harness extends Fakes {
  readonly server: Awaited<ReturnType<typeof makeServer>>;
  readonly lines: string[];
  readonly send: (request: Sent) => Promise<Answer>;
}

export interface Sent {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS";
  readonly url: string;
  /** The key's text; null sends none. Default: the instance's key with every role, acting in acme. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, a text or bytes as they are. */
  readonly body?: object | string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

export function settingsOf(environment: Readonly<Record<string, string>> = {}): Config["gateway"] {
  const result = loadConfig(environment);
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config.gateway;
}

export function serverDeps(fakes: Fakes, lines: string[], over: Partial<ServerDeps> = {}): ServerDeps {
  const clock = { nowMs: () => 1_700_000_000_000, monotonicMs: () => 0 };
  return {
    ports: fakes.ports,
    settings: settingsOf(),
    clock,
    ids: makeIds(clock),
    log: makeLog({ level: "debug", destination: { write: (line: string) => void lines.push(line) } }),
    tracing: noTracing,
    version: "0.1.0",
    ...over,
  };
}

export async function makeHarness(over: Partial<ServerDeps> = {}): Promise<Harness> {
  const fakes = makeFakes();
  const lines: string[] = [];
  const server = await makeServer(serverDeps(fakes, lines, over));
  return { ...fakes, server, lines, send: (sent) => send(server, sent) };
}

async function send(server: Harness["server"], sent: Sent): Promise<Answer> {
  const { method = "GET", url, key = "sg_all_root", headers = {}, body } = sent;
  const isText = typeof body === "string" || Buffer.isBuffer(body);
  const response = await server.app.inject({
    method,
    url,
    headers: {
      host: "127.0.0.1:8181",
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(key?.startsWith("sg_all") && { "stepgate-tenant": "acme" }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { payload: isText ? body : JSON.stringify(body) }),
  });
  return {
    status: response.statusCode,
    headers: response.headers,
    text: response.body,
    json: isJson(response.headers["content-type"]) ? response.json() : undefined,
  };
}

function isJson(mediaType: unknown): boolean {
  return typeof mediaType === "string" && /^application\/(?:problem\+)?json/.test(mediaType);
}
