/**
 * The form of what stands in a token: small checks over parsed JSON, each of which narrows the type.
 *
 * Not here: what the values mean (read-claims.ts, read-scope.ts, constraint.ts).
 */
export type UnknownRecord = Readonly<Record<string, unknown>>;

/** An object with all `required` fields, and none that is neither among them nor `optional`. */
export function hasFields(
  value: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): value is UnknownRecord {
  return (
    isRecord(value) &&
    required.every((name) => Object.hasOwn(value, name)) &&
    Object.keys(value).every((name) => required.includes(name) || optional.includes(name))
  );
}

export function isRecord(value: unknown): value is UnknownRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArrayOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isItem);
}

/** A text with at least one character. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** An integer from 0 to 2^53 − 1. */
export function isCount(value: unknown): value is number {
  return isInteger(value) && value >= 0;
}

/** Whether every number in a parsed value is an integer within 2^53 − 1 (design §5). */
export function hasOnlyIntegers(value: unknown): boolean {
  if (typeof value === "number") return isInteger(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(hasOnlyIntegers);
}
