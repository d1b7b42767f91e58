/**
 * Bounds on a schema that an operator wrote: it must stay within the schema's own text, and its work within a known measure.
 *
 * In: a schema and the field it stands in. Out: its weight, or a refusal that names the place. Every reference is followed
 * once, so that neither a circle nor definitions that double at each step cost anything. Not here: compiling
 * (compile-schema.ts).
 */
import { canonicalJson } from "../../core/canonical-json.ts";
import { StepgateError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { isLinearPattern } from "./linear-pattern.ts";
import { KEYWORDS, schemasIn } from "./subschemas.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const MAX_BYTES = 65_536;
const MAX_DEPTH = 16;
/** Schemas that one value may be held against, references counted wherever they are used. */
const MAX_SCHEMAS = 1_000;
/** What values are compared with costs as much as a schema for so many bytes. */
const BYTES_A_SCHEMA = 32;
/** Items are compared pair by pair. */
const MAX_UNIQUE_ITEMS = 256;
const REFERENCE = /^#\/\$defs\/([A-Za-z0-9_.-]{1,64})$/;

/**
 * The schema's weight: how many schemas one value may be held against.
 *
 * @throws {StepgateError} FIELD_INVALID {field, reason} for a schema that is larger, deeper or freer than tools may have.
 */
export function checkSchema(schema: JsonObject, field: string): number {
  const bytes = Buffer.byteLength(canonicalJson(schema));
  if (bytes > MAX_BYTES) throw refusal(field, `${bytes} bytes of at most ${MAX_BYTES}`);
  const walk: Walk = { definitions: schema["$defs"], field, weights: new Map() };
  const weight = weigh(walk, schema, { pointer: "", depth: 0 });
  if (walk.definitions === undefined) return weight;
  if (!isJsonObject(walk.definitions)) throw refusal(`${field}/$defs`, "no object of schemas");
  for (const name of Object.keys(walk.definitions)) weighDefinition(walk, name, { pointer: "", depth: 0 });
  return weight;
}

const COMPARED: ReadonlySet<string> = new Set(["enum", "const", "required", "dependentRequired"]);

interface Walk {
  readonly definitions: JsonValue | undefined;
  readonly field: string;
  /** By definition; 0 while it is being weighed. */
  readonly weights: Map<string, number>;
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
  let weight = 1;
  for (const [keyword, value] of Object.entries(schema)) {
    const place = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    if (place === undefined) throw refusal(`${at}/${keyword}`, "no keyword that tools may use");
    if (place === "defs" && pointer !== "") throw refusal(`${at}/${keyword}`, "only at the top");
    checkKeyword(schema, keyword, `${at}/${keyword}`);
    for (const [below, inside] of schemasIn(place, value))
      weight += weigh(walk, inside, { pointer: `${pointer}/${keyword}${below}`, depth: depth + 1 });
    if (COMPARED.has(keyword)) weight += Math.floor(Buffer.byteLength(canonicalJson(value)) / BYTES_A_SCHEMA);
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

function checkKeyword(schema: JsonObject, keyword: string, at: string): void {
  const value = schema[keyword];
  switch (keyword) {
    case "$schema":
      if (value !== DIALECT) throw refusal(at, `only ${DIALECT}`);
      return;
    case "pattern":
      if (typeof value !== "string" || !isLinearPattern(value)) throw refusal(at, "no pattern in RE2 syntax");
      return;
    case "patternProperties":
      if (isJsonObject(value) && !Object.keys(value).every(isLinearPattern))
        throw refusal(at, "no pattern in RE2 syntax");
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

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
