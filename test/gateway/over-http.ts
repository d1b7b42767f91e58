/**
 * The server on a real socket: for paths, bodies and streams that an injected request would tidy up first.
 */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { ServerDeps } from "../../src/gateway/server.ts";
import { type Harness, makeHarness } from "./harness.ts";

export interface OverHttp extends Harness {
  readonly port: number;
  readonly open: (sent: RawSent) => Promise<IncomingMessage>;
  readonly get: (sent: RawSent) => Promise<{ status: number; text: string; headers: IncomingMessage["headers"] }>;
  /** A bare connection: what is written is what the server gets. */
  readonly dial: () => Promise<Socket>;
  readonly close: () => Promise<void>;
}

export interface RawSent {
  readonly method?: string;
  /** Sent as it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number | readonly string[]>>;
  /** Chunks are sent one by one, without a length. */
  readonly body?: Buffer | string | readonly string[];
}

export async function makeOverHttp(over: Partial<ServerDeps> = {}): Promise<OverHttp> {
  const harness = await makeHarness(over);
  await harness.server.app.listen({ host: "127.0.0.1", port: 0 });
  const address = harness.server.app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const open = (sent: RawSent) => exchange(port, sent);
  return {
    ...harness,
    port,
    open,
    get: async (sent) => {
      const response = await open(sent);
      return { status: response.statusCode ?? 0, text: await text(response), headers: response.headers };
    },
    dial: async () => {
      const socket = connect({ host: "127.0.0.1", port });
      await once(socket, "connect");
      return socket;
    },
    close: async () => {
      harness.server.drain();
      harness.server.app.server.closeAllConnections();
      await harness.server.app.close();
    },
  };
}

async function exchange(port: number, { method = "GET", path, headers = {}, body }: RawSent): Promise<IncomingMessage> {
  const request = httpRequest({
    host: "127.0.0.1",
    port,
    method,
    path,
    agent: false,
    headers: { authorization: "Bearer sg_all_root", "stepgate-tenant": "acme", ...headers },
  });
  const answered = once(request, "response");
  if (Array.isArray(body)) for (const chunk of body) request.write(chunk);
  request.end(typeof body === "string" || Buffer.isBuffer(body) ? body : undefined);
  const [response] = (await answered) as [IncomingMessage];
  // a server that refuses a body may close before all of it is sent
  request.on("error", () => response.resume());
  return response;
}
