/**
 * Constants that the build takes out of the rules: the answers stay what OPA's interpreter says, in every place a constant
 * can stand, and whoever looks at `data` does not see them.
 */
import t from "tap";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import type { Sources } from "../../src/policy/toolchain.ts";
import { askRules } from "./ask-rules.ts";
import { buildRules, load, OTHER_TENANT, TENANT } from "./make-pack.ts";

const toolchain = await processToolchain().open();

/** What the module answers, after a look that the interpreter agrees. */
async function answers(files: Sources, inputs: readonly unknown[]): Promise<readonly unknown[]> {
  const { evaluate } = await askRules(files);
  const found = inputs.map(evaluate);
  const texts = inputs.map((input) => JSON.stringify(input));
  const interpreted = toolchain.evalInterpreter({ files, entrypoint: "a/answer", inputs: texts });
  if (!interpreted.ok) throw new Error(JSON.stringify(interpreted.problems));
  const wanted = interpreted.result.map(({ value }) => (value === undefined ? undefined : JSON.parse(value)));
  for (const [index, value] of wanted.entries()) t.strictSame(found[index], value, "as the interpreter");
  return found;
}

const PLACES = `package a

import data.b.words

table := {"a": [1, {2}], "b": null}

listed contains word if some word in {"x", "y"}

listed contains upper("z")

by_name[name] := count(name) if some name in ["one", "three"]

nested.left := {"k": "v"}

nested.right := object.union(nested.left, {"more": [true, false]})

default fallback := {"deep": [1]}

fallback := {"deep": [2]} if input.other

pick({"kind": "a"}) := "first"

pick([1, 2]) := "second"

side := {"in": "pre", "out": "post"}[input.side]

chosen := ["a"] if input.n == 1

else := ["b", "c"] if input.n == 2

else := ["d"]

half := 1 / 2

answer := {
	"table": table,
	"set": sort(listed),
	"by_name": by_name,
	"nested": nested,
	"fallback": fallback,
	"picked": [pick({"kind": "a"}), pick([1, 2])],
	"side": object.get({"pre": [1], "post": [2]}, side, []),
	"chosen": chosen,
	"half": half,
	"words": words[input.word],
	"in": input.n in {1, 2, 3},
	"every": count([n | some n in [1, 2]; every m in [0, 1] { m <= n }]),
	"keys": sort([k | some k, _ in {"p": {}, "q": {}}]),
	"matched": [x | [x, "end"] = [input.n, "end"]],
	"empty": [[], {}, count(set())],
}
`;
const WORDS = 'package b\n\nwords := {word: concat("", [word, "!"]) | some word in ["hi", "ho"]}\n';

t.test("constants in every place answer as before", async (t) => {
  const files = { "a.rego": PLACES, "b.rego": WORDS };
  const [first] = await answers(files, [
    { side: "in", n: 1, word: "hi" },
    { side: "out", n: 2, word: "ho", other: true },
    { side: "none", n: 3, word: "hi" },
    {},
  ]);
  t.match(first, { set: ["Z", "x", "y"], words: "hi!", nested: { right: { k: "v", more: [true, false] } }, half: 0.5 });
  const { constants } = await askRules(files);
  t.match(constants, '"hi":"hi!"', "folded");
  t.notMatch(constants, '"deep":[1]', "a default stays written out");
});

t.test("what is replaced by `with` reaches what depends on it", async (t) => {
  const rules = `package a

limits := {"most": 2}

doubled := limits.most * 2

numbered := [doubled, limits.most]

answer := [numbered, other] if {
	other := numbered with data.a.limits as {"most": input.most}
}
`;
  t.same(await answers({ "a.rego": rules }, [{ most: 5 }]), [
    [
      [4, 2],
      [10, 5],
    ],
  ]);
  const beside = `package a

whole := data.b

answer := found if found := whole.c with data.b.c.more as input.more
`;
  const files = { "a.rego": beside, "b.rego": "package b.c\n\nk := 1\n" };
  t.same(await answers(files, [{ more: [2] }]), [{ k: 1, more: [2] }]);
  const mocked = `package a

names := [upper(name) | some name in ["x"]]

shout(text) := concat("", [text, "!"])

answer := [names, other] if other := names with upper as shout
`;
  t.same(await answers({ "a.rego": mocked }, [{}]), [[["X"], ["x!"]]]);
});

t.test("who looks at all of data does not see them", async (t) => {
  const rules = "package a\n\nanswer := sort([name | some name, _ in data.b])\n";
  const files = { "b.rego": 'package b\n\np := {"a": 1}\n\nq := ["b"]\n' };
  t.same(await answers({ ...files, "a.rego": rules }, [{}]), [["p", "q"]]);
  const whole = 'package a\n\nanswer := {"found": [name | data[name].c.p.a == 1]}\n';
  const below = { "b.rego": 'package b.c\n\np := {"a": 1}\n', "a.rego": whole };
  t.same(await answers(below, [{}]), [{ found: ["b"] }]);
  t.equal((await askRules(below)).constants, undefined);
});

t.test("the same rules give the same bytes", async (t) => {
  const files = { "a.rego": PLACES, "b.rego": WORDS };
  const [one, two] = [toolchain.buildWasm(files, ["a/answer"]), toolchain.buildWasm(files, ["a/answer"])];
  t.ok(one.ok && two.ok && Buffer.from(one.result).equals(two.result));
});

t.test("every tenant's instance has them, also those that start from the memory of another", async (t) => {
  const rules = `words := {"a": ["one"], "b": ["two"]}

decision := {"effect": "allow", "reasons": words[input.word]}`;
  const pack = await load(await buildRules({ name: "worded", rules, reasons: { one: "one", two: "two" } }));
  const tenants = [TENANT, OTHER_TENANT, "third" as typeof TENANT, "fourth" as typeof TENANT];
  for (const word of ["a", "b", "a"]) {
    for (const tenant of tenants) {
      const reasons = [word === "a" ? "one" : "two"];
      t.match(pack.evaluate(Buffer.from(JSON.stringify({ word })), tenant), { ok: true, decision: { reasons } });
    }
  }
});
