/**
 * JSON values as the whole product passes them: immutable, and only what strict parsing lets in.
 *
 * Here: the types. Not here: reading (parse-json.ts), canonical writing (canonical-json.ts).
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** Tells whether a JSON value is an object, neither an array nor null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
