/**
 * What waits for a sink, what it did not take, and sending that again. The routes translate.
 *
 * Not here: the sinks themselves (sinks.ts), failed steps (dead-letters.ts).
 */
import type { RunUid } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Sinks } from "../ports/sinks.ts";
import { ref } from "../views/schema.ts";
import { DeliveryPage, SinkDeadLetterPage, SinkRedriveSubmission, SinkRedriveView } from "../views/sink.ts";
import { found } from "./found.ts";
import { SinkPath } from "./sinks.ts";

export function sinkQueueRoutes(app: Api, { sinks }: { readonly sinks: Sinks }): void {
  app.get(
    "/v1/sinks/:sink/deliveries",
    {
      schema: {
        operationId: "listDeliveries",
        summary: "List runs whose events a sink has not had",
        tags: ["sinks"],
        params: SinkPath,
        querystring: PageQuery,
        response: { 200: ref(DeliveryPage) },
      },
    },
    async (request) => {
      const place = { caller: callerOf(request), name: request.params.sink };
      return found(await sinks.waiting({ ...place, ...readPage(request.query) }));
    },
  );
  app.get(
    "/v1/sinks/:sink/dead-letters",
    {
      schema: {
        operationId: "listSinkDeadLetters",
        summary: "List events that a sink did not take",
        tags: ["sinks"],
        params: SinkPath,
        querystring: PageQuery,
        response: { 200: ref(SinkDeadLetterPage) },
      },
    },
    async (request) => {
      const place = { caller: callerOf(request), name: request.params.sink };
      return found(await sinks.deadLetters({ ...place, ...readPage(request.query) }));
    },
  );
  app.post(
    "/v1/sinks/:sink/redrive",
    {
      schema: {
        operationId: "redriveSink",
        summary: "Send a sink's dead letters again",
        description: "With the ids that they had, out of the order of their runs, which have gone on.",
        tags: ["sinks"],
        params: SinkPath,
        headers: WriteHeaders,
        body: ref(SinkRedriveSubmission),
        response: { 200: ref(SinkRedriveView) },
      },
    },
    async (request) => {
      const runUid = request.body.run_uid as RunUid | undefined;
      return found(await sinks.redrive({ caller: callerOf(request), name: request.params.sink, runUid }));
    },
  );
}
