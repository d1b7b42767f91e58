/**
 * Approvals: which steps wait for a person, what each would do, and the person's answer. The routes translate.
 *
 * Not here: who may decide what (approvals/decide-approval.ts).
 */
import Type from "typebox";
import { APPROVAL_STATES } from "../../core/approval.ts";
import { NAME_PATTERN, UUID_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, pageFields, readPage, runRefOf, WriteHeaders } from "../parts.ts";
import type { Approvals } from "../ports/approvals.ts";
import { ApprovalAnswer, ApprovalPage, ApprovalView } from "../views/approval.ts";
import { closedObject, oneOf, ref } from "../views/schema.ts";
import { found } from "./found.ts";

const ApprovalPath = closedObject(
  { approval: Type.String({ pattern: UUID_PATTERN, description: "The approval's id." }) },
  "One approval.",
);

const ApprovalQuery = closedObject(
  {
    ...pageFields,
    state: Type.Optional(oneOf(APPROVAL_STATES, "Only approvals in this state.")),
    run: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "Only this run's, by uid or chosen id." })),
  },
  "Which approvals.",
);

export function approvalRoutes(app: Api, { approvals }: { readonly approvals: Approvals }): void {
  app.get(
    "/v1/approvals",
    {
      schema: {
        operationId: "listApprovals",
        summary: "List approvals",
        tags: ["approvals"],
        querystring: ApprovalQuery,
        response: { 200: ref(ApprovalPage) },
      },
    },
    async (request) => {
      const { state, run } = request.query;
      return approvals.list({
        caller: callerOf(request),
        ...readPage(request.query),
        state,
        run: run === undefined ? undefined : runRefOf({ run }),
      });
    },
  );
  app.get(
    "/v1/approvals/:approval",
    {
      schema: {
        operationId: "getApproval",
        summary: "Look at an approval",
        description: "With exactly what would run, for keys with the role that must decide.",
        tags: ["approvals"],
        params: ApprovalPath,
        response: { 200: ref(ApprovalView) },
      },
    },
    async (request) => found(await approvals.get({ caller: callerOf(request), approvalId: request.params.approval })),
  );
  app.post(
    "/v1/approvals/:approval",
    {
      schema: {
        operationId: "decideApproval",
        summary: "Approve or reject",
        description:
          "By a key with the named role, of another owner than who submitted or resumed the run. The same decision again " +
          "changes nothing; another one is refused.",
        tags: ["approvals"],
        params: ApprovalPath,
        headers: WriteHeaders,
        body: ref(ApprovalAnswer),
        response: { 200: ref(ApprovalView) },
      },
    },
    async (request) => {
      const { decision, reason } = request.body;
      const approvalId = request.params.approval;
      return found(await approvals.decide({ caller: callerOf(request), approvalId, decision, reason }));
    },
  );
}
