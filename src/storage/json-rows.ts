/**
 * JSON on its way in and out of rows: canonical text in, strict values out.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** The text of a json or jsonb parameter; undefined members are left out. */
export function jsonText(value: unknown): string {
  return canonicalJson(value as JsonValue);
}

/** Reads a json or jsonb column that holds an object. @throws {StepgateError} STORE_REFUSED for anything else. */
export function jsonObject(text: string): JsonObject {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new StepgateError("STORE_REFUSED", { reason: "a column does not hold an object" });
  return value;
}
