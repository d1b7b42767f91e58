/**
 * Builtins that a module asks its host for though OPA's compiler has them: what they answer, and that nothing of one call
 * reaches the next.
 */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import { lazyToolchain } from "../../src/policy/toolchain.ts";
import { askRules } from "./ask-rules.ts";
import { temporaryFolder } from "./make-pack.ts";
import { makeRandom } from "./make-random.ts";

const toolchain = await processToolchain().open();

const RULES = `package a

answer := {"is": regex.match(input.pattern, input.text)} if input.asked == "match"

answer := {"is": regex.find_all_string_submatch_n(input.pattern, input.text, input.limit)} if input.asked == "found"

answer := {"is": glob.match(input.pattern, input.delimiters, input.text)} if input.asked == "glob"

answer := {"is": strings.replace_n(input.table, input.text)} if input.asked == "replaced"
`;

const { builtins, evaluate } = await askRules({ "a.rego": RULES });
const is = (found: unknown) => (found as { is?: unknown } | undefined)?.is;

t.test("a module leaves to its host what would compile patterns anew", async (t) => {
  t.same(builtins, [
    "hosted.glob.match",
    "hosted.regex.find_all_string_submatch_n",
    "hosted.regex.match",
    "hosted.strings.replace_n",
  ]);
});

t.test("every answer is OPA's own", (t) => {
  const seed = randomBytes(4).readUInt32BE();
  const random = makeRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const patterns = [
    "a+",
    "",
    "(a)|(b)",
    "^é",
    "\\bfoo\\b",
    "(?i)FOO",
    "(?P<y>[0-9]{2})",
    ".",
    "(?s).*?x",
    "(",
    "[^a]*",
    "\\x00",
  ];
  const texts = ["", "aab", "foo bar", "éa 12 34", "日本😀x", "a\nb", 'q"\\', "\u0000a", "\u007f\u200b", "FOO12x"];
  const globs = ["*.example.com", "a*", "**", "{a,foo}*", "[a-f]?", "api.*.com", ""];
  const hosts = ["api.example.com", "foo", "a.b", "aab", "api.x.com", "é"];
  const opa = (name: string, operands: readonly unknown[]) => {
    const { value } = toolchain.callBuiltin(
      name,
      operands.map((operand) => JSON.stringify(operand)),
    );
    return value === undefined ? undefined : JSON.parse(value);
  };
  const differences: string[] = [];
  const compare = (asked: string, input: object, name: string, operands: readonly unknown[]) => {
    const [ours, theirs] = [is(evaluate({ asked, ...input })), opa(name, operands)];
    if (JSON.stringify(ours) !== JSON.stringify(theirs))
      differences.push(`${name}(${JSON.stringify(operands)}): ours ${ours}, OPA's ${theirs}, seed ${seed}`);
  };
  for (let count = 0; count < 150; count += 1) {
    const [pattern, text, limit] = [pick(patterns), pick(texts), pick([-1, 0, 1, 2])];
    compare("match", { pattern, text }, "regex.match", [pattern, text]);
    compare("found", { pattern, text, limit }, "regex.find_all_string_submatch_n", [pattern, text, limit]);
    const [glob, delimiters, host] = [pick(globs), pick([null, [], ["."], [".", "/"]]), pick(hosts)];
    compare("glob", { pattern: glob, delimiters, text: host }, "glob.match", [glob, delimiters, host]);
  }
  const keys = ["", "a", "aa", "ab", "é", "😀", "b", "\u0000", "foo bar", "日"];
  for (let count = 0; count < 150; count += 1) {
    const table = Object.fromEntries(Array.from({ length: 4 }, () => [pick(keys), pick(["", "x", "a", "日本"])]));
    const text = pick(texts) + pick(keys) + pick(texts);
    compare("replaced", { table, text }, "strings.replace_n", [table, text]);
  }
  t.same(differences, []);
  t.end();
});

t.test("operands of another type, and what is no pattern, are undefined", async (t) => {
  const fine = { asked: "found", pattern: "a", text: "a", limit: -1 };
  t.same(is(evaluate(fine)), [["a"]]);
  for (const wrong of [
    { pattern: 1 },
    { pattern: "(" },
    { text: ["a"] },
    { limit: "1" },
    { limit: 1.5 },
    { text: null },
  ])
    t.equal(evaluate({ ...fine, ...wrong }), undefined, JSON.stringify(wrong));
  t.equal(evaluate({ asked: "glob", pattern: "a", delimiters: [1], text: "a" }), undefined);
  t.equal(evaluate({ asked: "glob", pattern: "a", delimiters: "a", text: "a" }), undefined);
  const replaced = { asked: "replaced", table: { a: "b" }, text: "a" };
  t.equal(is(evaluate(replaced)), "b");
  for (const wrong of [{ table: { a: 1 } }, { table: ["a"] }, { table: "a" }, { text: 1 }])
    t.equal(evaluate({ ...replaced, ...wrong }), undefined, JSON.stringify(wrong));
});

t.test("more patterns than an instance keeps, in one evaluation and again", async (t) => {
  const numbers = "numbers.range(1, input.most)";
  const rules = `package a

answer := [n | some n in ${numbers}; regex.match(sprintf("^%d$", [n]), input.text)]
`;
  const { evaluate } = await askRules({ "a.rego": rules });
  for (let turn = 0; turn < 3; turn += 1) t.same(evaluate({ text: "397", most: 400 }), [397]);
});

t.test("what one text makes of an instance does not reach the next", async (t) => {
  const rules = `package a

answer := count(regex.find_all_string_submatch_n(".", input.text, -1))
`;
  const { evaluate } = await askRules({ "a.rego": rules }, 16 * 1024 * 1024);
  t.throws(() => evaluate({ text: "x".repeat(200_000) }), { name: "PolicyAbort", isOutOfMemory: true });
  const wide = await askRules({ "a.rego": rules }, 128 * 1024 * 1024);
  t.throws(() => wide.evaluate({ text: "x".repeat(2_000_000) }), { name: "PolicyAbort", isOutOfMemory: true });
  const next = await askRules({ "a.rego": rules });
  t.equal(next.evaluate({ text: "éx" }), 2);
});

t.test("a name that the sources give to something else is left alone", async (t) => {
  const own = `package a

import data.b as regex

answer := regex.match("a", "b")
`;
  const imported = await askRules({ "a.rego": own, "b.rego": "package b\n\nmatch(x, y) := [x, y]\n" });
  t.same(imported.evaluate({}), ["a", "b"]);
  const head = 'package a\n\nglob.match(x) := ["own", x]\n\nanswer := glob.match("a")\n';
  t.same((await askRules({ "a.rego": head })).evaluate({}), ["own", "a"]);
  const rules = { "a.rego": 'package a\n\nanswer := regex.match("a", "ba")\n' };
  t.same((await askRules({ ...rules, "b.rego": "package b\n\nhosted := 1\n" })).builtins, []);
  const control = await askRules({ ...rules, "b.rego": "package b\n\nother := 1\n" });
  t.same(control.builtins, ["hosted.regex.match"]);
  t.equal(control.evaluate({}), true);
});

t.test("packs cannot ask for what only the build may say", async (t) => {
  const asked = toolchain.checkPack({ "a.rego": 'package a\n\nanswer := hosted.regex.match("a", "b")\n' });
  t.match(asked, { ok: false, problems: [{ message: /hosted\.regex\.match/ }] });
});

t.test("the engine is opened only with its own digest", async (t) => {
  const directory = await temporaryFolder();
  await writeFile(join(directory, "regex.wasm"), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const { clock, random } = {
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: (size: number) => randomBytes(size),
  };
  const lazy = lazyToolchain({ clock, random, cacheDirectory: undefined, directory });
  await t.rejects(lazy.openRegexEngine(), { code: "TOOLCHAIN_UNAVAILABLE" });
});
