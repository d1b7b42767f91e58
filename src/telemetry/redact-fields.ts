/**
 * What a log line may hold: ids, counts, codes and paths; payload and secrets by name are hidden at any depth.
 *
 * A second fence: who logs names no payload in the first place (spec 00, payloads at rest). In: fields. Out: fields.
 * Not here: errors (describe-error.ts), writing (logger.ts).
 */
const HIDDEN = "[hidden]";
const MAX_DEPTH = 6;
const MAX_TEXT_LENGTH = 2_048;

/** Names whose values never reach a log, without case, `_` and `-`. */
const HIDDEN_NAMES: ReadonlySet<string> = new Set([
  // secrets
  "token",
  "jwt",
  "bearer",
  "secret",
  "secrets",
  "password",
  "passphrase",
  "authorization",
  "cookie",
  "setcookie",
  "key",
  "apikey",
  "adminkey",
  "privatekey",
  "instancekey",
  "wrapped",
  "wrappedkey",
  "databaseurl",
  "connectionstring",
  "idempotencykey",
  "salt",
  "nonce",
  "signature",
  // payload (spec 00)
  "input",
  "inputs",
  "output",
  "outputs",
  "payload",
  "body",
  "headers",
  "labels",
  "checkpoint",
  "facts",
  "signal",
  "stderr",
  "stdout",
  "preview",
  "arguments",
  "settings",
  "subject",
  "message",
  "details",
  "sealed",
  "sql",
  "values",
]);

/** A copy of `fields` without hidden values, bytes, over-long texts and nesting beyond six levels. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 1);
}

function redactObject(object: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    shown[name] = isHiddenName(name) ? HIDDEN : redactValue(value, depth);
  }
  return shown;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.length > MAX_TEXT_LENGTH ? `${value.slice(0, MAX_TEXT_LENGTH)}…` : value;
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value;
  if (depth >= MAX_DEPTH) return "[deeper]";
  return Array.isArray(value) ? value.map((item) => redactValue(item, depth + 1)) : redactObject(value, depth + 1);
}

function isHiddenName(name: string): boolean {
  return HIDDEN_NAMES.has(name.replace(/[_-]/g, "").toLowerCase());
}
