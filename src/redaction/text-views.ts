/**
 * A text as it reads once an encoding is taken off, with the way back to the characters of the original.
 *
 * In: a text. Out: views of it. Escapes are taken off as often as they nest, up to three times; where something came from is
 * worked out only when it is asked for. Not here: what is looked for in them (mask-secrets.ts).
 */

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface TextView {
  readonly text: string;
  /** Where in the original the characters from `at` on come from; at least one. */
  readonly rangeOf: (at: number, length: number) => Range;
}

const MAX_NESTED = 3;
const NAMED: Readonly<Record<string, string>> = { amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' };
const SHORT: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
/** Percent-encoding (RFC 3986 §2.1), escapes of JSON and of programming languages, character references of HTML. */
const ESCAPES =
  /(?<percent>(?:%[0-9a-f]{2})+)|\\u(?<unit>[0-9a-f]{4})|\\x(?<byte>[0-9a-f]{2})|\\(?<short>["'\\/bfnrt])|&(?:#(?<decimal>[0-9]{1,7})|#x(?<hex>[0-9a-f]{1,6})|(?<named>amp|apos|gt|lt|quot));/gi;

/** The text, and what it reads as without its escapes, the outermost first; each only where it differs. */
export function escapedViews(text: string): readonly TextView[] {
  const views: TextView[] = [{ text, rangeOf: (at, length) => ({ from: at, to: at + length }) }];
  for (let view = views[0]; view !== undefined && views.length <= MAX_NESTED; ) {
    view = edited(view, ESCAPES, (match) => meant(match.groups ?? {}));
    if (view !== undefined) views.push(view);
  }
  return views;
}

/** Without what wraps and groups long runs of digits, in lower case. */
export function hexView(view: TextView): TextView {
  const { text, rangeOf } = edited(view, /[\s:]+/g, () => "") ?? view;
  // by no locale's rules: those may make one character two
  return { text: text.replace(/[A-F]+/g, (digits) => digits.toLowerCase()), rangeOf };
}

/** Without line breaks, in the alphabet of RFC 4648 §4. */
export function base64View(view: TextView): TextView {
  const { text, rangeOf } = edited(view, /[\r\n]+/g, () => "") ?? view;
  return { text: text.replaceAll("-", "+").replaceAll("_", "/"), rangeOf };
}

function meant(groups: Readonly<Record<string, string | undefined>>): string {
  const { percent, unit, byte, short, decimal, hex, named } = groups;
  if (percent !== undefined) return Buffer.from(percent.replaceAll("%", ""), "hex").toString("utf8");
  if (short !== undefined) return SHORT[short.toLowerCase()] ?? short;
  if (named !== undefined) return NAMED[named.toLowerCase()] ?? "";
  const code = decimal === undefined ? Number.parseInt(unit ?? byte ?? hex ?? "0", 16) : Number(decimal);
  // half of a pair is a character too: the other half follows
  return code > 0x10ffff ? "" : unit === undefined ? String.fromCodePoint(code) : String.fromCharCode(code);
}

/** The view with every match in what it means instead; undefined where there is none. */
function edited(view: TextView, pattern: RegExp, meaning: (match: RegExpExecArray) => string): TextView | undefined {
  const matches = [...view.text.matchAll(pattern)];
  if (matches.length === 0) return undefined;
  const parts: string[] = [];
  let end = 0;
  for (const match of matches) {
    parts.push(view.text.slice(end, match.index), meaning(match));
    end = match.index + match[0].length;
  }
  parts.push(view.text.slice(end));
  const text = parts.join("");
  let known: Places | undefined;
  return {
    text,
    rangeOf: (at, length) => {
      known ??= placesOf(parts, matches, text.length);
      const [from, to] = [known.from[at] ?? 0, known.to[at + length - 1] ?? 0];
      return view.rangeOf(from, to - from);
    },
  };
}

/** Of each character of the edited text, in the text before. */
interface Places {
  readonly from: Uint32Array;
  readonly to: Uint32Array;
}

/** `parts` are what stood before a match, and what the match means, in turn. */
function placesOf(parts: readonly string[], matches: readonly RegExpExecArray[], size: number): Places {
  const [from, to] = [new Uint32Array(size), new Uint32Array(size)];
  let [at, before] = [0, 0];
  for (const [index, { length }] of parts.entries()) {
    const match = index % 2 === 1 ? matches[(index - 1) / 2] : undefined;
    const width = match?.[0].length;
    for (let offset = 0; offset < length; offset += 1, at += 1) {
      // all of what stands for several characters is the place of each
      from[at] = width === undefined ? before + offset : before;
      to[at] = width === undefined ? before + offset + 1 : before + width;
    }
    before += width ?? length;
  }
  return { from, to };
}
