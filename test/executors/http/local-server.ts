/** A server on the loopback that counts who reached it, and an adapter that may reach it where settings say so. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { Test } from "tap";
import type { JsonObject } from "../../../src/core/json.ts";
import type { ExecutorAdapter, ExecutorResult } from "../../../src/executors/contract.ts";
import type { ResolvedAddress, SocketAddress } from "../../../src/executors/http/checked-connect.ts";
import { makeGuardedTransport } from "../../../src/executors/http/guard.ts";
import { makeHttpAdapter } from "../../../src/executors/http/http-adapter.ts";
import { testHttpGuard } from "../../../src/executors/http/self-test.ts";
import { NOW_SEC } from "../../capability/issuer.ts";
import { adapterDeps, type CallOptions, callOf, never } from "../call.ts";

export interface LocalServer {
  readonly port: number;
  readonly hostPort: string;
  readonly server: Server;
  /** Every request that arrived, with its whole body. */
  readonly requests: readonly {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage["headers"];
    readonly body: string;
  }[];
  readonly connections: () => number;
}

export async function startServer(
  t: Test,
  answer: RequestListener = (_, response) => response.end("{}"),
  host = "127.0.0.1",
): Promise<LocalServer> {
  const requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  let connections = 0;
  const server = createServer({ maxHeaderSize: 1 << 20 }, async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    requests.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
    response.setHeader("content-type", "application/json");
    answer(request, response);
  });
  server.on("connection", () => {
    connections += 1;
  });
  server.listen(0, host);
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, hostPort: `${host}:${port}`, server, requests, connections: () => connections };
}

export interface AdapterOptions {
  /** Names and their addresses; any other name does not exist. */
  readonly names?: Readonly<Record<string, readonly string[] | (() => readonly string[])>>;
  readonly forbidden?: readonly SocketAddress[];
}

/** The adapter after its self-test. */
export async function httpAdapter({ names = {}, forbidden = [] }: AdapterOptions = {}): Promise<ExecutorAdapter> {
  const resolve = async (hostname: string): Promise<readonly ResolvedAddress[]> => {
    const found = names[hostname.replace(/\.$/, "")];
    if (found === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    return (typeof found === "function" ? found() : found).map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4,
    }));
  };
  const adapter = makeHttpAdapter({
    ...adapterDeps(),
    resolve,
    forbiddenAddresses: () => forbidden,
    clock: { nowMs: () => NOW_SEC * 1000 },
    proveGuard: () => testHttpGuard({ resolve, openTransport: makeGuardedTransport }),
  });
  await adapter.selfTest();
  return adapter;
}

/** Settings that allow these private `host:port`s, with every method. */
export function localSettings(hostPorts: readonly string[], change: JsonObject = {}): JsonObject {
  return {
    hosts: hostPorts,
    allow_private: hostPorts,
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    timeout_ms: 5000,
    ...change,
  };
}

export function ask(
  adapter: ExecutorAdapter,
  inputs: JsonObject,
  options: Partial<CallOptions> & { readonly signal?: AbortSignal } = {},
): Promise<ExecutorResult> {
  return adapter.execute(callOf(adapter, { inputs, ...options }), options.signal ?? never);
}
