/**
 * Builtins that OPA's compiler has and our toolchain still leaves to the host (wasm/toolchain/hosted.go).
 *
 * They work on values where these lie, and patterns stay compiled from one evaluation to the next. Not here: the regular
 * expressions themselves (regex-engine.ts).
 */

import type { ModuleValues } from "../module-values.ts";
import type { RegexEngine } from "../regex-engine.ts";
import type { InPlaceBuiltin } from "./builtin.ts";
import { makeReplacer, type Replacer } from "./replacer.ts";

/** What an undefined builtin answers: the address of nothing. */
const UNDEFINED = 0;

/** Their names as a module says them; asked before the engine is there. */
export const HOSTED_BUILTINS = [
  "hosted.glob.match",
  "hosted.regex.find_all_string_submatch_n",
  "hosted.regex.match",
  "hosted.strings.replace_n",
] as const;

type HostedName = (typeof HOSTED_BUILTINS)[number];

/**
 * Of the keys of tables that are remembered for a module, in bytes; packs have a few thousand. A tree takes some 30 bytes
 * for each, outside of what a thread's own limits count.
 */
const MAX_REMEMBERED_KEY_BYTES = 1024 * 1024;

export function makeHostedBuiltins(engine: RegexEngine): Readonly<Record<HostedName, InPlaceBuiltin>> {
  const replacerAt = makeReplacers();
  return {
    "hosted.strings.replace_n": {
      answer: (values, [tableAt = 0, textAt = 0]) => {
        const [replacer, text] = [replacerAt(values, tableAt), values.bytesOf(textAt)];
        if (replacer === undefined || text === undefined) return UNDEFINED;
        const replaced = replacer(text);
        return replaced === undefined ? textAt : values.makeString(replaced);
      },
    },
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

/** Finds the replacer of a table; of tables that last, one for all instances of a module. */
function makeReplacers(): (values: ModuleValues, address: number) => Replacer | undefined {
  const byPlace = new WeakMap<ModuleValues, Map<number, Replacer>>();
  const byContent = new Map<string, Replacer>();
  let rememberedKeyBytes = 0;
  return (values, address) => {
    const known = byPlace.get(values)?.get(address);
    if (known !== undefined) return known;
    const texts = values.textsOf(address);
    if (texts === undefined) return undefined;
    const copyOf = (at: number) => (values.bytesOf(at) ?? new Uint8Array()).slice();
    const entries = texts.map(([key, value]) => [copyOf(key), copyOf(value)] as const);
    if (!values.lasts(address)) return makeReplacer(entries);
    const content = JSON.stringify(texts.map((pair) => pair.map(values.textOf)));
    let replacer = byContent.get(content);
    if (replacer === undefined) {
      replacer = makeReplacer(entries);
      const keyBytes = entries.reduce((sum, [key]) => sum + key.length, 0);
      if (rememberedKeyBytes + keyBytes > MAX_REMEMBERED_KEY_BYTES) return replacer;
      rememberedKeyBytes += keyBytes;
      byContent.set(content, replacer);
    }
    const places = byPlace.get(values) ?? new Map<number, Replacer>();
    byPlace.set(values, places.set(address, replacer));
    return replacer;
  };
}
