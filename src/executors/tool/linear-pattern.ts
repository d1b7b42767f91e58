/**
 * Patterns of tools' schemas: RE2, which needs time in proportion to the text, whatever the pattern.
 *
 * In: a pattern. Out: a test of texts. Patterns come from operators and texts from anybody, so neither meets JavaScript's
 * RegExp. Not here: schemas.
 */
import { RE2JS, RE2JSException } from "re2js";
import { StepgateError } from "../../core/errors.ts";
import type { Work } from "./work.ts";

const MAX_LENGTH = 512;
/** Each character of a text may cost as many steps as the pattern has instructions. */
const MAX_INSTRUCTIONS = 1_000;

export interface LinearPattern {
  readonly test: (text: string) => boolean;
  readonly toString: () => string;
}

/** Each instruction may be looked at for each character: 50 ns in the slowest of thirteen kinds of patterns. */
const STEPS_AN_INSTRUCTION = 5;
/** A search that ends at once. */
const STEPS_A_SEARCH = 50;

/** How many instructions a pattern has; undefined for one that is not in RE2 syntax, or has too many. */
export function patternSize(pattern: string): number | undefined {
  return compile(pattern)?.programSize();
}

/**
 * Makes patterns as Ajv asks for them, which count their work. Ajv keeps one under its text (`toString`), so that two must not
 * share one.
 *
 * @throws {StepgateError} FIELD_INVALID for one that has no `patternSize`: it must not read as one that matches nothing.
 */
export function makePatterns({ spend }: Pick<Work, "spend">): (pattern: string) => LinearPattern {
  return (pattern) => {
    const compiled = compile(pattern);
    if (compiled === undefined) throw new StepgateError("FIELD_INVALID", { reason: "no pattern in RE2 syntax" });
    const stepsACharacter = STEPS_AN_INSTRUCTION * compiled.programSize();
    return {
      test: (text) => {
        spend(STEPS_A_SEARCH + stepsACharacter * text.length);
        return compiled.matcher(text).find();
      },
      toString: () => `/${pattern}/`,
    };
  };
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
