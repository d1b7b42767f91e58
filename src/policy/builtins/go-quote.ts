/**
 * Go's quoted strings and characters (`strconv.Quote`, `QuoteToASCII`, `QuoteRune`, `CanBackquote`).
 *
 * Printable is what Unicode calls letter, mark, number, punctuation or symbol, and the ASCII space (`strconv.IsPrint`).
 * Characters newer than Go's Unicode tables may print here and be escaped there; nothing else differs.
 */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const NAMED: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\u000b": "\\v",
};
/** Most strings of policies: nothing to escape, and no need to look at every character. */
const PLAIN = /^[ !#-[\]-~]*$/;
const MAX_CODE_POINT = 0x10ffff;

/** A Go string constant in double quotes; everything but printable ASCII escaped if asked for. */
export function goQuote(text: string, asciiOnly = false): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return `"${[...text].map((character) => escaped(character, '"', asciiOnly)).join("")}"`;
}

/** A Go character constant in single quotes. */
export function goQuoteRune(codePoint: bigint, asciiOnly = false): string {
  return `'${escaped(runeText(codePoint), "'", asciiOnly)}'`;
}

/** The character of a code point; U+FFFD for what is none. */
export function runeText(codePoint: bigint): string {
  const isSurrogate = codePoint >= 0xd800n && codePoint <= 0xdfffn;
  if (codePoint < 0n || codePoint > BigInt(MAX_CODE_POINT) || isSurrogate) return "\ufffd";
  return String.fromCodePoint(Number(codePoint));
}

/** Tells whether the text can stand between backquotes unchanged. */
export function canBackquote(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters but tab cannot be backquoted (strconv)
  return !/[\u0000-\u0008\u000a-\u001f`\u007f\ufeff]/.test(text);
}

/** Tells whether Go prints the character as it is. */
export function isPrintable(character: string): boolean {
  return PRINTABLE.test(character);
}

function escaped(character: string, quote: string, asciiOnly: boolean): string {
  if (character === quote || character === "\\") return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  if (isPrintable(character) && (!asciiOnly || code < 0x80)) return character;
  const named = NAMED[character];
  if (named !== undefined) return named;
  const hex = (digits: number) => code.toString(16).padStart(digits, "0");
  if (code < 0x20 || code === 0x7f) return `\\x${hex(2)}`;
  return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}
