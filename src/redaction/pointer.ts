/**
 * JSON Pointers (RFC 6901): a text as a path of keys, and back.
 *
 * In: a pointer. Out: its unescaped tokens. Not here: which value a path leads to (apply-patch.ts).
 */
import { StepgateError } from "../core/errors.ts";
import { pointerKey, pointerToken } from "../core/pointer-token.ts";

const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;

/**
 * The tokens of a pointer; the empty pointer, the whole document, has none (RFC 6901 §3, §4).
 *
 * @throws {StepgateError} PATCH_MALFORMED for a text that is no pointer, or one through `__proto__`, which strict JSON
 * never holds as a key.
 */
export function parsePointer(pointer: string): readonly string[] {
  if (typeof pointer !== "string" || !isPointer(pointer))
    throw new StepgateError("PATCH_MALFORMED", { reason: "pointer" });
  return pointer.split("/").slice(1).map(pointerKey);
}

/** Tells whether a text is a pointer that `parsePointer` takes. */
export function isPointer(text: string): boolean {
  return POINTER.test(text) && !text.split("/").includes("__proto__");
}

/** The pointer of a path of keys. */
export function formatPointer(tokens: readonly string[]): string {
  return tokens.map((token) => `/${pointerToken(token)}`).join("");
}
