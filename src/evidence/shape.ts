/**
 * Shapes: what a parsed evidence file must look like, field by field; anything else is refused with the place named.
 *
 * In: a JSON value that passed strict parsing. Out: the same value, typed. Small and without a schema library, since
 * the offline verifier and adapters load it. Not here: what the values mean (verify-*.ts).
 */
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** Returns the value as `T`. @throws {StepgateError} EVIDENCE_MALFORMED with `where` and `wanted`. */
export type Shape<T> = (value: JsonValue | undefined, where: string) => T;
export type ShapeOf<S> = S extends Shape<infer T> ? T : never;
type FieldsOf<F> = { readonly [K in keyof F]: ShapeOf<F[K]> };

export const text: Shape<string> = (value, where) => (typeof value === "string" ? value : refuse(where, "a text"));

/** A non-negative integer up to 2^53 − 1. */
export const count: Shape<number> = (value, where) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : refuse(where, "a count");

/** RFC 3339 in UTC with milliseconds, as we write it; milliseconds since the Unix epoch. */
export const instant: Shape<number> = (value, where) => {
  const atMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isFinite(atMs) && new Date(atMs).toISOString() === value ? atMs : refuse(where, "a time in UTC");
};

export const jsonObject: Shape<JsonObject> = (value, where) =>
  isJsonObject(value) ? value : refuse(where, "an object");

/** A text that matches a pattern, branded by the caller's type. */
export function pattern<T extends string = string>(source: string, wanted: string): Shape<T> {
  const expression = new RegExp(source);
  return (value, where) => (typeof value === "string" && expression.test(value) ? (value as T) : refuse(where, wanted));
}

/** Exactly one of the given texts or numbers. */
export function oneOf<const T extends readonly (string | number)[]>(words: T): Shape<T[number]> {
  return (value, where) => words.find((word) => word === value) ?? refuse(where, `one of ${words.join(", ")}`);
}

export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, where) =>
    Array.isArray(value)
      ? value.map((entry: JsonValue, index) => item(entry, `${where}/${index}`))
      : refuse(where, "a list");
}

/** A field that may be absent; null is not absent. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, where) => (value === undefined ? undefined : shape(value, where));
}

/** An object with exactly these fields: an unknown one is refused. */
export function fields<F extends Record<string, Shape<unknown>>>(shapes: F): Shape<FieldsOf<F>> {
  const pick = picks(shapes);
  return (value, where) => {
    const unknown = Object.keys(jsonObject(value, where)).find((key) => !Object.hasOwn(shapes, key));
    return unknown === undefined ? pick(value, where) : refuse(`${where}/${unknown}`, "no such field");
  };
}

/** An object with at least these fields: for signed predicates, where others are the signer's business. */
export function picks<F extends Record<string, Shape<unknown>>>(shapes: F): Shape<FieldsOf<F>> {
  const entries = Object.entries(shapes);
  return (value, where) => {
    const object = jsonObject(value, where);
    const picked: Record<string, unknown> = {};
    for (const [key, shape] of entries) picked[key] = shape(object[key], `${where}/${key}`);
    return picked as FieldsOf<F>;
  };
}

/** What `read` returns, or undefined for a malformed file; any other fault is thrown on. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (caught) {
    if (isStepgateError(caught, "EVIDENCE_MALFORMED", "JSON_INVALID", "NUMBER_NOT_EXACT")) return undefined;
    throw caught;
  }
}

function refuse(where: string, wanted: string): never {
  throw new StepgateError("EVIDENCE_MALFORMED", { where, wanted });
}
