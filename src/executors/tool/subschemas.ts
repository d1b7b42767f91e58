/**
 * JSON Schema 2020-12 as tools may use it: each keyword with the place of the schemas inside it.
 *
 * Closed: a keyword that is not in the table is refused, never skipped. Left out are those that reach outside the schema or
 * give it another name (`$id`, `$anchor`, `$dynamicRef`, `$vocabulary`). Not here: bounds (check-schema.ts).
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { pointerToken } from "../../core/pointer-token.ts";

/** `value`: no schema inside. `schema`: it is one. `list`, `map`: it holds some. `defs`: they count where they are used. */
type Place = "value" | "schema" | "list" | "map" | "defs";

export const KEYWORDS: Readonly<Record<string, Place>> = {
  $schema: "value",
  $comment: "value",
  $ref: "value",
  $defs: "defs",
  title: "value",
  description: "value",
  default: "value",
  examples: "value",
  deprecated: "value",
  readOnly: "value",
  writeOnly: "value",
  format: "value",
  type: "value",
  enum: "value",
  const: "value",
  multipleOf: "value",
  minimum: "value",
  maximum: "value",
  exclusiveMinimum: "value",
  exclusiveMaximum: "value",
  minLength: "value",
  maxLength: "value",
  pattern: "value",
  minItems: "value",
  maxItems: "value",
  uniqueItems: "value",
  minContains: "value",
  maxContains: "value",
  minProperties: "value",
  maxProperties: "value",
  required: "value",
  dependentRequired: "value",
  items: "schema",
  contains: "schema",
  additionalProperties: "schema",
  propertyNames: "schema",
  unevaluatedItems: "schema",
  unevaluatedProperties: "schema",
  not: "schema",
  if: "schema",
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: "schema",
  else: "schema",
  prefixItems: "list",
  allOf: "list",
  anyOf: "list",
  oneOf: "list",
  properties: "map",
  patternProperties: "map",
  dependentSchemas: "map",
};

/** The schemas inside one keyword's value, each with its pointer below the keyword. */
export function schemasIn(place: Place, value: JsonValue): readonly (readonly [string, JsonValue])[] {
  switch (place) {
    case "value":
    case "defs":
      return [];
    case "schema":
      return [["", value]];
    case "list":
      return isJsonArray(value) ? value.map((item, index) => [`/${index}`, item] as const) : [];
    case "map":
      return isJsonObject(value)
        ? Object.entries(value).map(([key, item]) => [`/${pointerToken(key)}`, item] as const)
        : [];
  }
}

/** The schema with every schema inside it replaced, from the inside out; what is no object stays as it is. */
export function mapSchemas(schema: JsonValue, change: (schema: JsonObject) => JsonValue): JsonValue {
  if (!isJsonObject(schema)) return schema;
  const inside = (value: JsonValue): JsonValue => mapSchemas(value, change);
  const entries = Object.entries(schema).map(([keyword, value]): readonly [string, JsonValue] => {
    switch (Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : "value") {
      case "schema":
        return [keyword, inside(value)];
      case "list":
        return [keyword, isJsonArray(value) ? value.map(inside) : value];
      case "map":
      case "defs":
        return [
          keyword,
          isJsonObject(value)
            ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inside(item)]))
            : value,
        ];
      default:
        return [keyword, value];
    }
  });
  return change(Object.fromEntries(entries));
}
