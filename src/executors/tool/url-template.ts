/**
 * URLs with holes for arguments, as simple string expansion of RFC 6570 has them: `https://host/tickets/{id}?q={text}`.
 *
 * Scheme and host are the registration's own. A value is percent-encoded whole, so that it stays within its segment or
 * query value; one that would change which path is meant (empty, `.`, `..`) fits nowhere.
 */
import type { JsonValue } from "../../core/json.ts";

const PLACEHOLDER = /\{([A-Za-z0-9_.-]{1,128})\}/g;
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]-]+\//;

/** The names in a template, or undefined when it is none. */
export function urlNames(template: string): readonly string[] | undefined {
  const plain = template.replaceAll(PLACEHOLDER, "x");
  // braces stand after the host alone: who is asked is no argument
  const isTemplate = ORIGIN.test(template) && isNormal(plain) && !plain.includes("#");
  return isTemplate ? [...template.matchAll(PLACEHOLDER)].map(([, name = ""]) => name) : undefined;
}

/** The URL with these values, or undefined when one is missing, no scalar, or would lead to another path. */
export function fillUrl(template: string, read: (name: string) => JsonValue | undefined): string | undefined {
  const queryAt = template.indexOf("?");
  let isWhole = true;
  const url = template.replaceAll(PLACEHOLDER, (_match, name: string, at: number) => {
    const value = read(name);
    const isScalar = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    const isInPath = queryAt < 0 || at < queryAt;
    if (!isScalar || (isInPath && value === "")) isWhole = false;
    return isScalar ? encode(String(value)) : "";
  });
  return isWhole && isNormal(url) ? url : undefined;
}

/** Whether a URL means what it spells: dot segments, a default port or an odd character would read otherwise. */
function isNormal(url: string): boolean {
  return URL.canParse(url) && new URL(url).href === url;
}

/** Everything but the unreserved characters (RFC 3986 §2.3). */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
