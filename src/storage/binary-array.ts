/**
 * Arrays as PostgreSQL takes them in binary (src/backend/utils/adt/arrayfuncs.c, array_recv): one parameter a column.
 *
 * A hundred texts of 2 KB cost a copy each; as text, each quote and backslash would be escaped here and read there.
 * In: values, undefined for null. Out: the parameter's bytes. Not here: which columns there are.
 */
import { StepgateError } from "../core/errors.ts";

/** Object ids of built-in types (pg_type.dat; fixed for ever). */
const OIDS = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25, json: 114, uuid: 2950, jsonb: 3802 } as const;
const HEADER_BYTES = 20;
const NULL = 0xff_ff_ff_ff;
/** The only version of the binary form of jsonb: its text follows. */
const JSONB_VERSION = 1;

export type Values<T> = readonly (T | null | undefined)[];

export function textArray(values: Values<string>): Uint8Array {
  return ofTexts(OIDS.text, values, 0);
}

/** Texts of JSON that are kept as they are: they are checked, which takes a third of the time that taking them apart does. */
export function jsonArray(values: Values<string>): Uint8Array {
  return ofTexts(OIDS.json, values, 0);
}

/** Texts of JSON that the database reads. */
export function jsonbArray(values: Values<string>): Uint8Array {
  return ofTexts(OIDS.jsonb, values, 1);
}

/** @throws {StepgateError} INTERNAL for a text that is no UUID. */
export function uuidArray(values: Values<string>): Uint8Array {
  return ofSize(OIDS.uuid, values, 16, (buffer, value, at) => {
    const hex = value.replaceAll("-", "");
    if (hex.length !== 32 || buffer.write(hex, at, "hex") !== 16) {
      throw new StepgateError("INTERNAL", { reason: "not a UUID" });
    }
  });
}

export function int4Array(values: Values<number>): Uint8Array {
  return ofSize(OIDS.int4, values, 4, (buffer, value, at) => buffer.writeInt32BE(value, at));
}

/** Safe integers. */
export function int8Array(values: Values<number>): Uint8Array {
  return ofSize(OIDS.int8, values, 8, (buffer, value, at) => buffer.writeBigInt64BE(BigInt(value), at));
}

export function boolArray(values: Values<boolean>): Uint8Array {
  return ofSize(OIDS.bool, values, 1, (buffer, value, at) => buffer.writeUInt8(value ? 1 : 0, at));
}

export function byteaArray(values: Values<Uint8Array>): Uint8Array {
  let size = HEADER_BYTES;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const buffer = begin(OIDS.bytea, values.length, size);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === undefined || value === null) {
      at = buffer.writeUInt32BE(NULL, at);
      continue;
    }
    at = buffer.writeUInt32BE(value.length, at);
    buffer.set(value, at);
    at += value.length;
  }
  return buffer;
}

function ofTexts(oid: number, values: Values<string>, prefixBytes: 0 | 1): Uint8Array {
  let size = HEADER_BYTES;
  const lengths: number[] = [];
  for (const value of values) {
    const length = value === undefined || value === null ? 0 : Buffer.byteLength(value);
    lengths.push(length);
    size += 4 + prefixBytes + length;
  }
  const buffer = begin(oid, values.length, size);
  let at = HEADER_BYTES;
  for (const [index, value] of values.entries()) {
    const length = lengths[index] ?? 0;
    if (value === undefined || value === null) {
      at = buffer.writeUInt32BE(NULL, at);
      continue;
    }
    at = buffer.writeUInt32BE(length + prefixBytes, at);
    if (prefixBytes === 1) at = buffer.writeUInt8(JSONB_VERSION, at);
    // an ASCII text, as almost all are, is copied without looking at its characters again
    at += buffer.write(value, at, length === value.length ? "latin1" : "utf8");
  }
  return buffer.subarray(0, at);
}

function ofSize<T>(
  oid: number,
  values: Values<T>,
  bytes: number,
  write: (buffer: Buffer, value: T, at: number) => void,
): Uint8Array {
  const buffer = begin(oid, values.length, HEADER_BYTES + values.length * (4 + bytes));
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === undefined || value === null) {
      at = buffer.writeUInt32BE(NULL, at);
      continue;
    }
    at = buffer.writeUInt32BE(bytes, at);
    write(buffer, value, at);
    at += bytes;
  }
  return buffer.subarray(0, at);
}

/** One dimension, from 1; an empty array has none, but a dimension of length 0 is read as one too. */
function begin(oid: number, length: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(length, 12);
  buffer.writeInt32BE(1, 16);
  return length === 0 ? buffer.subarray(0, 12) : buffer;
}
