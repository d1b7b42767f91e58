/**
 * One step at once: a run of one step whose end is waited for. The route translates the outcome, the gate made it.
 *
 * 200 performed · 403 refused, 422 failed (problems with their records) · 202 it goes on later, at `location`.
 */
import type { FastifyReply } from "fastify";
import { callerOf } from "../access.ts";
import { sendProblem } from "../errors.ts";
import { readIdempotencyKey } from "../idempotency.ts";
import { type Api, WriteHeaders } from "../parts.ts";
import type { StepEnd, Steps } from "../ports/runs.ts";
import { ref } from "../views/schema.ts";
import { StepPendingView, StepResultView } from "../views/step.ts";
import { StepRequestBody } from "../views/submissions.ts";

export interface StepRouteDeps {
  readonly steps: Steps;
  readonly stepWaitMs: number;
}

export function stepRoutes(app: Api, { steps, stepWaitMs }: StepRouteDeps): void {
  app.post(
    "/v1/steps",
    {
      config: { idempotency: "run" },
      schema: {
        operationId: "performStep",
        summary: "Perform one step",
        description: "A refusal is a 403 problem with the record's id; what waits, is held or tried again is a 202.",
        tags: ["steps"],
        headers: WriteHeaders,
        body: StepRequestBody,
        response: { 200: ref(StepResultView), 202: ref(StepPendingView) },
      },
    },
    async (request, reply) => {
      const outcome = await steps.perform({
        caller: callerOf(request),
        request: request.body,
        idempotencyKey: readIdempotencyKey(request),
        trace: request.span,
        waitMs: stepWaitMs,
        signal: request.signal,
      });
      switch (outcome.kind) {
        case "succeeded":
          return reply.code(200).send(outcome.result);
        case "pending":
          return reply.header("location", `/v1/runs/${outcome.pending.run_uid}`).code(202).send(outcome.pending);
        case "denied":
          return sendEnd(reply, "STEP_DENIED", outcome.end);
        case "failed":
          return sendEnd(reply, "STEP_FAILED", outcome.end);
      }
    },
  );
}

function sendEnd(reply: FastifyReply, code: "STEP_DENIED" | "STEP_FAILED", end: StepEnd): FastifyReply {
  const record = end.recordIds.at(-1);
  return sendProblem(reply, code, {
    run_uid: end.runUid,
    step_id: end.stepId,
    error_kind: end.errorKind,
    reasons: end.reasons,
    ...(record !== undefined && { record_id: record }),
    record_ids: end.recordIds,
    ...(end.decision !== undefined && { decision: end.decision }),
  });
}
