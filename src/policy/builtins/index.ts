/**
 * The builtins we answer ourselves: the ones policies use most, so that most packs never need the toolchain's 90 MB.
 *
 * Each is compared with OPA's own code in test/policy/builtins.test.ts. Not here: those inside compiled modules.
 */
import type { TextBuiltin } from "./builtin.ts";
import { ENCODING_BUILTINS } from "./encoding.ts";
import { onValues } from "./on-values.ts";
import { makeRegexBuiltins } from "./regex.ts";
import { STRING_BUILTINS } from "./strings.ts";

/** Makes our builtins by name; patterns are cached in what it returns. */
export function makeOwnBuiltins(): ReadonlyMap<string, TextBuiltin> {
  const all = { ...STRING_BUILTINS, ...ENCODING_BUILTINS, ...makeRegexBuiltins() };
  return new Map(Object.entries(all).map(([name, builtin]) => [name, onValues(builtin)]));
}
