/**
 * Patterns of tools' schemas: RE2, which needs time in proportion to the text, whatever the pattern.
 *
 * In: a pattern. Out: a test of texts. Patterns come from operators and texts from anybody, so neither meets JavaScript's
 * RegExp. Not here: schemas.
 */
import { RE2JS, RE2JSException } from "re2js";
import { StepgateError } from "../../core/errors.ts";

const MAX_LENGTH = 512;
/** Each character of a text may cost as many steps as the pattern has instructions. */
const MAX_INSTRUCTIONS = 1_000;

export interface LinearPattern {
  readonly test: (text: string) => boolean;
  readonly toString: () => string;
}

export function isLinearPattern(pattern: string): boolean {
  return compile(pattern) !== undefined;
}

/**
 * Makes a pattern as Ajv asks for it. Ajv keeps it under its text (`toString`), so that two must not share one.
 *
 * @throws {StepgateError} FIELD_INVALID for one that `isLinearPattern` refuses: it must not read as one that matches nothing.
 */
export function makeLinearPattern(pattern: string): LinearPattern {
  const compiled = compile(pattern);
  if (compiled === undefined) throw new StepgateError("FIELD_INVALID", { reason: "no pattern in RE2 syntax" });
  return { test: (text) => compiled.matcher(text).find(), toString: () => `/${pattern}/` };
}

function compile(pattern: string): RE2JS | undefined {
  if (pattern.length > MAX_LENGTH) return undefined;
  try {
    const compiled = RE2JS.compile(pattern);
    return compiled.programSize() <= MAX_INSTRUCTIONS ? compiled : undefined;
  } catch (caught) {
    if (caught instanceof RE2JSException) return undefined;
    throw caught;
  }
}
