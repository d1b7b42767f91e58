/**
 * Canonical JSON (RFC 8785): one text for one value, so that digests and signatures mean the value.
 *
 * In: values that passed strict parsing. Out: text whose UTF-8 bytes are hashed. Not here: parsing (parse-json.ts).
 */
import { createHash } from "node:crypto";
import { StepgateError } from "./errors.ts";
import type { Digest } from "./ids.ts";
import type { JsonValue } from "./json.ts";

/**
 * Writes a value in canonical form: keys sorted by UTF-16 code units, shortest numbers, no white space (RFC 8785 §3.2).
 *
 * @throws {StepgateError} JSON_INVALID for numbers that are not finite, lone surrogates, and anything that is not JSON.
 */
export function canonicalJson(value: JsonValue): string {
  switch (typeof value) {
    case "string":
      return canonicalString(value);
    case "number":
      if (!Number.isFinite(value)) throw new StepgateError("JSON_INVALID", { reason: "number is not finite" });
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value)
        ? canonicalArray(value)
        : canonicalObject(value as { readonly [key: string]: JsonValue });
    default:
      throw new StepgateError("JSON_INVALID", { reason: `a ${typeof value} is not JSON` });
  }
}

/** Lower-case hex SHA-256 of the canonical form. */
export function canonicalDigest(value: JsonValue): Digest {
  return sha256Hex(canonicalJson(value));
}

/** Lower-case hex SHA-256 of bytes, or of a text's UTF-8 bytes. */
export function sha256Hex(data: string | Uint8Array): Digest {
  return createHash("sha256").update(data).digest("hex") as Digest;
}

function canonicalString(text: string): string {
  // JSON.stringify escapes lone surrogates instead of failing; RFC 8785 §3.2.2.2 demands an error
  if (!text.isWellFormed()) throw new StepgateError("JSON_INVALID", { reason: "lone surrogate" });
  return JSON.stringify(text);
}

function canonicalArray(items: readonly JsonValue[]): string {
  let text = "[";
  for (let index = 0; index < items.length; index += 1) {
    if (index > 0) text += ",";
    text += canonicalJson(items[index] as JsonValue);
  }
  return `${text}]`;
}

function canonicalObject(object: { readonly [key: string]: JsonValue }): string {
  let text = "{";
  let separator = "";
  for (const key of Object.keys(object).sort()) {
    const value = object[key];
    // an absent optional field, as TypeScript objects have them, is not a member
    if (value === undefined) continue;
    text += `${separator}${canonicalString(key)}:${canonicalJson(value)}`;
    separator = ",";
  }
  return `${text}}`;
}
