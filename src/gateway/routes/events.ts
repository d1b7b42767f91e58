/**
 * A run's events: a stream of server-sent events, or a page of JSON for who asks for `application/json` alone.
 *
 * Not here: how a stream is kept up (sse.ts), the log (runs/).
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import Type from "typebox";
import { StepgateError } from "../../core/errors.ts";
import type { Log } from "../../telemetry/logger.ts";
import { callerOf } from "../access.ts";
import type { Authorize } from "../auth.ts";
import { type Api, RunPath, runRefOf } from "../parts.ts";
import type { RunInput } from "../ports/request.ts";
import type { Runs } from "../ports/runs.ts";
import { type StreamSource, type StreamTimes, streamEvents } from "../sse.ts";
import type { StreamSlots } from "../stream-slots.ts";
import { EventPage } from "../views/event.ts";
import { closedObject, ref } from "../views/schema.ts";
import { found } from "./found.ts";

/** Events of one read; a stream holds no more than these. */
const STREAM_PAGE = 200;
const DEFAULT_LIMIT = 200;

/** All of it are exact doubles. */
const SEQ_PATTERN = "^(?:0|[1-9][0-9]{0,14})$";

const EventQuery = closedObject(
  {
    after: Type.Optional(Type.String({ pattern: SEQ_PATTERN, description: "Only events with a higher seq." })),
    limit: Type.Optional(
      Type.String({
        pattern: "^(?:[1-9]|[1-9][0-9]|[1-4][0-9][0-9]|500)$",
        description: "Of a page: 1 to 500, default 200.",
      }),
    ),
  },
  "From where.",
);
const EventHeaders = Type.Object({
  "last-event-id": Type.Optional(
    Type.String({ pattern: SEQ_PATTERN, description: "Last seq that was received; wins over `after`." }),
  ),
});

export interface EventRouteDeps {
  readonly runs: Runs;
  readonly authorize: Authorize;
  readonly slots: StreamSlots;
  readonly times: StreamTimes;
  readonly log: Log;
}

export function eventRoutes(app: Api, deps: EventRouteDeps): void {
  app.get(
    "/v1/runs/:run/events",
    {
      schema: {
        operationId: "getRunEvents",
        summary: "Follow a run's events",
        description:
          "Server-sent events, one message per event with its seq as id; ends with a message `end` after the run's seal. " +
          "With `Accept: application/json` one page instead. A reader with `Last-Event-ID` at the very end gets 204.",
        tags: ["runs"],
        params: RunPath,
        querystring: EventQuery,
        headers: EventHeaders,
        response: { 200: ref(EventPage), 204: Type.Null({ description: "Nothing follows." }) },
      },
    },
    async (request, reply) => {
      const run: RunInput = { caller: callerOf(request), run: runRefOf(request.params) };
      const lastEventId = request.headers["last-event-id"];
      const afterSeq = Number(lastEventId ?? request.query.after ?? 0);
      if (wantsPage(request)) {
        const limit = Number(request.query.limit ?? DEFAULT_LIMIT);
        return found(await deps.runs.events({ ...run, afterSeq, limit }));
      }
      const next = found(await deps.runs.events({ ...run, afterSeq, limit: 1 }));
      // an EventSource comes back after every end; 204 is what tells it to stay away (WHATWG HTML §9.2.3)
      if (lastEventId !== undefined && next.items.length === 0 && next.end !== undefined) {
        return reply.code(204).send(null);
      }
      await openStream(request, reply, { deps, run, afterSeq });
      return reply;
    },
  );
}

interface Opening {
  readonly deps: EventRouteDeps;
  readonly run: RunInput;
  readonly afterSeq: number;
}

async function openStream(request: FastifyRequest, reply: FastifyReply, opening: Opening): Promise<void> {
  const { deps, run, afterSeq } = opening;
  const slot = deps.slots.take();
  reply.hijack();
  reply.raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "x-request-id": request.id,
  });
  reply.raw.flushHeaders();
  const end = await streamEvents(reply.raw, {
    source: sourceOf(request, deps, run),
    afterSeq,
    times: deps.times,
    slot,
    log: deps.log,
  });
  deps.log.debug({ request_id: request.id, end }, "event stream ended");
}

function sourceOf(request: FastifyRequest, { runs, authorize }: EventRouteDeps, run: RunInput): StreamSource {
  const { access } = request.routeOptions.config;
  const keyId = run.caller.keyId;
  return {
    read: (afterSeq) => runs.events({ ...run, afterSeq, limit: STREAM_PAGE }),
    subscribe: (onChange) => runs.subscribe({ ...run, onChange }),
    recheck: async () => {
      if (access === undefined || access.who === "anyone") throw new StepgateError("UNAUTHENTICATED");
      const { caller } = await authorize(request.headers, access);
      if (caller?.keyId !== keyId || caller.tenantUid !== run.caller.tenantUid)
        throw new StepgateError("UNAUTHENTICATED");
    },
  };
}

/** A stream unless JSON is named and a stream is not. */
function wantsPage({ headers }: FastifyRequest): boolean {
  const accept = headers.accept ?? "";
  return /\bapplication\/json\b/.test(accept) && !/\btext\/event-stream\b/.test(accept);
}
