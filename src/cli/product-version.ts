/**
 * The version of this copy of the product, from its package.json.
 */
import { readFile } from "node:fs/promises";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** "0.1.0". */
export async function readVersion(): Promise<string> {
  const found = parseJson(await readFile(new URL("../../package.json", import.meta.url)));
  const version = isJsonObject(found) ? found["version"] : undefined;
  return typeof version === "string" ? version : "0.0.0";
}
