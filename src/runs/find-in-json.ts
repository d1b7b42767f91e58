/**
 * Searches a JSON value in document order and says where the first hit stands.
 *
 * In: a value, a test. Out: an RFC 6901 pointer and what the test said. The pointer is put together only on the way back
 * from a hit: written down on the way in, it was most of the cost for a manifest of 10 000 steps.
 */
import type { JsonObject, JsonValue } from "../core/json.ts";
import { pointerToken } from "../core/pointer-token.ts";

export interface Hit<R> {
  readonly path: string;
  readonly hit: R;
}

/** The first value, parents before children, for which `test` gives something; `key` is its name in its object. */
export function findInJson<R>(
  value: JsonValue,
  test: (value: JsonValue, key: string | undefined) => R | undefined,
  key?: string,
): Hit<R> | undefined {
  const own = test(value, key);
  if (own !== undefined) return { path: "", hit: own };
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = findInJson(value[index] as JsonValue, test);
      if (found !== undefined) return { path: `/${index}${found.path}`, hit: found.hit };
    }
    return undefined;
  }
  const object = value as JsonObject;
  for (const name of Object.keys(object)) {
    const found = findInJson(object[name] as JsonValue, test, name);
    if (found !== undefined) return { path: `/${pointerToken(name)}${found.path}`, hit: found.hit };
  }
  return undefined;
}
