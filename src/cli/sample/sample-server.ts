/**
 * The small server that the sample's http steps call, on a free port of the loopback: it remembers what it was sent.
 *
 * `/desk` and `/crm/undo` accept anything, `/crm` always answers 503. Not here: what should have been sent (compare.ts).
 */
import { once } from "node:events";
import { createServer } from "node:http";

export interface SampleServer {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Path and body of every request so far. */
  readonly received: readonly { readonly path: string; readonly body: string }[];
  readonly stop: () => Promise<void>;
}

const MAX_BODY_BYTES = 65_536;

export async function startSampleServer(): Promise<SampleServer> {
  const received: { readonly path: string; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    });
    request.on("end", () => {
      const path = request.url ?? "";
      received.push({ path, body: Buffer.concat(chunks).toString() });
      const status = path === "/crm" ? 503 : path === "/desk" || path === "/crm/undo" ? 200 : 404;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ accepted: status === 200 }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    received,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
