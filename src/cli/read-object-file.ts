/**
 * A JSON object from a file that the user named.
 */
import { readFile } from "node:fs/promises";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** Reads it strictly. @throws {StepgateError} USAGE for no file or no object, JSON_INVALID. */
export async function readObjectFile(file: string): Promise<JsonObject> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new StepgateError("USAGE", { path: file, reason: "no readable file:" }, { cause });
  });
  const value = parseJson(bytes);
  if (!isJsonObject(value)) throw new StepgateError("USAGE", { path: file, reason: "no JSON object in" });
  return value;
}
