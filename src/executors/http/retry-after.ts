/**
 * Retry-After: how long a host wants to be left alone (RFC 9110 §10.2.3).
 *
 * In: the header's value, the time. Out: milliseconds from now, or nothing. Not here: whether to retry (runs/backoff.ts).
 */
const MAX_RETRY_AFTER_MS = 3_600_000;
const HTTP_DATE = /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/;

/** Seconds or an HTTP date, as milliseconds from `nowMs`, at most an hour; undefined for anything else. */
export function retryAfterMs(header: string | readonly string[] | undefined, nowMs: number): number | undefined {
  if (typeof header !== "string") return undefined;
  const text = header.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  if (!HTTP_DATE.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.min(Math.max(atMs - nowMs, 0), MAX_RETRY_AFTER_MS);
}
