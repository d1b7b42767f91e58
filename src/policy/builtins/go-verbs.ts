/**
 * One value under one verb, as Go's fmt writes it: flags, width and precision applied.
 *
 * In: an argument of sprintf, the directive that was read. Out: its text, or Go's complaint about the verb.
 * Not here: reading formats (go-format.ts), digits of doubles (go-float.ts).
 */
import { type FloatVerb, goFloat } from "./go-float.ts";
import { canBackquote, goQuote, goQuoteRune, isPrintable, runeText } from "./go-quote.ts";

export type GoArgument =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "int64"; readonly value: bigint }
  | { readonly type: "*big.Int"; readonly value: bigint }
  | { readonly type: "float64"; readonly value: number };

export interface Directive {
  sharp: boolean;
  zero: boolean;
  plus: boolean;
  minus: boolean;
  space: boolean;
  width: number | undefined;
  precision: number | undefined;
}

const BASES: Readonly<Record<string, 2 | 8 | 10 | 16>> = { b: 2, o: 8, O: 8, d: 10, v: 10, x: 16, X: 16 };

/** A directive without flags. */
export function plain(): Directive {
  return { sharp: false, zero: false, plus: false, minus: false, space: false, width: undefined, precision: undefined };
}

/** Formats one argument; a verb that its type does not have gives Go's `%!verb(type=value)`. */
export function formatValue(value: GoArgument, verb: string, directive: Directive): string {
  if (verb === "T") return formatString(value.type, "s", directive) ?? "";
  // of %#v and %#w, %+v and %+w the flags mean Go syntax and field names, not the number's or string's own
  const flags = verb === "v" || verb === "w" ? { ...directive, sharp: false, plus: false } : directive;
  const isGoSyntax = flags !== directive && directive.sharp;
  const formatted = formatKnown(value, verb, { flags, asked: directive, isGoSyntax });
  if (formatted !== undefined) return formatted;
  if (value.type === "*big.Int" && verb !== "w") return `%!${verb}(big.Int=${value.value})`;
  return `%!${verb}(${value.type}=${formatKnown(value, "v", { flags, asked: directive, isGoSyntax }) ?? ""})`;
}

interface Flags {
  readonly flags: Directive;
  /** As written; a Formatter like big.Int sees these. */
  readonly asked: Directive;
  readonly isGoSyntax: boolean;
}

/** Undefined for a verb that this type does not have. */
function formatKnown(value: GoArgument, verb: string, { flags, asked, isGoSyntax }: Flags): string | undefined {
  switch (value.type) {
    case "string":
      return formatString(value.value, verb === "v" && isGoSyntax ? "q" : verb, flags);
    case "int64":
      return formatInteger(value.value, verb, flags);
    case "*big.Int":
      return formatBig(value.value, verb, asked);
    case "float64":
      return formatFloat(value.value, verb, flags);
  }
}

function formatString(text: string, verb: string, directive: Directive): string | undefined {
  const cut = () => (directive.precision === undefined ? text : [...text].slice(0, directive.precision).join(""));
  switch (verb) {
    case "v":
    case "s":
      return pad(cut(), directive);
    case "q":
      return pad(directive.sharp && canBackquote(cut()) ? `\`${cut()}\`` : goQuote(cut(), directive.plus), directive);
    case "x":
    case "X":
      return hexBytes(text, verb, directive);
    default:
      return undefined;
  }
}

function hexBytes(text: string, verb: "x" | "X", directive: Directive): string {
  const bytes = Buffer.from(text).subarray(0, directive.precision);
  const prefix = directive.sharp ? "0x" : "";
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  const joined = directive.space ? pairs.map((pair) => prefix + pair).join(" ") : prefix + pairs.join("");
  const hex = bytes.length === 0 ? "" : joined;
  return pad(verb === "X" ? hex.toUpperCase() : hex, directive);
}

function formatInteger(value: bigint, verb: string, directive: Directive): string | undefined {
  const spaced = { ...directive, zero: false };
  if (verb === "c") return pad(runeText(BigInt.asUintN(64, value)), directive);
  if (verb === "q") return pad(goQuoteRune(BigInt.asUintN(64, value), directive.plus), directive);
  if (verb === "U") return pad(unicodeText(BigInt.asUintN(64, value), directive), spaced);
  const base = BASES[verb];
  if (base === undefined) return undefined;
  const isSigned = value < 0n || directive.plus || directive.space;
  let places = directive.precision ?? 0;
  if (directive.precision === 0 && value === 0n) return " ".repeat(directive.width ?? 0);
  if (directive.precision === undefined && directive.zero && !directive.minus && directive.width !== undefined) {
    places = directive.width - (isSigned ? 1 : 0);
  }
  const digits = digitsOf(value, base, verb).padStart(places, "0");
  let prefix = "";
  if (directive.sharp) prefix = sharpPrefix(digits, base, verb);
  if (verb === "O") prefix = `0o${prefix}`;
  return pad(signOf(value < 0n, directive) + prefix + digits, spaced);
}

function sharpPrefix(digits: string, base: 2 | 8 | 10 | 16, verb: string): string {
  if (base === 8) return digits.startsWith("0") ? "" : "0";
  if (base === 10) return "";
  return base === 2 ? "0b" : `0${verb}`;
}

function unicodeText(value: bigint, { sharp, precision }: Directive): string {
  const code = `U+${value
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(precision ?? 4, 4), "0")}`;
  const character = runeText(value);
  const isCharacter = BigInt(character.codePointAt(0) ?? 0) === value;
  return sharp && isCharacter && isPrintable(character) ? `${code} '${character}'` : code;
}

/** math/big has a Formatter of its own, which pads by other rules. */
function formatBig(value: bigint, verb: string, directive: Directive): string | undefined {
  const base = verb === "s" ? 10 : BASES[verb];
  if (base === undefined) return undefined;
  const digits = digitsOf(value, base, verb);
  const prefixes: Readonly<Record<string, string>> = directive.sharp ? { b: "0b", o: "0", x: "0x", X: "0X" } : {};
  const prefix = verb === "O" ? "0o" : (prefixes[verb] ?? "");
  const sign = signOf(value < 0n, directive);
  const padded = digits.padStart(directive.precision ?? 0, "0");
  const missing = (directive.width ?? 0) - (sign.length + prefix.length + padded.length);
  if (missing <= 0) return sign + prefix + padded;
  if (directive.minus) return sign + prefix + padded + " ".repeat(missing);
  if (directive.zero && directive.precision === undefined) return sign + prefix + "0".repeat(missing) + padded;
  return " ".repeat(missing) + sign + prefix + padded;
}

function formatFloat(value: number, verb: string, directive: Directive): string | undefined {
  const form = { v: "g", F: "f", f: "f", e: "e", E: "E", g: "g", G: "G", b: "b", x: "x", X: "X" }[verb];
  if (form === undefined) return undefined;
  const precision = directive.precision ?? ("eEfF".includes(verb) ? 6 : -1);
  const text = goFloat(value, form as FloatVerb, precision);
  const isNegative = text.startsWith("-");
  let digits = isNegative ? text.slice(1) : text;
  if (directive.sharp && form !== "b") digits = sharpFloat(digits, form, precision);
  const sign = signOf(isNegative, directive);
  const { width, zero, minus } = directive;
  // the sign stands before the zeros
  if (sign !== "" && zero && !minus && width !== undefined) return sign + digits.padStart(width - 1, "0");
  return pad(sign + digits, directive);
}

/** `#` forces a decimal point and keeps trailing zeros (fmt.fmtFloat). */
function sharpFloat(text: string, form: string, precision: number): string {
  const tailAt = text.search(form === "x" || form === "X" ? /[pP]/ : /[eEpP]/);
  const number = tailAt < 0 ? text : text.slice(0, tailAt);
  let missing = "gGx".includes(form) ? (precision === -1 ? 6 : precision) : 0;
  missing -= number.replace(".", "").replace(/^0+/, "").length;
  const hasPoint = number.includes(".");
  if (!hasPoint && number === "0") missing -= 1;
  return `${number}${hasPoint ? "" : "."}${"0".repeat(Math.max(missing, 0))}${tailAt < 0 ? "" : text.slice(tailAt)}`;
}

function digitsOf(value: bigint, base: number, verb: string): string {
  const digits = (value < 0n ? -value : value).toString(base);
  return verb === "X" ? digits.toUpperCase() : digits;
}

function signOf(isNegative: boolean, { plus, space }: Directive): string {
  if (isNegative) return "-";
  if (plus) return "+";
  return space ? " " : "";
}

/** To the width, counted in characters; zeros only on the left. */
function pad(text: string, { width, minus, zero }: Directive): string {
  if (width === undefined) return text;
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (minus) return text + " ".repeat(missing);
  return (zero ? "0" : " ").repeat(missing) + text;
}
