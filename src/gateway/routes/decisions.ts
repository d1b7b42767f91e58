/**
 * Decisions without effect: what the packs say about a step. A deny is an answer, not an error. The route translates.
 *
 * Not here: deciding (gate/, policy/).
 */
import { callerOf } from "../access.ts";
import { type Api, WriteHeaders } from "../parts.ts";
import type { Decisions } from "../ports/runs.ts";
import { ref } from "../views/schema.ts";
import { DecisionView } from "../views/step.ts";
import { DecisionRequestBody } from "../views/submissions.ts";

export function decisionRoutes(app: Api, { decisions }: { readonly decisions: Decisions }): void {
  app.post(
    "/v1/decisions",
    {
      schema: {
        operationId: "decide",
        summary: "Decide without performing",
        description: "The decision record is durable before the answer.",
        tags: ["steps"],
        headers: WriteHeaders,
        body: DecisionRequestBody,
        response: { 200: ref(DecisionView) },
      },
    },
    async (request) => decisions.decide({ caller: callerOf(request), request: request.body }),
  );
}
