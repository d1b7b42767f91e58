/**
 * Errors as callers see them: RFC 9457 problem details with our code.
 *
 * Beside the named members a problem holds the error's detail: ids, counts, paths and codes, never a value that was sent.
 * Not here: which error has which status (core/errors.ts), writing one (errors.ts).
 */
import Type from "typebox";
import { ERROR_CODES, type ErrorCode } from "../../core/errors.ts";
import { closedObject, codes, oneOf, text, type View } from "./schema.ts";

export const ProblemView = Object.assign(
  Type.Object(
    {
      type: text("`urn:stepgate:error:<code>`."),
      title: text("What the code means, in one sentence."),
      status: Type.Integer({ minimum: 400, maximum: 599, description: "The HTTP status." }),
      detail: Type.Optional(text("What is wrong this time, for people.")),
      code: Type.Unsafe<ErrorCode>({ type: "string", enum: Object.keys(ERROR_CODES), description: "Stable code." }),
      instance: text("`urn:uuid:<request id>`, the same as header `x-request-id`; the log has it."),
      retry: oneOf(["never", "later", "same_attempt"], "Whether the same request may succeed later."),
      field: Type.Optional(text("RFC 6901 pointer of the first wrong field.")),
      reason: Type.Optional(text("What is wrong with it.")),
      errors: Type.Optional(
        Type.Array(closedObject({ field: text("Pointer."), reason: text("What is wrong.") }, "A wrong field."), {
          description: "Every wrong field, at most 20.",
        }),
      ),
      reasons: Type.Optional(codes("Reason codes of a decision.")),
      record_id: Type.Optional(text("The record of the refusal or failure.")),
      record_ids: Type.Optional(Type.Array(Type.String(), { description: "All records of the step, oldest first." })),
    },
    { additionalProperties: true, description: "A problem (RFC 9457)." },
  ),
  { $id: "ProblemView" },
);
export type ProblemView = View<typeof ProblemView>;
