/**
 * Sinks: where the events of a tenant's runs go, and their signing secrets. The routes translate.
 *
 * Not here: what waits for a sink (sink-queues.ts), which host may be named (sinks/).
 */
import Type from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Sinks } from "../ports/sinks.ts";
import { closedObject, ref } from "../views/schema.ts";
import { PutSinkView, SinkPage, SinkSecretView, SinkSubmission, SinkView } from "../views/sink.ts";
import { found } from "./found.ts";

export const SinkPath = closedObject(
  { sink: Type.String({ pattern: NAME_PATTERN, description: "The sink's name." }) },
  "One sink.",
);

export function sinkRoutes(app: Api, { sinks }: { readonly sinks: Sinks }): void {
  app.get(
    "/v1/sinks",
    {
      schema: {
        operationId: "listSinks",
        summary: "List sinks",
        tags: ["sinks"],
        querystring: PageQuery,
        response: { 200: ref(SinkPage) },
      },
    },
    async (request) => sinks.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/sinks/:sink",
    {
      schema: {
        operationId: "getSink",
        summary: "Look at a sink",
        tags: ["sinks"],
        params: SinkPath,
        response: { 200: ref(SinkView) },
      },
    },
    async (request) => found(await sinks.get({ caller: callerOf(request), name: request.params.sink })),
  );
  app.delete(
    "/v1/sinks/:sink",
    {
      schema: {
        operationId: "removeSink",
        summary: "Remove a sink with everything that waits for it",
        tags: ["sinks"],
        params: SinkPath,
        headers: WriteHeaders,
        response: { 204: Type.Null({ description: "It is gone." }) },
      },
    },
    async (request, reply) => {
      found(await sinks.remove({ caller: callerOf(request), name: request.params.sink }));
      return reply.code(204).send(null);
    },
  );
  writes(app, sinks);
}

function writes(app: Api, sinks: Sinks): void {
  app.put(
    "/v1/sinks/:sink",
    {
      config: { shownOnce: ["secret"] },
      schema: {
        operationId: "putSink",
        summary: "Make a sink or replace its settings",
        description:
          "It gets the events of runs submitted from now on, and of open runs what follows. The secret that signs its " +
          "messages is shown once, when it is made.",
        tags: ["sinks"],
        params: SinkPath,
        headers: WriteHeaders,
        body: ref(SinkSubmission),
        response: { 200: ref(PutSinkView), 201: ref(PutSinkView) },
      },
    },
    async (request, reply) => {
      const { sink, isNew } = await sinks.put({
        caller: callerOf(request),
        name: request.params.sink,
        submission: request.body,
      });
      return reply.code(isNew ? 201 : 200).send(sink);
    },
  );
  app.post(
    "/v1/sinks/:sink/secret",
    {
      config: { shownOnce: ["secret"] },
      schema: {
        operationId: "rotateSinkSecret",
        summary: "Make a new signing secret",
        description:
          "Shown once. From the workers' next look at the sinks (STEPGATE_SINK_POLL_MS) and for a day messages carry a " +
          "signature under each of the two; a receiver takes either.",
        tags: ["sinks"],
        params: SinkPath,
        headers: WriteHeaders,
        response: { 200: ref(SinkSecretView) },
      },
    },
    async (request) => found(await sinks.rotate({ caller: callerOf(request), name: request.params.sink })),
  );
}
