/**
 * Values for a JSON Schema as the OpenAPI document writes it: those that it allows, and those with one part spoilt.
 *
 * In: a schema and the document its references point into. Out: fast-check arbitraries. A keyword that is not known here
 * is an error, so that a new one is not passed over. Not here: requests (request-arbitrary.ts).
 */
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";

export type Schema = Readonly<Record<string, unknown>>;

const KNOWN = new Set(
  (
    "$ref type properties required additionalProperties propertyNames patternProperties items minItems maxItems " +
    "uniqueItems minProperties maxProperties enum const anyOf oneOf allOf not minimum maximum minLength maxLength pattern format " +
    "description title default examples example readOnly contentMediaType"
  ).split(" "),
);
const MAX_ITEMS = 3;
/** Deeper than any schema of ours; references that lead back into themselves end here. */
const MAX_DEPTH = 12;

/** Values that the schema allows. */
export function allowedBy(schema: Schema, document: object, depth = 0): fc.Arbitrary<JsonValue> {
  for (const keyword of Object.keys(schema)) {
    if (!KNOWN.has(keyword)) throw new TypeError(`the keyword ${keyword} has no arbitrary`);
  }
  if (depth > MAX_DEPTH) return fc.constant(null);
  const inner = (part: unknown): fc.Arbitrary<JsonValue> => allowedBy(part as Schema, document, depth + 1);
  if (typeof schema["$ref"] === "string") return inner(resolve(schema["$ref"], document));
  if ("const" in schema) return fc.constant(schema["const"] as JsonValue);
  if (Array.isArray(schema["enum"])) return fc.constantFrom(...(schema["enum"] as JsonValue[]));
  const branches = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(branches)) return fc.oneof(...branches.map(inner));
  const types = ([] as unknown[]).concat(schema["type"] ?? []);
  if (types.length === 0) return anyJson();
  return fc.oneof(...types.map((type) => ofType(String(type), schema, inner)));
}

type Inner = (part: unknown) => fc.Arbitrary<JsonValue>;

function ofType(type: string, schema: Schema, inner: Inner): fc.Arbitrary<JsonValue> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
      return numbers(schema, true);
    case "number":
      return numbers(schema, false);
    case "string":
      return texts(schema);
    case "array":
      return arrays(schema, inner);
    case "object":
      return objects(schema, inner);
    default:
      throw new TypeError(`the type ${type} has no arbitrary`);
  }
}

/** Small ones mostly, and the ends of the range. */
function numbers({ minimum, maximum }: Schema, isInteger: boolean): fc.Arbitrary<JsonValue> {
  const low = typeof minimum === "number" ? minimum : -1_000;
  const high = typeof maximum === "number" ? maximum : Number.MAX_SAFE_INTEGER;
  const small = fc.integer({ min: Math.max(low, -1_000), max: Math.min(high, Math.max(low, 0) + 1_000) });
  const ends = fc.constantFrom(low, high);
  return isInteger ? fc.oneof(small, small, ends) : fc.oneof(small, ends, fc.constantFrom(0.1, 0.000001, 1.5, 1e21));
}

function texts({ pattern, format, minLength, maxLength }: Schema): fc.Arbitrary<JsonValue> {
  if (typeof pattern === "string") return fc.stringMatching(new RegExp(pattern));
  if (format === "date-time") return fc.constantFrom("2000-01-01T00:00:00Z", "2040-02-29T23:59:59.999Z");
  const bounds = {
    minLength: typeof minLength === "number" ? minLength : 0,
    maxLength: Math.min(typeof maxLength === "number" ? maxLength : 40, 300),
  };
  return fc.oneof(
    fc.string({ ...bounds, unit: "grapheme" }).filter((text) => isPlain(text) && text.length <= bounds.maxLength),
    fc.string({ ...bounds, unit: "binary" }).filter((text) => isPlain(text) && text.length <= bounds.maxLength),
  );
}

/** U+0000 and halves of pairs are refused everywhere (spec 00): they belong to what is spoilt. */
function isPlain(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

function arrays(schema: Schema, inner: Inner): fc.Arbitrary<JsonValue> {
  const { items, minItems, maxItems, uniqueItems } = schema;
  const bounds = {
    minLength: typeof minItems === "number" ? minItems : 0,
    maxLength: Math.max(
      Number(minItems ?? 0),
      Math.min(typeof maxItems === "number" ? maxItems : MAX_ITEMS, MAX_ITEMS),
    ),
  };
  const item = inner(items ?? {});
  return uniqueItems === true
    ? fc.uniqueArray(item, { ...bounds, selector: (value) => JSON.stringify(value) })
    : fc.array(item, bounds);
}

function objects(schema: Schema, inner: Inner): fc.Arbitrary<JsonValue> {
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, unknown>>;
  const required = new Set(Array.isArray(schema["required"]) ? (schema["required"] as string[]) : []);
  const members = Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, inner(part)]));
  const requiredKeys = Object.keys(members).filter((name) => required.has(name));
  const declared = fc.record(members, { requiredKeys });
  const rest = schema["additionalProperties"];
  if (rest === false) return declared;
  const names =
    schema["propertyNames"] === undefined ? keys() : inner({ type: "string", ...(schema["propertyNames"] as Schema) });
  const value = rest === true || rest === undefined ? anyJson() : inner(rest);
  const free = fc.array(fc.tuple(names, value), { maxLength: MAX_ITEMS }).map(Object.fromEntries);
  return fc.tuple(free, declared).map(([more, known]) => ({ ...(more as JsonObject), ...known }));
}

/** Names that objects have by themselves are names like any other; `__proto__` is refused (spec 00). */
function keys(): fc.Arbitrary<string> {
  const odd = fc.constantFrom(
    "constructor",
    "toString",
    "hasOwnProperty",
    "prototype",
    "a/b",
    "~",
    "",
    "$from",
    "$ref",
    "0",
  );
  return fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => isPlain(text) && text !== "__proto__"),
    odd,
  );
}

function anyJson(): fc.Arbitrary<JsonValue> {
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom<JsonValue>(null, true, false, 0, -1, 0.1, 9007199254740991, "", "text", "é\u{1f600}"),
      fc.array(tie("value"), { maxLength: MAX_ITEMS }),
      fc
        .array(fc.tuple(keys(), tie("value")), { maxLength: MAX_ITEMS })
        .map((entries) => Object.fromEntries(entries) as JsonValue),
    ),
  }));
  return value;
}

export function resolve(reference: string, document: object): Schema {
  let value: unknown = document;
  for (const part of reference.replace(/^#\//, "").split("/")) {
    value = (value as Readonly<Record<string, unknown>>)[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  if (typeof value !== "object" || value === null) throw new TypeError(`${reference} leads nowhere`);
  return value as Schema;
}
