/**
 * The inputs of an `http` step (spec 01).
 *
 * In: untrusted JSON. Out: typed inputs, or nothing. Not here: whether the URL may be reached (http-request.ts).
 */
import Type, { type Static } from "typebox";
import { anyJson, closed, integer, oneOf, type Read } from "../schema.ts";
import { METHODS } from "./redirect.ts";

/** RFC 9110 §5.6.2 and §5.5: a token, and visible text without control characters. */
export const HEADER_NAME = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";
const HEADER_VALUE = "^[\\t\\x20-\\x7e\\x80-\\xff]*$";

export const HttpInputs = Type.Object(
  {
    method: oneOf(METHODS, "In upper case."),
    url: Type.String({
      minLength: 1,
      maxLength: 8192,
      description: "Absolute http or https URL, without user and password.",
    }),
    headers: Type.Optional(
      Type.Record(Type.String({ pattern: HEADER_NAME }), Type.String({ pattern: HEADER_VALUE, maxLength: 8192 }), {
        ...closed,
        maxProperties: 64,
        description: "Without those that frame the message or name the host; they are the transport's.",
      }),
    ),
    body: Type.Optional(anyJson("A text is sent as it is, anything else as JSON. Not with GET and HEAD.")),
    timeout_ms: Type.Optional(integer(1, 600_000, "Milliseconds; never more than the settings allow.")),
  },
  closed,
);
export type HttpInputs = Read<Static<typeof HttpInputs>>;
