/**
 * Secrets of tools, by what is sent and what is seen: a value comes in and never leaves (spec 09).
 *
 * Not here: what a tool asks for (tool.ts), a sink's signing secret (sink.ts), API keys (key.ts).
 */
import Type from "typebox";
import { MAX_SECRET_LENGTH, MIN_SECRET_LENGTH, SECRET_PLACES } from "../../core/secret.ts";
import { count, name, named, oneOf, page, ref, time, type View } from "./schema.ts";

export const SecretSubmission = named(
  "SecretSubmission",
  {
    value: Type.String({
      minLength: MIN_SECRET_LENGTH,
      maxLength: MAX_SECRET_LENGTH,
      description: "The value, whole: what is handed over as the header's or the variable's value.",
    }),
  },
  "A secret's value; it is never shown again.",
);
export type SecretSubmission = View<typeof SecretSubmission>;

export const SecretView = named(
  "SecretView",
  {
    name: name("The secret's name, which tools refer to."),
    version: count("Grows with every write.", 1),
    fits: Type.Array(oneOf(SECRET_PLACES, "A place."), {
      description: "Where it can be handed over: in a header only what is one line of visible ASCII.",
    }),
    created_at: time("When it was made."),
    updated_at: time("When its value was last written."),
    tools: Type.Optional(
      Type.Array(name("A tool."), {
        description: "Tools whose newest version asks for it, at most a hundred; where one secret is asked for.",
      }),
    ),
  },
  "A secret without its value.",
);
export type SecretView = View<typeof SecretView>;

export const SecretPage = page("SecretPage", ref(SecretView), "Secrets by name.");
export type SecretPage = View<typeof SecretPage>;
