/**
 * Strict JSON: the one parser for everything that comes from outside (requests, executor results, pack results, tokens).
 *
 * Refuses what JSON.parse lets pass and what other parsers read differently: duplicate keys, U+0000, lone surrogates,
 * `__proto__`, deep nesting, numbers that change when read as a double (spec 00, numbers). Not here: writing.
 */
import { StepgateError } from "./errors.ts";
import type { JsonValue } from "./json.ts";

export interface ParseLimits {
  /** Deepest nesting of arrays and objects; the top value has depth 1. */
  readonly maxDepth: number;
}

const DEFAULT_LIMITS: ParseLimits = { maxDepth: 64 };
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters end a plain run of string text (RFC 8259 §7)
const PLAIN_TEXT = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/**
 * Parses one JSON text, or refuses it whole.
 *
 * @throws {StepgateError} JSON_INVALID with `reason` and `offset` (UTF-16 units), NUMBER_NOT_EXACT with `offset`.
 */
export function parseJson(text: string | Uint8Array, limits: ParseLimits = DEFAULT_LIMITS): JsonValue {
  return new StrictParser(typeof text === "string" ? text : decodeUtf8(text), limits.maxDepth).parse();
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new StepgateError("JSON_INVALID", { reason: "not UTF-8", offset: 0 }, { cause });
  }
}

class StrictParser {
  private position = 0;
  private readonly text: string;
  private readonly maxDepth: number;

  constructor(text: string, maxDepth: number) {
    this.text = text;
    this.maxDepth = maxDepth;
  }

  parse(): JsonValue {
    this.skipSpace();
    const value = this.value(1);
    this.skipSpace();
    if (this.position < this.text.length) this.refuse("text after the value");
    return value;
  }

  private value(depth: number): JsonValue {
    switch (this.text[this.position]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  private object(depth: number): JsonValue {
    this.enter(depth);
    const object: Record<string, JsonValue> = {};
    if (this.closes("}")) return object;
    for (;;) {
      if (this.text[this.position] !== '"') this.refuse("a key is missing");
      const key = this.string();
      if (key === "__proto__") this.refuse("forbidden key");
      if (Object.hasOwn(object, key)) this.refuse("duplicate key");
      this.skipSpace();
      if (this.text[this.position] !== ":") this.refuse("a colon is missing");
      this.position += 1;
      this.skipSpace();
      object[key] = this.value(depth + 1);
      if (this.next("}")) return object;
    }
  }

  private array(depth: number): JsonValue {
    this.enter(depth);
    const items: JsonValue[] = [];
    if (this.closes("]")) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.next("]")) return items;
    }
  }

  private enter(depth: number): void {
    if (depth > this.maxDepth) this.refuse("nested too deeply");
    this.position += 1;
    this.skipSpace();
  }

  private closes(bracket: string): boolean {
    if (this.text[this.position] !== bracket) return false;
    this.position += 1;
    return true;
  }

  /** After a member: true at the closing bracket, false after a comma. */
  private next(bracket: string): boolean {
    this.skipSpace();
    if (this.closes(bracket)) return true;
    if (this.text[this.position] !== ",") this.refuse("a comma is missing");
    this.position += 1;
    this.skipSpace();
    return false;
  }

  private string(): string {
    this.position += 1;
    let value = "";
    for (;;) {
      PLAIN_TEXT.lastIndex = this.position;
      const plain = PLAIN_TEXT.exec(this.text)?.[0] ?? "";
      value += plain;
      this.position += plain.length;
      const stop = this.text[this.position];
      if (stop === '"') break;
      if (stop !== "\\") this.refuse(stop === undefined ? "a string does not end" : "control character in a string");
      value += this.escape();
    }
    this.position += 1;
    if (value.includes("\u0000")) this.refuse("U+0000");
    if (!value.isWellFormed()) this.refuse("lone surrogate");
    return value;
  }

  private escape(): string {
    const letter = this.text[this.position + 1] ?? "";
    if (letter === "u") {
      const hex = this.text.slice(this.position + 2, this.position + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.refuse("bad escape");
      this.position += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const value = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (value === undefined) return this.refuse("bad escape");
    this.position += 2;
    return value;
  }

  private word(word: string, value: JsonValue): JsonValue {
    if (!this.text.startsWith(word, this.position)) this.refuse("unknown word");
    this.position += word.length;
    return value;
  }

  private number(): number {
    NUMBER.lastIndex = this.position;
    const literal = NUMBER.exec(this.text)?.[0];
    if (literal === undefined)
      return this.refuse(this.position < this.text.length ? "unexpected character" : "no value");
    const value = Number(literal);
    if (!isExact(literal, value)) throw new StepgateError("NUMBER_NOT_EXACT", { offset: this.position });
    this.position += literal.length;
    return Object.is(value, -0) ? 0 : value;
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.position += 1;
    }
  }

  private refuse(reason: string): never {
    throw new StepgateError("JSON_INVALID", { reason, offset: this.position });
  }
}

/** True when the double's shortest form names the same decimal number as the literal (0.1 yes; 2^53 + 1, 1e400 no). */
function isExact(literal: string, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  if (literal.length < 16 && /^-?[0-9]+$/.test(literal)) return true;
  return decimal(literal) === decimal(String(value));
}

/** A decimal literal as sign, digits without outer zeros, and power of ten: equal texts are equal numbers. */
function decimal(literal: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(literal);
  if (match === null) return literal;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}
