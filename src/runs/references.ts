/**
 * References inside inputs: `{"$from": "<step>", "pointer": "/…"}` takes a value from another step (spec 01, data flow).
 *
 * In an ordinary step the pointer starts at the output of a dependency ("" = all of it). In a compensation it starts at
 * `{inputs, output}` of the origin, so it begins with `/inputs` or `/output`. Not here: which step may be named (plan.ts).
 */
import type { StepId } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { pointerKey, pointerToken } from "../core/pointer-token.ts";

/** Where a reference stands in the inputs, and what it takes; both pointers are RFC 6901. */
export interface Reference {
  readonly path: string;
  readonly step: StepId;
  readonly pointer: string;
}

export interface References {
  readonly found: readonly Reference[];
  /** Paths of objects that have a `$from` and are no reference: refused, since they were surely meant as one. */
  readonly malformed: readonly string[];
}

export type Resolution =
  | { readonly ok: true; readonly inputs: JsonObject }
  | { readonly ok: false; readonly kind: "invalid_request"; readonly missing: Reference };

const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;
const ORIGIN_POINTER = /^\/(?:inputs|output)(?:\/|$)/;

/** Finds every reference in the inputs, in document order. */
export function findReferences(inputs: JsonObject): References {
  const found: Reference[] = [];
  const malformed: string[] = [];
  visit(inputs, "", (object, path) => {
    const reference = readReference(object, path);
    if (reference === undefined) malformed.push(path);
    else found.push(reference);
  });
  return { found, malformed };
}

/** Tells whether a pointer can point into `{inputs, output}` of a compensation's origin. */
export function isOriginPointer(pointer: string): boolean {
  return ORIGIN_POINTER.test(pointer);
}

/**
 * Puts the values in place of the references; the given inputs are not changed.
 *
 * `sourceOf` gives what a step's pointers start at: the output of a dependency, or `{inputs, output}` of the origin.
 * Values that are taken are not searched for references again: outputs are data, whatever they look like.
 */
export function resolveReferences(inputs: JsonObject, sourceOf: (step: StepId) => JsonValue | undefined): Resolution {
  let missing: Reference | undefined;
  const resolve = (value: JsonValue, path: string): JsonValue => {
    if (Array.isArray(value)) return value.map((item: JsonValue, index) => resolve(item, `${path}/${index}`));
    if (!isJsonObject(value)) return value;
    const reference = Object.hasOwn(value, "$from") ? readReference(value, path) : undefined;
    if (reference === undefined) return mapMembers(value, path, resolve);
    const taken = valueAt(sourceOf(reference.step), reference.pointer);
    if (taken === undefined) missing ??= reference;
    return taken ?? null;
  };
  const resolved = mapMembers(inputs, "", resolve);
  return missing === undefined ? { ok: true, inputs: resolved } : { ok: false, kind: "invalid_request", missing };
}

/** The value at an RFC 6901 pointer, or undefined where there is none. */
export function valueAt(value: JsonValue | undefined, pointer: string): JsonValue | undefined {
  if (!POINTER.test(pointer)) return undefined;
  let current = value;
  for (const token of pointer.split("/").slice(1)) {
    const key = pointerKey(token);
    if (Array.isArray(current)) {
      // "-" and leading zeros name no element (RFC 6901 §4)
      current = /^(?:0|[1-9][0-9]*)$/.test(key) ? (current[Number(key)] as JsonValue | undefined) : undefined;
    } else {
      current = isJsonObject(current) && Object.hasOwn(current, key) ? current[key] : undefined;
    }
    if (current === undefined) return undefined;
  }
  return current;
}

function readReference(object: JsonObject, path: string): Reference | undefined {
  const { $from: from, pointer } = object;
  if (typeof from !== "string" || typeof pointer !== "string" || Object.keys(object).length !== 2) return undefined;
  return POINTER.test(pointer) ? { path, step: from as StepId, pointer } : undefined;
}

function visit(value: JsonValue, path: string, onReference: (object: JsonObject, path: string) => void): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) visit(item as JsonValue, `${path}/${index}`, onReference);
    return;
  }
  const object = value as JsonObject;
  if (Object.hasOwn(object, "$from")) {
    onReference(object, path);
    return;
  }
  for (const key of Object.keys(object)) visit(object[key] as JsonValue, `${path}/${pointerToken(key)}`, onReference);
}

function mapMembers(
  object: JsonObject,
  path: string,
  change: (value: JsonValue, path: string) => JsonValue,
): JsonObject {
  const changed: Record<string, JsonValue> = {};
  for (const key of Object.keys(object))
    changed[key] = change(object[key] as JsonValue, `${path}/${pointerToken(key)}`);
  return changed;
}
