/** Tables of replacements as a module hands them over: what is remembered of them, and how much. */
import t from "tap";
import { makeHostedBuiltins } from "../../src/policy/builtins/hosted.ts";
import type { ModuleValues } from "../../src/policy/module-values.ts";
import type { RegexEngine } from "../../src/policy/regex-engine.ts";

/** A module with tables of one key; `keyOf` says the key of the table at an address. */
function makeModule(keyOf: (table: number) => string): { values: ModuleValues; reads: () => number } {
  let reads = 0;
  const [KEY, VALUE, TEXT] = [1, 2, 3];
  let table = 0;
  const unasked = () => {
    throw new Error("not asked for by replacements");
  };
  return {
    reads: () => reads,
    values: {
      bytesOf: (address) => Buffer.from(address === KEY ? keyOf(table) : address === VALUE ? "new" : "text"),
      textOf: (address) => (address === KEY ? keyOf(table) : "new"),
      textsOf: (address) => {
        reads++;
        table = address;
        return address === TEXT ? undefined : [[KEY, VALUE]];
      },
      lasts: () => true,
      literalOf: unasked,
      makeArray: unasked,
      makeBoolean: unasked,
      makeString: unasked,
    },
  };
}

const unaskedEngine: RegexEngine = { findAll: () => undefined, globMatch: () => undefined, match: () => undefined };

t.test("hundreds of tables that a pack writes down are read once each", (t) => {
  const replace = makeHostedBuiltins(unaskedEngine)["hosted.strings.replace_n"];
  const module = makeModule((table) => `key ${table}`);
  for (let pass = 0; pass < 3; pass++)
    for (let table = 10; table < 510; table++) replace.answer(module.values, [table, 3]);
  t.equal(module.reads(), 500);
  t.end();
});

t.test("of keys beyond 1 MiB nothing is remembered, however few the tables", (t) => {
  const replace = makeHostedBuiltins(unaskedEngine)["hosted.strings.replace_n"];
  const module = makeModule((table) => `${table}`.padEnd(400_000, "k"));
  for (let pass = 0; pass < 2; pass++) for (const table of [10, 11, 12, 13]) replace.answer(module.values, [table, 3]);
  t.equal(module.reads(), 4 + 2, "two tables fit, two are read each time");
  t.end();
});
