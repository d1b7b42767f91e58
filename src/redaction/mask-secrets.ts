/**
 * Masks secrets that a tool was handed in whatever it answers: as they are, and in the encodings they usually turn up in.
 *
 * Looked for: the text, percent-encoded, escaped as JSON or HTML, base64 at any offset, hex, SHA-256; parts that are secrets of
 * their own (credentials behind a scheme, lines); at a text's end its beginning. A tool that means to give one away can
 * always spell it differently: what is not looked for is not found.
 */
import { createHash } from "node:crypto";
import { MIN_SECRET_LENGTH } from "../core/secret.ts";
import { base64View, escapedViews, hexView, type Range, type TextView } from "./text-views.ts";

const MASK = "[secret]";
/** `<scheme> <credentials>` (RFC 9110 §11.4). */
const CREDENTIALS = /^[A-Za-z][A-Za-z0-9-]* +(\S+)$/;

interface Needles {
  readonly texts: readonly string[];
  readonly hex: readonly string[];
  /** Of every offset the characters that no neighbour changes. */
  readonly base64: readonly string[];
}

/** Makes the mask: the value with every text in it masked, also of keys, and numbers that hold one. */
export function makeSecretMask(secrets: readonly string[]): <T>(value: T) => T {
  const needles = needlesOf(secrets);
  const mask = (value: unknown): unknown => {
    if (typeof value === "string") return maskText(value, needles);
    // a secret of digits alone may come back as a number
    if (typeof value === "number") return needles.texts.some((text) => String(value).includes(text)) ? MASK : value;
    if (Array.isArray(value)) return value.map(mask);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [maskText(key, needles), mask(item)]));
  };
  return <T>(value: T) => mask(value) as T;
}

function needlesOf(secrets: readonly string[]): Needles {
  const parts = [...new Set(secrets.flatMap(partsOf))];
  const digests = secrets.map((secret) => createHash("sha256").update(secret).digest());
  const bytes = parts.map((part) => Buffer.from(part));
  return {
    // a form writes its spaces as +
    texts: [...new Set(parts.flatMap((part) => [part, part.replaceAll(" ", "+")]))],
    hex: [...bytes, ...digests].map((one) => one.toString("hex")),
    base64: [...bytes.flatMap(sureBase64), ...digests.map((one) => one.toString("base64").slice(0, -2))],
  };
}

/** The whole, and parts of it that would be secrets alone. */
function partsOf(secret: string): readonly string[] {
  const credentials = CREDENTIALS.exec(secret)?.[1] ?? "";
  // user and password, of which one is secret
  const [, ...password] = Buffer.from(credentials, "base64").toString("utf8").split(":");
  const parts = [credentials, ...(/^basic /i.test(secret) ? [password.join(":")] : []), ...secret.split(/\r?\n/)];
  return [secret, ...parts.filter((part) => part.length >= MIN_SECRET_LENGTH)];
}

function sureBase64(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map((offset) => {
    const inside = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return inside.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
}

function maskText(text: string, needles: Needles): string {
  if (text.length < MIN_SECRET_LENGTH) return text;
  const ranges = escapedViews(text).flatMap((view) => [
    ...needles.texts.flatMap((needle) => [...found(view, needle), ...begun(view, needle)]),
    ...inView(hexView(view), needles.hex),
    ...inView(base64View(view), needles.base64).map((range) => withNeighbours(text, range)),
  ]);
  return ranges.length === 0 ? text : without(text, ranges);
}

const inView = (view: TextView, needles: readonly string[]): readonly Range[] =>
  needles.flatMap((needle) => found(view, needle));

function found({ text, rangeOf }: TextView, needle: string): readonly Range[] {
  const ranges: Range[] = [];
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1))
    ranges.push(rangeOf(at, needle.length));
  return ranges;
}

/** What was cut off in the middle of one, by a limit or a kill. */
function begun({ text, rangeOf }: TextView, needle: string): readonly Range[] {
  for (let length = Math.min(needle.length - 1, text.length); length >= MIN_SECRET_LENGTH; length -= 1) {
    if (text.endsWith(needle.slice(0, length))) return [rangeOf(text.length - length, length)];
  }
  return [];
}

/** The characters beside hold bits of it too. */
function withNeighbours(text: string, { from, to }: Range): Range {
  const isPart = (at: number) => /[A-Za-z0-9+/_-]/.test(text.charAt(at));
  return { from: isPart(from - 1) ? from - 1 : from, to: isPart(to) ? to + 1 : to };
}

function without(text: string, ranges: readonly Range[]): string {
  let masked = "";
  let at = 0;
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    if (to <= at) continue;
    // one that overlaps the one before goes on in its mask
    if (from >= at && (from > at || masked === "")) masked += text.slice(at, from) + MASK;
    at = to;
  }
  return masked + text.slice(at);
}
