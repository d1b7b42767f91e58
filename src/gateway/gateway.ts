/**
 * The gateway as a process part: listens on the API's address, and on the metrics' own if there is one; stops cleanly.
 *
 * Not here: routes and hooks (server.ts), the use cases (ports.ts).
 */
import type { FastifyInstance } from "fastify";
import type { ListenAddress } from "../config/parsers.ts";
import { StepgateError } from "../core/errors.ts";
import { makeMetricsServer } from "./metrics-server.ts";
import { makeServer, type Server, type ServerDeps } from "./server.ts";

export interface Listening {
  /** Of the API, with the port that was really taken. */
  readonly url: string;
  readonly metricsUrl: string | undefined;
}

export class Gateway {
  private readonly deps: ServerDeps;
  private server: Server | undefined;
  private metrics: FastifyInstance | undefined;

  constructor(deps: ServerDeps) {
    this.deps = deps;
  }

  /** Listens. @throws {StepgateError} PORT_TAKEN naming the address. */
  async start(): Promise<Listening> {
    const { listen, metricsListen } = this.deps.settings;
    this.server = await makeServer(this.deps);
    const url = await listenOn(this.server.app, listen);
    if (metricsListen === undefined) return { url, metricsUrl: undefined };
    this.metrics = makeMetricsServer(this.deps);
    return { url, metricsUrl: await listenOn(this.metrics, metricsListen) };
  }

  /** Refuses new requests, ends streams, lets running requests answer, then closes; more than once changes nothing. */
  async stop(): Promise<void> {
    this.server?.drain();
    await Promise.all([this.server?.app.close(), this.metrics?.close()]);
  }
}

async function listenOn(app: Pick<FastifyInstance, "listen">, { host, port }: ListenAddress): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EADDRINUSE" || code === "EACCES" || code === "EADDRNOTAVAIL") {
      throw new StepgateError("PORT_TAKEN", { host, port, reason: String(code) }, { cause });
    }
    throw new StepgateError("INTERNAL", { host, port }, { cause });
  }
}
