/**
 * Dead letters: steps that ended failed after an attempt; list, look at, redrive. The routes translate.
 *
 * Not here: what a redrive does (runs/fork-run.ts).
 */
import type { StepId } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { readIdempotencyKey } from "../idempotency.ts";
import { type Api, PageQuery, readPage, runRefOf, WriteHeaders } from "../parts.ts";
import type { DeadLetters } from "../ports/queue.ts";
import { DeadLetterPage, DeadLetterView, RedriveSubmission } from "../views/queue.ts";
import { RunView } from "../views/run.ts";
import { ref } from "../views/schema.ts";
import { found } from "./found.ts";
import { StepPath } from "./queue.ts";

export function deadLetterRoutes(app: Api, { deadLetters }: { readonly deadLetters: DeadLetters }): void {
  app.get(
    "/v1/dead-letters",
    {
      schema: {
        operationId: "listDeadLetters",
        summary: "List dead letters",
        tags: ["queue"],
        querystring: PageQuery,
        response: { 200: ref(DeadLetterPage) },
      },
    },
    async (request) => deadLetters.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/dead-letters/:run/:step",
    {
      schema: {
        operationId: "getDeadLetter",
        summary: "Look at a dead letter",
        tags: ["queue"],
        params: StepPath,
        response: { 200: ref(DeadLetterView) },
      },
    },
    async (request) => {
      const { step } = request.params;
      const place = { caller: callerOf(request), run: runRefOf(request.params), stepId: step as StepId };
      return found(await deadLetters.get(place));
    },
  );
  app.post(
    "/v1/dead-letters/:run/:step/redrive",
    {
      config: { idempotency: "run" },
      schema: {
        operationId: "redriveDeadLetter",
        summary: "Go on from a dead letter in a new run",
        description:
          "The ended run stays sealed. The new one runs the step and what depended on it, takes over outputs of steps " +
          "that had succeeded, draws on what the budget of the first run has left, and inherits no approval.",
        tags: ["queue"],
        params: StepPath,
        headers: WriteHeaders,
        body: ref(RedriveSubmission),
        response: { 200: ref(RunView), 201: ref(RunView) },
      },
    },
    async (request, reply) => {
      const { run, isNew } = found(
        await deadLetters.redrive({
          caller: callerOf(request),
          run: runRefOf(request.params),
          stepId: request.params.step as StepId,
          inputs: request.body.inputs,
          idempotencyKey: readIdempotencyKey(request),
        }),
      );
      return reply
        .code(isNew ? 201 : 200)
        .header("location", `/v1/runs/${run.run_uid}`)
        .send(run);
    },
  );
}
