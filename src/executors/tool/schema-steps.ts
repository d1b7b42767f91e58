/**
 * What it costs to hold one value against one schema, without what the schemas inside it and patterns count themselves.
 *
 * In: a schema of the dialect, then a value. Out: steps (work.ts), never fewer than are taken: the measured worst cases stand
 * in the test. Not here: counting (compile-schema.ts).
 */
import { canonicalJson } from "../../core/canonical-json.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";

/** A branch that fails leaves an error with its path behind: 80 ns, 200 before the check's code is warm. */
const A_SCHEMA = 20;
/** Two nodes compared, an object's keys listed for it: 40 ns. */
const A_PAIR = 4;
/** One of an object's names listed: 100 ns in an object of many. */
const A_NAME = 10;
/** One name looked up: 30 ns, 60 before the check's code is warm. */
const A_LOOKUP = 6;
/** Characters of a text whose length is counted for one step. */
const CHARACTERS_A_STEP = 4;
/** Bytes of plain values that are compared in one step; objects take a step a byte. */
const BYTES_A_STEP = 16;

const BRANCHES = ["allOf", "anyOf", "oneOf", "prefixItems"] as const;
const SINGLE = ["not", "if", "then", "else", "contains"] as const;
const COMPARED = ["const", "enum"] as const;
const NAMED = ["properties", "required", "dependentRequired", "dependentSchemas"] as const;
const OVER_ITEMS = ["items", "contains", "unevaluatedItems"] as const;
const OVER_KEYS = ["additionalProperties", "unevaluatedProperties", "propertyNames"] as const;

/** Makes the count for one schema. */
export function stepsOf(schema: JsonObject): (value: JsonValue) => number {
  const overItems = presentIn(schema, OVER_ITEMS);
  const patterns = sizeOf(schema["patternProperties"]);
  const overKeys = presentIn(schema, OVER_KEYS) + patterns;
  const looksAtKeys = overKeys > 0 || schema["minProperties"] !== undefined || schema["maxProperties"] !== undefined;
  const isUnique = schema["uniqueItems"] === true;
  const fixed =
    A_SCHEMA * (1 + presentIn(schema, SINGLE) + sum(BRANCHES, (keyword) => sizeOf(schema[keyword]))) +
    A_LOOKUP * sum(NAMED, (keyword) => sizeOf(schema[keyword])) +
    sum(COMPARED, (keyword) => comparison(schema[keyword]));
  return (value) => {
    if (typeof value === "string") return fixed + value.length / CHARACTERS_A_STEP;
    if (isJsonArray(value)) return fixed + A_SCHEMA * overItems * value.length + (isUnique ? pairs(value) : 0);
    if (looksAtKeys && isJsonObject(value))
      return fixed + (2 * A_NAME + A_SCHEMA * overKeys) * Object.keys(value).length;
    return fixed;
  };
}

/** Each item may be compared with each other one to its end. */
function pairs(items: readonly JsonValue[]): number {
  return (A_PAIR * items.length * nodes(items)) / 2;
}

/** Values in a value, long texts counted by their length. */
function nodes(value: JsonValue): number {
  if (typeof value === "string") return 1 + value.length / BYTES_A_STEP;
  if (isJsonArray(value)) return value.reduce<number>((count, item) => count + nodes(item), 1);
  return isJsonObject(value) ? Object.values(value).reduce<number>((count, item) => count + 1 + nodes(item), 1) : 1;
}

function comparison(value: JsonValue | undefined): number {
  if (value === undefined) return 0;
  const candidates = isJsonArray(value) ? value : [value];
  const isPlain = candidates.every((candidate) => typeof candidate !== "object" || candidate === null);
  return Buffer.byteLength(canonicalJson(value)) / (isPlain ? BYTES_A_STEP : 1);
}

function presentIn(schema: JsonObject, keywords: readonly string[]): number {
  return keywords.filter((keyword) => schema[keyword] !== undefined).length;
}

function sizeOf(value: JsonValue | undefined): number {
  if (value === undefined || typeof value !== "object" || value === null) return 0;
  return isJsonArray(value) ? value.length : Object.keys(value).length;
}

function sum(keywords: readonly string[], count: (keyword: string) => number): number {
  return keywords.reduce((total, keyword) => total + count(keyword), 0);
}
