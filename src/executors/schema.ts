/**
 * Schemas of inputs and settings: published as JSON Schema, and read by exactly what is published.
 *
 * In: TypeBox schemas of the adapters. Out: plain JSON, and readers that return the typed value or nothing.
 * Not here: the schemas, which stand beside each adapter.
 */
import Type, { type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** A read value: nothing in it changes. */
export type Read<T> = [JsonValue] extends [T]
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : { readonly [K in keyof T]: Read<T[K]> };

/** An object whose members are all declared. */
export const closed = { additionalProperties: false } as const;

/** Any JSON value. */
export const anyJson = (description: string) => Type.Unsafe<JsonValue>({ description });

/** An integer between `minimum` and `maximum`. */
export const integer = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description });

/** One of these words. */
export const oneOf = <const Word extends string>(words: readonly Word[], description: string) =>
  Type.Unsafe<Word>({ type: "string", enum: words, description });

/** The schema as plain JSON Schema 2020-12, without what TypeBox keeps beside it. */
export function publishSchema(schema: TSchema): JsonObject {
  const plain = parseJson(JSON.stringify(schema));
  return isJsonObject(plain) ? plain : {};
}

/** Makes a reader: the value when it fits the schema, else undefined. The schema is compiled once, here. */
export function makeReader<S extends TSchema>(schema: S): (value: JsonValue) => Read<Static<S>> | undefined {
  const validator = Compile(schema);
  return (value) => (validator.Check(value) ? (value as Read<Static<S>>) : undefined);
}
