/** Errors of the operating system, told apart by code, never by message. */

/** Tells whether a caught value is a system error, optionally with one of the given codes. */
export function isSystemError(caught: unknown, ...codes: readonly string[]): caught is NodeJS.ErrnoException {
  if (!(caught instanceof Error) || !("code" in caught) || typeof caught.code !== "string") return false;
  return codes.length === 0 || codes.includes(caught.code);
}
