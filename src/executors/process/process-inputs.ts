/**
 * The inputs of a `process` step: an argument vector, never a command line (spec 01).
 *
 * In: untrusted JSON. Out: typed inputs, or nothing. Not here: which program is meant (find-program.ts).
 */
import Type, { type Static } from "typebox";
import { closed, type Read } from "../schema.ts";

export const ProcessInputs = Type.Object(
  {
    command: Type.Array(Type.String({ maxLength: 65_536 }), {
      minItems: 1,
      maxItems: 1025,
      description: "A listed program's name or exact path, then its arguments. A text is refused: there is no shell.",
    }),
    stdin: Type.Optional(
      Type.String({ maxLength: 1_048_576, description: "What the program reads. Default nothing." }),
    ),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: "^[A-Z_][A-Z0-9_]{0,63}$" }), Type.String({ maxLength: 4096 }), {
        ...closed,
        description: "Only names that the program's settings list.",
      }),
    ),
    parse: Type.Optional(Type.Literal("json", { description: "Reads stdout as strict JSON, into `json`." })),
  },
  closed,
);
export type ProcessInputs = Read<Static<typeof ProcessInputs>>;
