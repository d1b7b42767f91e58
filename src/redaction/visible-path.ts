/**
 * Patch paths as records, events and people may see them (spec 00, payloads at rest).
 *
 * A key that is in the step's schema is public; any other is payload, since a caller chose it, and is shown as `*`.
 * In: a pointer and the schema of what lies below its root. Out: a pointer. Not here: the values.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { valueAt } from "./edit-document.ts";
import { formatPointer, isPointer, parsePointer } from "./pointer.ts";

/** A list has at most this many digits in an index; a longer number is a key that looks like one. */
const INDEX = /^(?:0|[1-9][0-9]{0,6}|-)$/;

/**
 * The pointer itself when every key below its root is in the schema, else `/<root>/*`.
 *
 * `schema` is the JSON Schema (2020-12) of the root's value; undefined hides every key. `properties`, `items`,
 * `prefixItems`, `allOf`, `anyOf`, `oneOf` and local references are followed; a key that only a pattern or
 * `additionalProperties` lets in is hidden. `/execution/…` is the host's own form and always shown.
 *
 * @throws {StepgateError} PATCH_MALFORMED when the text is no pointer.
 */
export function visiblePath(pointer: string, schema: JsonObject | undefined): string {
  const [root, ...keys] = parsePointer(pointer);
  if (root === undefined || root === "execution" || keys.length === 0) return pointer;
  if (schema === undefined) return hidden(root);
  let candidates = alternatives([schema], schema);
  for (const key of keys) {
    candidates = alternatives(
      candidates.flatMap((candidate) => childrenAt(candidate, key)),
      schema,
    );
    if (candidates.length === 0) return hidden(root);
  }
  return pointer;
}

/** These schemas and all that they are made of: each once, so that a schema may refer to itself. */
function alternatives(schemas: readonly JsonObject[], whole: JsonObject): readonly JsonObject[] {
  const found = new Set(schemas);
  for (const { allOf, anyOf, oneOf, $ref } of found) {
    const parts = [allOf, anyOf, oneOf].flatMap((list) => (isJsonArray(list) ? list : []));
    for (const part of [...parts, referred($ref, whole)]) if (isJsonObject(part)) found.add(part);
  }
  return [...found];
}

function referred(reference: JsonValue | undefined, whole: JsonObject): JsonValue | undefined {
  if (typeof reference !== "string" || !reference.startsWith("#") || !isPointer(reference.slice(1))) return undefined;
  return valueAt(whole, parsePointer(reference.slice(1)));
}

/** The schema of a member or an item, if this schema names it. */
function childrenAt({ type, properties, items, prefixItems }: JsonObject, key: string): readonly JsonObject[] {
  const member = isJsonObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (member !== undefined) return [schemaOf(member)];
  // without the type an object with such a key would pass too
  if (type !== "array" || !INDEX.test(key)) return [];
  const item = (isJsonArray(prefixItems) ? prefixItems[Number(key)] : undefined) ?? items;
  return item === undefined ? [] : [schemaOf(item)];
}

/** `true` and `false` are schemas that name no key. */
function schemaOf(schema: JsonValue): JsonObject {
  return isJsonObject(schema) ? schema : {};
}

function hidden(root: string): string {
  return formatPointer([root, "*"]);
}
