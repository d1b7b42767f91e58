/**
 * One edit at one place of a JSON document, without changing it: the containers on the way are copied, the rest is shared.
 *
 * In: a document, a path of keys, an edit. Out: the new document, or undefined where the edit does not fit. Keys are own
 * members only. Not here: the operations of RFC 6902 (apply-patch.ts).
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

export type Path = readonly string[];

/** `add` inserts into a list and sets a member; `replace` and `remove` need that something stands there. */
export type Edit = { readonly kind: "add" | "replace"; readonly value: JsonValue } | { readonly kind: "remove" };

/** Digits without a leading zero (RFC 6901 §4); `-` is the place after the last item. */
const INDEX = /^(?:0|[1-9][0-9]*)$/;

/** The value at a path; undefined when there is none. */
export function valueAt(document: JsonValue, path: Path): JsonValue | undefined {
  let value: JsonValue | undefined = document;
  for (const key of path) {
    if (value === undefined) return undefined;
    value = memberOf(value, key);
  }
  return value;
}

/** The document after an edit; undefined when the place or the container it needs is not there. */
export function editDocument(document: JsonValue, path: Path, edit: Edit): JsonValue | undefined {
  const [key, ...rest] = path;
  // the document itself can be replaced, but not be removed: then there would be none
  if (key === undefined) return edit.kind === "remove" ? undefined : edit.value;
  if (rest.length === 0) return isJsonArray(document) ? editList(document, key, edit) : editMember(document, key, edit);
  const child = memberOf(document, key);
  const edited = child === undefined ? undefined : editDocument(child, rest, edit);
  if (edited === undefined) return undefined;
  const replaced: Edit = { kind: "replace", value: edited };
  return isJsonArray(document) ? editList(document, key, replaced) : editMember(document, key, replaced);
}

function memberOf(container: JsonValue, key: string): JsonValue | undefined {
  if (isJsonArray(container)) return INDEX.test(key) ? container[Number(key)] : undefined;
  return isJsonObject(container) && Object.hasOwn(container, key) ? container[key] : undefined;
}

function editMember(container: JsonValue, key: string, edit: Edit): JsonObject | undefined {
  if (!isJsonObject(container)) return undefined;
  if (edit.kind !== "add" && !Object.hasOwn(container, key)) return undefined;
  if (edit.kind !== "remove") return { ...container, [key]: edit.value };
  const { [key]: _removed, ...others } = container;
  return others;
}

function editList(items: readonly JsonValue[], key: string, edit: Edit): readonly JsonValue[] | undefined {
  const isInsert = edit.kind === "add";
  const index = isInsert && key === "-" ? items.length : INDEX.test(key) ? Number(key) : -1;
  if (index < 0 || index > items.length || (index === items.length && !isInsert)) return undefined;
  return items.toSpliced(index, isInsert ? 0 : 1, ...(edit.kind === "remove" ? [] : [edit.value]));
}
