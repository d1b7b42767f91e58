/**
 * Builtins that OPA's compiler has and our toolchain still leaves to the host (wasm/toolchain/hosted.go).
 *
 * They work on values where these lie, and patterns stay compiled from one evaluation to the next. Not here: the regular
 * expressions themselves (regex-engine.ts).
 */
import type { InPlaceBuiltin } from "../host-builtin.ts";
import type { RegexEngine } from "../regex-engine.ts";

/** What an undefined builtin answers: the address of nothing. */
const UNDEFINED = 0;

/** Their names as a module says them; asked before the engine is there. */
export const HOSTED_BUILTINS = [
  "hosted.glob.match",
  "hosted.regex.find_all_string_submatch_n",
  "hosted.regex.match",
] as const;

type HostedName = (typeof HOSTED_BUILTINS)[number];

export function makeHostedBuiltins(engine: RegexEngine): Readonly<Record<HostedName, InPlaceBuiltin>> {
  return {
    "hosted.regex.match": {
      answer: (values, [patternAt = 0, textAt = 0]) => {
        const [pattern, text] = [values.textOf(patternAt), values.bytesOf(textAt)];
        if (pattern === undefined || text === undefined) return UNDEFINED;
        const isMatch = engine.match(pattern, text);
        return isMatch === undefined ? UNDEFINED : values.makeBoolean(isMatch);
      },
    },
    "hosted.regex.find_all_string_submatch_n": {
      answer: (values, [patternAt = 0, textAt = 0, limitAt = 0]) => {
        const limit = values.literalOf(limitAt);
        const [pattern, text] = [values.textOf(patternAt), values.bytesOf(textAt)];
        if (pattern === undefined || text === undefined) return UNDEFINED;
        const matches = engine.findAll(pattern, text, limit);
        if (matches === undefined) return UNDEFINED;
        return values.makeArray(matches.map((match) => values.makeArray(match.map(values.makeString))));
      },
    },
    "hosted.glob.match": {
      answer: (values, [patternAt = 0, delimitersAt = 0, textAt = 0]) => {
        const delimiters = values.literalOf(delimitersAt);
        const [pattern, text] = [values.textOf(patternAt), values.bytesOf(textAt)];
        if (pattern === undefined || text === undefined) return UNDEFINED;
        const isMatch = engine.globMatch(pattern, delimiters, text);
        return isMatch === undefined ? UNDEFINED : values.makeBoolean(isMatch);
      },
    },
  };
}
