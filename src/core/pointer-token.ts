/**
 * One key as a token of a JSON Pointer, and back (RFC 6901 §3, §4).
 *
 * Not here: whole pointers (redaction/pointer.ts), what they lead to.
 */

/** The token of a key. */
export function pointerToken(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The key of a token. */
export function pointerKey(token: string): string {
  // this order: ~01 is the key "~1"
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
