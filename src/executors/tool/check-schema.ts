/**
 * Bounds on a schema that an operator wrote: it must stay within the schema's own text, and take a known time to compile.
 *
 * In: a schema and the field it stands in. Out: nothing, or a refusal that names the place. Every reference is followed
 * once, so that neither a circle nor definitions that double at each step cost anything. Not here: compiling
 * (compile-schema.ts), what a check of a value costs (schema-steps.ts).
 */
import { canonicalJson } from "../../core/canonical-json.ts";
import { StepgateError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { patternSize } from "./linear-pattern.ts";
import { KEYWORDS, schemasIn } from "./subschemas.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const MAX_BYTES = 65_536;
const MAX_DEPTH = 16;
/** Schemas that one value may be held against, references counted wherever they are used. */
const MAX_SCHEMAS = 1_000;
/** Schemas in the text; compiling so many took up to 0.6 s. */
const MAX_COMPILED = 500;
/** Of all patterns together, each counted once: a class of letters takes as long to compile as many instructions. */
const MAX_PATTERN_CHARACTERS = 4_096;
const MAX_PATTERN_INSTRUCTIONS = 10_000;
/** Items are compared pair by pair. */
const MAX_UNIQUE_ITEMS = 256;
const REFERENCE = /^#\/\$defs\/([A-Za-z0-9_.-]{1,64})$/;

/** @throws {StepgateError} FIELD_INVALID {field, reason} for a schema that is larger, deeper or freer than tools may have. */
export function checkSchema(schema: JsonObject, field: string): void {
  const bytes = Buffer.byteLength(canonicalJson(schema));
  if (bytes > MAX_BYTES) throw refusal(field, `${bytes} bytes of at most ${MAX_BYTES}`);
  const walk: Walk = { definitions: schema["$defs"], field, count: 0, weights: new Map(), patterns: new Map() };
  weigh(walk, schema, { pointer: "", depth: 0 });
  if (walk.definitions === undefined) return;
  if (!isJsonObject(walk.definitions)) throw refusal(`${field}/$defs`, "no object of schemas");
  for (const name of Object.keys(walk.definitions)) weighDefinition(walk, name, { pointer: "", depth: 0 });
}

interface Walk {
  readonly definitions: JsonValue | undefined;
  readonly field: string;
  /** Schemas seen so far. */
  count: number;
  /** By definition; 0 while it is being weighed. */
  readonly weights: Map<string, number>;
  /** Instructions of each. */
  readonly patterns: Map<string, number>;
}

interface Place {
  readonly pointer: string;
  readonly depth: number;
}

function weigh(walk: Walk, schema: JsonValue, { pointer, depth }: Place): number {
  const at = `${walk.field}${pointer}`;
  if (typeof schema === "boolean") return 1;
  if (!isJsonObject(schema)) throw refusal(at, "a schema is an object or a boolean");
  if (depth > MAX_DEPTH) throw refusal(at, `deeper than ${MAX_DEPTH} schemas`);
  walk.count += 1;
  if (walk.count > MAX_COMPILED) throw refusal(at, `more than ${MAX_COMPILED} schemas`);
  let weight = 1;
  for (const [keyword, value] of Object.entries(schema)) {
    const place = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    if (place === undefined) throw refusal(`${at}/${keyword}`, "no keyword that tools may use");
    if (place === "defs" && pointer !== "") throw refusal(`${at}/${keyword}`, "only at the top");
    checkKeyword(walk, schema, { keyword, at: `${at}/${keyword}` });
    for (const [below, inside] of schemasIn(place, value))
      weight += weigh(walk, inside, { pointer: `${pointer}/${keyword}${below}`, depth: depth + 1 });
    if (keyword === "$ref") weight += follow(walk, value, { pointer, depth });
    if (weight > MAX_SCHEMAS) throw refusal(at, `more than ${MAX_SCHEMAS} schemas for one value`);
  }
  return weight;
}

function follow(walk: Walk, reference: JsonValue, { pointer, depth }: Place): number {
  const name = typeof reference === "string" ? REFERENCE.exec(reference)?.[1] : undefined;
  if (name === undefined) throw refusal(`${walk.field}${pointer}/$ref`, "only #/$defs/<name>");
  return weighDefinition(walk, name, { pointer: `${pointer}/$ref`, depth });
}

function weighDefinition(walk: Walk, name: string, { pointer, depth }: Place): number {
  const known = walk.weights.get(name);
  if (known === 0) throw refusal(`${walk.field}${pointer}`, "a reference that leads back to itself");
  if (known !== undefined) return known;
  const definition =
    isJsonObject(walk.definitions) && Object.hasOwn(walk.definitions, name) ? walk.definitions[name] : undefined;
  if (definition === undefined) throw refusal(`${walk.field}${pointer}`, "no such definition");
  walk.weights.set(name, 0);
  const weight = weigh(walk, definition, { pointer: `/$defs/${name}`, depth: depth + 1 });
  walk.weights.set(name, weight);
  return weight;
}

function checkKeyword(
  walk: Walk,
  schema: JsonObject,
  { keyword, at }: { readonly keyword: string; readonly at: string },
): void {
  const value = schema[keyword];
  switch (keyword) {
    case "$schema":
      if (value !== DIALECT) throw refusal(at, `only ${DIALECT}`);
      return;
    case "pattern":
      checkPattern(walk, value, at);
      return;
    case "patternProperties":
      if (value !== undefined && isJsonObject(value))
        for (const pattern of Object.keys(value)) checkPattern(walk, pattern, at);
      return;
    case "uniqueItems": {
      const { maxItems } = schema;
      if (value === true && !(typeof maxItems === "number" && maxItems <= MAX_UNIQUE_ITEMS))
        throw refusal(at, `needs maxItems of at most ${MAX_UNIQUE_ITEMS}`);
      return;
    }
    default:
      return;
  }
}

function checkPattern({ patterns }: Walk, pattern: JsonValue | undefined, at: string): void {
  if (typeof pattern === "string" && patterns.has(pattern)) return;
  const size = typeof pattern === "string" ? patternSize(pattern) : undefined;
  if (typeof pattern !== "string" || size === undefined) throw refusal(at, "no pattern in RE2 syntax");
  patterns.set(pattern, size);
  const characters = [...patterns.keys()].reduce((sum, { length }) => sum + length, 0);
  const instructions = [...patterns.values()].reduce((sum, count) => sum + count, 0);
  if (characters > MAX_PATTERN_CHARACTERS || instructions > MAX_PATTERN_INSTRUCTIONS)
    throw refusal(at, "more patterns than one schema may have");
}

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
