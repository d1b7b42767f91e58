/**
 * How column values become JavaScript values, per pool: nothing global is changed.
 *
 * int8 is a number or refused; json and jsonb stay text, so that the strict parser reads them; bytea is a Buffer; the rest
 * is the driver's. Not here: the shape of rows (each store's own).
 */
import pg from "pg";
import { StepgateError } from "../core/errors.ts";

/** Object ids of built-in types and of their arrays (pg_type.dat; fixed for ever). */
const INT8 = 20;
const INT8_ARRAY = 1016;
const JSON_TYPE = 114;
const JSON_ARRAY = 199;
const JSONB = 3802;
const JSONB_ARRAY = 3807;
const TEXT_ARRAY: number = 1009;

type Parse = (text: string) => unknown;

const asText: Parse = (text) => text;
const asTextArray: Parse = pg.types.getTypeParser(TEXT_ARRAY, "text");

const PARSERS: ReadonlyMap<number, Parse> = new Map([
  [INT8, exactInteger],
  [INT8_ARRAY, (text) => mapNested(asTextArray(text), exactInteger)],
  [JSON_TYPE, asText],
  [JSONB, asText],
  [JSON_ARRAY, asTextArray],
  [JSONB_ARRAY, asTextArray],
]);

/** For the driver's `types` option. */
export const ROW_TYPES: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    (format !== "binary" && PARSERS.get(oid)) || pg.types.getTypeParser(oid, format),
};

/** @throws {StepgateError} STORE_REFUSED beyond 2^53 − 1: no column of ours may hold such a number (spec 00, numbers). */
function exactInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new StepgateError("STORE_REFUSED", { reason: "an integer is beyond 2^53" });
  return value;
}

function mapNested(value: unknown, map: (text: string) => number): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => mapNested(item, map));
  return typeof value === "string" ? map(value) : value;
}
