/**
 * Requests that Node would answer by itself: `Expect`, CONNECT, and heads of more headers than it keeps.
 *
 * In: the server. Out: they come to the door like any other, or get a problem. Not here: what is no HTTP at all
 * (client-error.ts).
 */
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Ids } from "../core/ids.ts";
import { endWithProblem } from "./client-error.ts";

/** Leads them to the door; a client that waits for 100 gets it once the door has let its request in. */
export function receiveOddRequests(app: FastifyInstance, ids: Ids): void {
  const { server } = app;
  // beyond its limit Node drops headers without a word: the door counts them instead (access.ts)
  server.maxHeadersCount = 0;
  const waiting = new WeakSet<IncomingMessage>();
  server.on("checkContinue", (request, response) => {
    waiting.add(request);
    server.emit("request", request, response);
  });
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  server.on("connect", (_request, socket) => endWithProblem(socket, "METHOD_NOT_ALLOWED", ids, "allow:\r\n"));
  app.addHook("preParsing", async (request, reply) => {
    if (waiting.delete(request.raw)) reply.raw.writeContinue();
  });
  app.addHook("onSend", async (request, reply) => {
    // refused before its body: whether the client still sends it is open, so nothing else can be read from there
    if (waiting.has(request.raw)) reply.header("connection", "close");
  });
}
