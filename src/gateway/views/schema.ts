/**
 * The small parts that views are built of: closed objects, times, ids, amounts.
 *
 * A view is a schema with its type derived; what is not in the schema does not leave. Not here: the views themselves.
 */
import Type, { type Static, type TProperties, type TSchema } from "typebox";
import { DIGEST_PATTERN, NAME_PATTERN, UUID_PATTERN } from "../../core/ids.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";

/** A value of a schema as the code holds it: nothing in it changes. */
export type Immutable<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Immutable<Item>[]
    : { readonly [Key in keyof T]: Immutable<T[Key]> };

/** The type of a view or of a request body. */
export type View<S extends TSchema> = Immutable<Static<S>>;

/** An object of exactly these members. */
export const closedObject = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });

/** A schema that stands under its own name in the OpenAPI document. */
export const named = <P extends TProperties>(name: string, properties: P, description: string) =>
  Object.assign(Type.Object(properties, { additionalProperties: false, description }), { $id: name });

/** A reference to a named schema, typed as the schema itself. */
export const ref = <S extends TSchema & { readonly $id: string }>(schema: S) =>
  Type.Unsafe<View<S>>({ $ref: `${schema.$id}#` });

/** RFC 3339 in UTC with milliseconds. */
export const time = (description: string) => Type.String({ format: "date-time", description });
export const digest = (description: string) => Type.String({ pattern: DIGEST_PATTERN, description });
export const uuid = (description: string) => Type.String({ pattern: UUID_PATTERN, description });
export const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
export const text = (description: string) => Type.String({ description });
export const codes = (description: string) => Type.Array(Type.String(), { description });
/** A non-negative integer. */
export const count = (description: string, minimum = 0) =>
  Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, description });
export const oneOf = <const Words extends readonly string[]>(words: Words, description: string) =>
  Type.Unsafe<Words[number]>({ type: "string", enum: [...words], description });
export const anyJson = (description: string) => Type.Unsafe<JsonValue>({ description });
export const anyObject = (description: string) =>
  Type.Unsafe<JsonObject>({ type: "object", additionalProperties: true, description });
/** An object whose keys are names and whose values all have one schema. */
export const mapOf = <S extends TSchema>(values: S, description: string) =>
  Type.Unsafe<Readonly<Record<string, Static<S>>>>({ type: "object", additionalProperties: values, description });

export const amount = (description: string) =>
  closedObject({ tokens: count("Tokens."), usd_micros: count("Money in integer micro-USD.") }, description);

/** One limit with what is taken of it; `remaining` = limit − used − reserved, at least 0. */
export const allowance = (description: string) =>
  closedObject(
    {
      limit: Type.Optional(count("Absent: unlimited.")),
      used: count("What ended attempts used; holds no reservation."),
      reserved: count("What running attempts hold."),
      remaining: Type.Optional(count("Absent: unlimited.")),
      overrun: count("What was spent above the limit, recorded in full."),
    },
    description,
  );

/** One page of a list; `next` is what the next request gives as `after`. */
export const page = <S extends TSchema>(name: string, items: S, description: string) =>
  named(
    name,
    { items: Type.Array(items), next: Type.Optional(text("Cursor of the next page; absent on the last one.")) },
    description,
  );
