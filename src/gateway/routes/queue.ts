/**
 * The queue: what waits, pausing and resuming it, why one step waits. The routes translate.
 *
 * Not here: pausing one run (runs.ts), dead letters (dead-letters.ts).
 */
import Type from "typebox";
import { NAME_PATTERN, type StepId } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, RunPath, runRefOf, WriteHeaders } from "../parts.ts";
import type { Queue } from "../ports/queue.ts";
import { PauseSubmission, QueueView, WaitView } from "../views/queue.ts";
import { closedObject, ref } from "../views/schema.ts";
import { found } from "./found.ts";

export const StepPath = closedObject(
  { ...RunPath.properties, step: Type.String({ pattern: NAME_PATTERN, description: "The step's id in its run." }) },
  "One step of a run.",
);

export function queueRoutes(app: Api, { queue }: { readonly queue: Queue }): void {
  app.get(
    "/v1/queue",
    {
      schema: {
        operationId: "getQueue",
        summary: "See what waits and runs",
        description: "Open steps by type and state, what is paused, and which types a worker serves.",
        tags: ["queue"],
        response: { 200: ref(QueueView) },
      },
    },
    async (request) => queue.get({ caller: callerOf(request) }),
  );
  for (const act of ["pause", "resume"] as const) {
    app.post(
      `/v1/queue/${act}`,
      {
        schema: {
          operationId: `${act}Queue`,
          summary: act === "pause" ? "Start nothing of the tenant, or of one type" : "Start steps again",
          description: "What runs goes on to its end. Doing it twice is doing it once.",
          tags: ["queue"],
          headers: WriteHeaders,
          body: ref(PauseSubmission),
          response: { 200: ref(QueueView) },
        },
      },
      async (request) =>
        queue.setPaused({ caller: callerOf(request), type: request.body.type, isPaused: act === "pause" }),
    );
  }
  app.get(
    "/v1/runs/:run/steps/:step/waits",
    {
      schema: {
        operationId: "getWaits",
        summary: "Why a step waits",
        tags: ["queue"],
        params: StepPath,
        response: { 200: ref(WaitView) },
      },
    },
    async (request) =>
      found(
        await queue.waits({
          caller: callerOf(request),
          run: runRefOf(request.params),
          stepId: request.params.step as StepId,
        }),
      ),
  );
}
