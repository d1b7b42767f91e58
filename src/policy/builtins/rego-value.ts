/**
 * Rego values outside the module: what crosses to builtins that OPA's compiler leaves to the host.
 *
 * In: value literals as `opa_value_dump` writes them (JSON, sets as `{1, 2}` and `set()`, any value as a key, numbers
 * with all their digits). Out: values, and literals that `opa_value_parse` reads. Not here: what builtins do.
 */
import { goQuote } from "./go-quote.ts";

export type RegoValue = null | boolean | string | RegoNumber | readonly RegoValue[] | RegoSet | RegoObject;

/** A number as its literal: integers beyond 2^53 and decimals keep every digit. */
export class RegoNumber {
  readonly literal: string;
  constructor(literal: string | number | bigint) {
    this.literal = String(literal);
  }
}

/** Elements in no particular order: the module iterates by hash. */
export class RegoSet {
  readonly elements: readonly RegoValue[];
  constructor(elements: readonly RegoValue[]) {
    this.elements = elements;
  }
}

export class RegoObject {
  readonly entries: readonly (readonly [RegoValue, RegoValue])[];
  constructor(entries: readonly (readonly [RegoValue, RegoValue])[]) {
    this.entries = entries;
  }
}

/** A literal that does not parse means that module and host no longer understand each other. */
export class LiteralError extends Error {
  override readonly name = "LiteralError";
}

const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
/** Beyond every exponent that the module parses; only keeps sizes on their side of zero. */
const MAX_EXPONENT = 2 ** 40;
const SPACE = /[ \n\r\t]*/y;

/** Reads one literal. @throws {LiteralError} when the text is not one. */
export function parseLiteral(text: string): RegoValue {
  const reader = new LiteralReader(text);
  const value = reader.value();
  reader.end();
  return value;
}

/** Writes a value for `opa_value_parse`. */
export function writeLiteral(value: RegoValue): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (value instanceof RegoNumber) return value.literal;
  if (value instanceof RegoSet) {
    return value.elements.length === 0 ? "set()" : `{${value.elements.map(writeLiteral).join(",")}}`;
  }
  if (value instanceof RegoObject) {
    return `{${value.entries.map(([key, item]) => `${writeLiteral(key)}:${writeLiteral(item)}`).join(",")}}`;
  }
  return `[${value.map(writeLiteral).join(",")}]`;
}

/** A value as Rego prints it: sets and objects in Rego's order, strings quoted as in Go (`ast.Value.String`). */
export function regoText(value: RegoValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return goQuote(value);
  if (value instanceof RegoNumber) return value.literal;
  if (value instanceof RegoSet) {
    const elements = [...value.elements].sort(compareValues);
    return elements.length === 0 ? "set()" : `{${elements.map(regoText).join(", ")}}`;
  }
  if (value instanceof RegoObject) {
    const entries = [...value.entries].sort(([a], [b]) => compareValues(a, b));
    return `{${entries.map(([key, item]) => `${regoText(key)}: ${regoText(item)}`).join(", ")}}`;
  }
  return `[${value.map(regoText).join(", ")}]`;
}

/** Rego's order: null < booleans < numbers < strings (by UTF-8 bytes) < arrays < objects < sets (`ast.Compare`). */
export function compareValues(a: RegoValue, b: RegoValue): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof RegoNumber && b instanceof RegoNumber) return compareNumbers(a.literal, b.literal);
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b);
  if (a instanceof RegoSet && b instanceof RegoSet) return compareLists(sorted(a.elements), sorted(b.elements));
  if (a instanceof RegoObject && b instanceof RegoObject) return compareObjects(a, b);
  return 0;
}

function rankOf(value: RegoValue): number {
  if (value === null) return 0;
  if (typeof value === "boolean") return 1;
  if (value instanceof RegoNumber) return 2;
  if (typeof value === "string") return 3;
  if (value instanceof RegoObject) return 5;
  return value instanceof RegoSet ? 6 : 4;
}

function sorted(values: readonly RegoValue[]): readonly RegoValue[] {
  return [...values].sort(compareValues);
}

function compareLists(a: readonly RegoValue[], b: readonly RegoValue[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const order = compareValues(a[index] ?? null, b[index] ?? null);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Keys are compared before values, pair by pair, in the order of keys. */
function compareObjects(a: RegoObject, b: RegoObject): number {
  const byKey = (object: RegoObject) => [...object.entries].sort(([x], [y]) => compareValues(x, y));
  const [left, right] = [byKey(a), byKey(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = compareLists(left[index] ?? [], right[index] ?? []);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareNumbers(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (x !== y && Number.isFinite(x) && Number.isFinite(y)) return x - y;
  const [left, right] = [scaled(a), scaled(b)];
  // equal as doubles does not mean equal; but 1e999999999 must not become a number of a billion digits
  const bySize = sizeOf(left) - sizeOf(right);
  if (bySize !== 0) return bySize;
  const power = Math.min(left.power, right.power);
  const difference =
    left.digits * 10n ** BigInt(left.power - power) - right.digits * 10n ** BigInt(right.power - power);
  return difference < 0n ? -1 : Number(difference > 0n);
}

/** Sign and power of ten of the first digit: orders numbers that differ in it. */
function sizeOf({ digits, power }: { readonly digits: bigint; readonly power: number }): number {
  if (digits === 0n) return 0;
  const isNegative = digits < 0n;
  const magnitude = String(digits).length - (isNegative ? 1 : 0) + power;
  // moved away from zero, so that 0.001 is not taken for a negative number
  return (isNegative ? -1 : 1) * (magnitude + MAX_EXPONENT);
}

function scaled(literal: string): { readonly digits: bigint; readonly power: number } {
  const [mantissa = "0", exponent = "0"] = literal.toLowerCase().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), power: Number(exponent) - fraction.length };
}

class LiteralReader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  value(): RegoValue {
    this.take(SPACE);
    switch (this.text[this.at]) {
      case '"':
        return JSON.parse(this.need(STRING)) as string;
      case "[":
        return this.list("[", "]", () => this.value());
      case "{":
        return this.setOrObject();
      case "n":
        return this.word("null", null);
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "s":
        return this.word("set()", new RegoSet([]));
      default:
        return new RegoNumber(this.need(NUMBER));
    }
  }

  end(): void {
    this.take(SPACE);
    if (this.at !== this.text.length) throw new LiteralError("text after the value");
  }

  private setOrObject(): RegoValue {
    const entries: (readonly [RegoValue, RegoValue])[] = [];
    const elements = this.list("{", "}", () => {
      const first = this.value();
      this.take(SPACE);
      if (this.text[this.at] === ":") {
        this.at += 1;
        entries.push([first, this.value()]);
      }
      return first;
    });
    if (entries.length === elements.length) return new RegoObject(entries);
    if (entries.length === 0) return new RegoSet(elements);
    throw new LiteralError("neither set nor object");
  }

  private list(open: string, close: string, read: () => RegoValue): RegoValue[] {
    const items: RegoValue[] = [];
    this.word(open, null);
    this.take(SPACE);
    while (this.text[this.at] !== close) {
      if (items.length > 0) this.word(",", null);
      items.push(read());
      this.take(SPACE);
    }
    this.at += 1;
    return items;
  }

  private word<Value>(word: string, value: Value): Value {
    if (!this.text.startsWith(word, this.at)) throw new LiteralError(`no ${word}`);
    this.at += word.length;
    return value;
  }

  private need(pattern: RegExp): string {
    const found = this.take(pattern);
    if (found === "") throw new LiteralError("no value");
    return found;
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }
}
