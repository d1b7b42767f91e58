/**
 * Where a redirect leads, and what of the request may be sent there (RFC 9110 §15.4).
 *
 * In: the request just sent, the answer's status and location. Out: the next request, or nothing. Not here: whether the
 * next URL may be reached (guard.ts).
 */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
export type Method = (typeof METHODS)[number];

export interface Hop {
  readonly method: Method;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What says nothing about who asks; every other header may be a credential, whatever its name. */
const SENT_ACROSS_ORIGINS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "content-type",
  "user-agent",
]);

/** Whether a header of this name, in lower case, goes along to whatever origin a redirect names. */
export function isSentAcrossOrigins(name: string): boolean {
  return SENT_ACROSS_ORIGINS.has(name);
}

/** A status that redirects, with a place to go; without one it is an answer like any other. */
export function isRedirect(status: number, headers: Readonly<Record<string, unknown>>): boolean {
  return REDIRECTS.has(status) && headers["location"] !== undefined;
}

/**
 * The next request. 303 turns into GET, and POST with 301 or 302 does too, as every client does; their body is dropped.
 * Undefined when the location is no URL or leads from https to http.
 */
export function nextHop(hop: Hop, status: number, location: unknown): Hop | undefined {
  const url =
    typeof location === "string" && URL.canParse(location, hop.url.href) ? new URL(location, hop.url) : undefined;
  if (url === undefined || (hop.url.protocol === "https:" && url.protocol !== "https:")) return undefined;
  const isPost = hop.method === "POST" && (status === 301 || status === 302);
  const turnsIntoGet = isPost || (status === 303 && hop.method !== "HEAD");
  const isSameOrigin = url.origin === hop.url.origin;
  const headers = Object.entries(hop.headers).filter(
    ([name]) => (isSameOrigin || isSentAcrossOrigins(name)) && !(turnsIntoGet && name.startsWith("content-")),
  );
  return {
    method: turnsIntoGet ? "GET" : hop.method,
    url,
    headers: Object.fromEntries(headers),
    body: turnsIntoGet ? undefined : hop.body,
  };
}
