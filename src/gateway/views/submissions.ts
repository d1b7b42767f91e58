/**
 * The bodies of starts under the names they have in the OpenAPI document.
 *
 * The schemas are the runs room's own, and so are their types. Not here: their checks beyond form (runs/).
 */
import Type from "typebox";
import { DecisionRequest, RunSubmission, StepRequest } from "../../runs/submission.ts";

export const START_SCHEMAS = [
  Object.assign({ ...RunSubmission }, { $id: "RunSubmission" }),
  Object.assign({ ...StepRequest }, { $id: "StepRequest" }),
  Object.assign({ ...DecisionRequest }, { $id: "DecisionRequest" }),
] as const;

export const RunSubmissionBody = Type.Unsafe<RunSubmission>({ $ref: "RunSubmission#" });
export const StepRequestBody = Type.Unsafe<StepRequest>({ $ref: "StepRequest#" });
export const DecisionRequestBody = Type.Unsafe<DecisionRequest>({ $ref: "DecisionRequest#" });
