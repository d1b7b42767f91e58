import fc from "fast-check";
import t from "tap";
import {
  boolArray,
  byteaArray,
  int4Array,
  int8Array,
  jsonArray,
  jsonbArray,
  textArray,
  uuidArray,
} from "../../src/storage/binary-array.ts";
import type { SqlValue } from "../../src/storage/prepare.ts";
import { openTestDatabase } from "./test-database.ts";

const orNull = <T>(values: fc.Arbitrary<T>) => fc.array(fc.option(values, { nil: undefined }), { maxLength: 20 });
const text = fc.string({ unit: "binary" }).map((any) => any.replaceAll("\u0000", ""));

t.test("PostgreSQL reads each array as the values it was made of, nulls and the empty one too", async (t) => {
  const { pool } = await openTestDatabase(t);
  const read = async (type: string, array: Uint8Array): Promise<readonly unknown[]> => {
    const { rows } = await pool.query<{ read: readonly unknown[] }>(`select $1::${type}[] as read`, [
      array as SqlValue,
    ]);
    return rows[0]?.read ?? [];
  };
  const asNull = <T>(values: readonly (T | undefined)[]) => values.map((value) => value ?? null);
  const kinds = [
    ["text", orNull(text), textArray, (value: string) => value],
    ["uuid", orNull(fc.uuid()), uuidArray, (value: string) => value],
    ["int4", orNull(fc.integer()), int4Array, (value: number) => value],
    ["int8", orNull(fc.maxSafeInteger()), int8Array, (value: number) => value],
    ["bool", orNull(fc.boolean()), boolArray, (value: boolean) => value],
    ["bytea", orNull(fc.uint8Array()), byteaArray, (value: Uint8Array) => Buffer.from(value)],
  ] as const;
  for (const [type, values, encode, expected] of kinds) {
    await fc.assert(
      fc.asyncProperty(values, async (given) => {
        const back = await read(type, (encode as (values: readonly unknown[]) => Uint8Array)(given));
        t.strictSame(
          back,
          asNull(
            given.map((value) => (value === undefined ? undefined : (expected as (value: unknown) => unknown)(value))),
          ),
        );
      }),
      { numRuns: 20 },
    );
  }
  const documents = [{ a: [1, "ü"] }, null, "text"].map((value) => JSON.stringify(value));
  const back = await read("jsonb", jsonbArray([...documents, undefined]));
  t.strictSame(
    back.map((each) => (each === null ? null : JSON.parse(String(each)))),
    [{ a: [1, "ü"] }, null, "text", null],
  );
  t.strictSame(await read("json", jsonArray([...documents, undefined])), [...documents, null], "to the letter");
});

t.test("a text that is no UUID is refused here, not cut short", async (t) => {
  for (const wrong of ["", "0190", "0190g000-0000-7000-8000-000000000000"]) {
    t.throws(() => uuidArray([wrong]), { code: "INTERNAL" });
  }
});
