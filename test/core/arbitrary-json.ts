/** Random JSON values as strict parsing lets them in: no `__proto__`, no U+0000, no lone surrogate, no negative zero. */
import fc from "fast-check";
import type { JsonValue } from "../../src/core/json.ts";

const anyText = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.string({ unit: fc.constantFrom(...'ab01~/"\\\n\r\u0001\u007f'), maxLength: 6 }),
  )
  .filter((text) => text !== "__proto__" && !text.includes("\u0000"));

const anyNumber = fc
  .oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((number) => (Object.is(number, -0) ? 0 : number));

export const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    anyNumber,
    anyText,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(anyText, tie("value"), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;

/** The same value with the members of every object in another order. */
export function reversedMembers(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(reversedMembers);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversedMembers(member)]),
  );
}
